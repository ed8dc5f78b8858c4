"""ConnectWise's agreements: their cycles, which are named by the MSP, and their additions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final, NamedTuple

from agreements.mrr.currencies import CODES
from integrations.adapters.connectwise.additions import AdditionReader, Additions
from integrations.adapters.connectwise.api import ConnectWiseApi
from integrations.adapters.connectwise.guide import IDS_PER_QUESTION
from integrations.adapters.connectwise.wire import (
    BillingCycle,
    Currency,
    Ref,
    WireAgreement,
    ref_id,
)
from integrations.psa.contract import (
    Cycle,
    PsaAgreement,
    PsaPage,
    RejectedRecord,
    Wanted,
    unknown_cycle,
)
from integrations.psa.currencies import read_currency
from integrations.psa.decoding import (
    UNUSABLE,
    calendar_date,
    clean,
    day_before,
    instant,
    name_of,
    read_records,
    set_aside,
)
from integrations.psa.errors import PsaRefused
from integrations.psa.parallel import ordered_map
from integrations.psa.questions import batched_ids, part_wanted

#: `billingOptions` of a billing cycle → our cycle. `BiMonthly` is every two months there.
BILLING_OPTIONS: Final = {
    "weekly": "weekly",
    "biweekly": "biweekly",
    "monthly": "monthly",
    "bimonthly": "bimonthly",
    "quarterly": "quarterly",
    "semiannual": "semiannual",
    "yearly": "annual",
    "notrecurring": "not_recurring",
}
#: Names that MSPs give their cycles, where the table that says what they mean may not be read.
#: Exact matches only: "Annual - paid monthly" contains both.
CYCLE_NAMES: Final = {
    **BILLING_OPTIONS,
    "semiannually": "semiannual",
    "halfyearly": "semiannual",
    "annual": "annual",
    "annually": "annual",
    "fortnightly": "biweekly",
    "none": "not_recurring",
    "onetime": "not_recurring",
}
AGREEMENT_FIELDS: Final = (
    "id,name,type,company,startDate,endDate,noEndingDateFlag,cancelledFlag,dateCancelled,"
    "agreementStatus,billAmount,billingCycle,billOneTimeFlag,currency,parentAgreement,_info"
)


@dataclass(slots=True)
class Listed:
    """A page of the list: its agreements that are wanted, those of them whose additions are asked
    for, the ids of the others, what was set aside, and the additions as far as they have come.
    """

    page: PsaPage[WireAgreement]
    chosen: list[PsaAgreement]
    asked: list[PsaAgreement]
    left: frozenset[str]
    rejected: list[RejectedRecord]
    found: list[Additions] = field(default_factory=list)


class Question(NamedTuple):
    """For the additions of an agreement; None = the page has no more."""

    listed: Listed
    agreement: PsaAgreement | None


class AgreementReader:
    """Reads agreements with their additions; side by side, at most `workers` questions at once."""

    def __init__(self, api: ConnectWiseApi, *, workers: int) -> None:
        self._api = api
        self._additions = AdditionReader(api)
        self._workers = workers
        self._cycles: dict[int, BillingCycle] | None = None
        self._cycles_asked = False

    def pages(
        self, conditions: Iterable[Mapping[str, str]], wanted: Wanted | None
    ) -> Iterator[PsaPage[PsaAgreement]]:
        """The agreements that meet one of these conditions, those that are wanted with their lines.

        The next page of the list is asked for while additions of the last one are under way.
        """
        answers = ordered_map(
            self._answer, self._questions(conditions, wanted), workers=self._workers
        )
        for question, found in answers:
            if found is None:
                yield self._page(question.listed)
            else:
                question.listed.found.append(found)

    def _questions(
        self, conditions: Iterable[Mapping[str, str]], wanted: Wanted | None
    ) -> Iterator[Question]:
        """For each page of the list its additions, where these can count; then what ends it."""
        for condition in conditions:
            params = {"fields": AGREEMENT_FIELDS, **condition}
            for page in self._api.pages("read_agreements", params, WireAgreement):
                listed = self._listed(page, wanted)
                yield from (Question(listed, agreement) for agreement in listed.asked)
                yield Question(listed, None)

    def _answer(self, question: Question) -> tuple[Question, Additions | None]:
        agreement = question.agreement
        return question, self._additions.read(agreement) if agreement else None

    def _listed(self, page: PsaPage[WireAgreement], wanted: Wanted | None) -> Listed:
        """The agreements of a page, without lines."""
        parents = self._parent_cycles(page.records)
        built: list[PsaAgreement] = []
        rejected = list(page.rejected)
        for raw in page.records:
            try:
                built.append(self._build_agreement(raw, parents))
            except UNUSABLE as error:
                rejected.append(set_aside(str(raw.id), error))
        chosen, left = part_wanted(built, wanted)
        asked = [agreement for agreement in chosen if can_have_lines(agreement)]
        return Listed(page, chosen, asked, left, rejected)

    def _page(self, listed: Listed) -> PsaPage[PsaAgreement]:
        """A page of which all additions have come."""
        page, rejected = listed.page, listed.rejected
        records = {agreement.external_id: agreement for agreement in listed.chosen}
        refused, short = None, page.short
        for agreement, found in zip(listed.asked, listed.found, strict=True):
            rejected += found.rejected
            refused, short = refused or found.refused, short or found.short
            records[agreement.external_id] = replace(
                agreement, lines=tuple(found.lines.values()),
                incomplete=found.incomplete, withheld=found.refused is not None,
            )  # fmt: skip
        is_blind = self._cycles_asked and not self._cycles
        return PsaPage(
            tuple(records.values()),
            tuple(rejected),
            page.cursor,
            page.total,
            refused=refused,
            unsure=frozenset({"cycle"} if is_blind else ()),
            short=short,
            left=listed.left,
        )

    def _parent_cycles(self, agreements: Sequence[WireAgreement]) -> dict[int, Ref | None]:
        """Billing cycles of the parents that these agreements inherit from, theirs or another's."""
        known = {agreement.id: agreement.billing_cycle for agreement in agreements}
        missing = {
            agreement.parent_agreement.id
            for agreement in agreements
            if not has_id(agreement.billing_cycle)
            and agreement.parent_agreement
            and agreement.parent_agreement.id is not None
        } - known.keys()
        for ids in batched_ids(sorted(map(str, missing)), IDS_PER_QUESTION):
            params = {"fields": "id,billingCycle", "conditions": f"id in ({','.join(ids)})"}
            for page in self._api.pages("read_agreements", params, WireAgreement):
                known |= {parent.id: parent.billing_cycle for parent in page.records}
        return known

    def _build_agreement(
        self, raw: WireAgreement, parents: Mapping[int, Ref | None]
    ) -> PsaAgreement:
        """`dateCancelled` is the first day out of force there, `endDate` the last one in it."""
        status = clean(raw.agreement_status)
        own, parent = raw.billing_cycle, raw.parent_agreement
        reference = own if has_id(own) else parents.get(parent.id) if parent and parent.id else None
        first_day_out = calendar_date(raw.date_cancelled, "dateCancelled")
        return PsaAgreement(
            external_id=str(raw.id),
            company_id=ref_id(raw.company),
            name=name_of(raw.name, "name"),
            type=clean(raw.type.name) if raw.type else "",
            status=status,
            currency=currency_of(raw.currency),
            start_date=calendar_date(raw.start_date, "startDate"),
            end_date=calendar_date(raw.end_date, "endDate"),
            no_end=raw.no_ending_date_flag is True,
            cancelled=raw.cancelled_flag is True or status.casefold() == "cancelled",
            cancelled_date=day_before(first_day_out) if first_day_out else None,
            recurring=None if has_id(reference) else False,
            cycle=self._cycle(raw, reference),
            cycle_label=clean(reference.name) if reference else "",
            amount=Decimal(0) if raw.bill_amount is None else raw.bill_amount,
            parent_id=ref_id(parent),
            changed_at=instant(raw.info.last_updated) if raw.info else None,
        )

    def _cycle(self, raw: WireAgreement, reference: Ref | None) -> Cycle:
        """What the MSP's cycle means: by `billingOptions`, for its name is free text.

        `oneTimeFlag` and `applicationCycle` are about the allotment of hours and say nothing here.
        """
        if raw.bill_one_time_flag is True:
            return "one_time"
        if reference is None or reference.id is None:
            return None
        table = self.billing_cycles()
        name = clean(reference.name)
        if table is not None and reference.id in table:
            row = table[reference.id]
            option = clean(row.billing_options)
            if option:
                return BILLING_OPTIONS.get(option.casefold()) or unknown_cycle(name or option)
            name = name or clean(row.name)
        known = CYCLE_NAMES.get(re.sub(r"[\s_-]", "", name.casefold()))
        return known or unknown_cycle(name or f"billing cycle {reference.id}")

    def billing_cycles(self) -> dict[int, BillingCycle] | None:
        """The table of billing cycles; None when it may not be read (`…/info` has no options)."""
        if not self._cycles_asked:
            self._cycles_asked = True
            try:
                rows = self._api.table("/finance/billingCycles")
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
            else:
                cycles, _ = read_records(rows, BillingCycle, lambda row: row)
                self._cycles = {row.id: row for row in cycles}
        return self._cycles


def currency_of(currency: Currency | None) -> str:
    """The code of an agreement's currency, by the first of its members that says something."""
    if currency is None:
        return ""
    texts = (currency.currency_code, currency.currency_identifier, currency.name, currency.symbol)
    words = [word for text in texts if (word := read_currency(text))]
    known = next((word for word in words if word in CODES), "")
    unnamed = "" if currency.id is None else f"currency {currency.id}"
    return known or next(iter(words), unnamed)


def has_id(reference: Ref | None) -> bool:
    """Whether a reference names a record."""
    return reference is not None and reference.id is not None


def can_have_lines(agreement: PsaAgreement) -> bool:
    """Whether additions of the agreement can count in MRR."""
    return agreement.recurring is not False and agreement.cycle not in ("one_time", "not_recurring")
