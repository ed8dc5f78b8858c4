"""ConnectWise's agreements: their cycles, which are named by the MSP, and their additions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Final

import msgspec

from agreements.mrr.currencies import CODES
from integrations.adapters.connectwise.api import LISTS, ConnectWiseApi, record_id, record_stamp
from integrations.adapters.connectwise.guide import IDS_PER_QUESTION
from integrations.adapters.connectwise.paging import Place, Rows, numbered_pages
from integrations.adapters.connectwise.wire import (
    BillingCycle,
    Currency,
    Ref,
    WireAddition,
    WireAgreement,
    ref_id,
)
from integrations.psa.contract import (
    Cycle,
    PsaAgreement,
    PsaAgreementLine,
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
    of_lines,
    read_records,
    set_aside,
)
from integrations.psa.errors import PsaRefused
from integrations.psa.http import PsaResponse
from integrations.psa.listing import Newest, ended_early, looks_full
from integrations.psa.parallel import ordered_map
from integrations.psa.questions import batched_ids, count_at_end, part_wanted

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
BILL_CUSTOMER: Final = {
    "billable": "billable",
    "donotbill": "do_not_bill",
    "nocharge": "no_charge",
}
AGREEMENT_FIELDS: Final = (
    "id,name,type,company,startDate,endDate,noEndingDateFlag,cancelledFlag,dateCancelled,"
    "agreementStatus,billAmount,billingCycle,billOneTimeFlag,currency,parentAgreement,_info"
)


@dataclass(slots=True)
class Additions:
    """The lines of one agreement by id, what was set aside, and whether (and why) some are missing.

    `short`: how many came of how many that there are.
    """

    lines: dict[int, PsaAgreementLine] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    incomplete: bool = False
    refused: PsaRefused | None = None
    short: tuple[int, int] | None = None


class AgreementReader:
    """Reads agreements with their additions; side by side, at most `workers` questions at once."""

    def __init__(self, api: ConnectWiseApi, *, workers: int) -> None:
        self._api = api
        self._workers = workers
        self._cycles: dict[int, BillingCycle] | None = None
        self._cycles_asked = False

    def pages(
        self, condition: Mapping[str, str], wanted: Wanted | None
    ) -> Iterator[PsaPage[PsaAgreement]]:
        """The agreements that meet a condition, those that are wanted with their lines."""
        params = {"fields": AGREEMENT_FIELDS, **condition}
        for page in self._api.pages("read_agreements", params, WireAgreement):
            yield self._with_lines(page, wanted)

    def _built(
        self, page: PsaPage[WireAgreement], rejected: list[RejectedRecord]
    ) -> list[PsaAgreement]:
        """The agreements of a page, without lines; adds to what is `rejected`."""
        parents = self._parent_cycles(page.records)
        built: list[PsaAgreement] = []
        for raw in page.records:
            try:
                built.append(self._build_agreement(raw, parents))
            except UNUSABLE as error:
                rejected.append(set_aside(str(raw.id), error))
        return built

    def _with_lines(
        self, page: PsaPage[WireAgreement], wanted: Wanted | None
    ) -> PsaPage[PsaAgreement]:
        """The agreements of a page with their additions, asked for where these can count."""
        rejected = list(page.rejected)
        built, left = part_wanted(self._built(page, rejected), wanted)
        asked = [agreement for agreement in built if can_have_lines(agreement)]
        answers = ordered_map(self._read_additions, asked, workers=self._workers)
        records = {agreement.external_id: agreement for agreement in built}
        refused, short = None, page.short
        for agreement, found in zip(asked, answers, strict=True):
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
            left=left,
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

    def _read_additions(self, agreement: PsaAgreement) -> Additions:
        """All additions of an agreement, page by page; they stand under one agreement each."""
        found = Additions()
        path = f"{LISTS['read_agreements']}/{agreement.external_id}/additions"

        def ask(place: Place) -> tuple[Rows, str | None]:
            page = self._additions_page(path, place, found)
            found.incomplete = found.incomplete or page is None
            return page or ((), None)

        newest = Newest[tuple[WireAddition, PsaAgreementLine]](
            lambda pair: record_id(pair[0]), lambda pair: record_stamp(pair[0])
        )
        for rows, place in numbered_pages(ask, self._api.page_size):
            pairs, bad = read_records(rows, WireAddition, lambda raw: (raw, build_line(raw)))
            found.lines |= {raw.id: line for raw, line in newest.of(pairs)}
            found.rejected += of_lines(bad)
            looks_cut = not rows and looks_full(place.read, self._api.page_size)
            if looks_cut and not found.incomplete:
                self._mind_count(path, place.read, agreement.external_id, found)
        found.incomplete = found.incomplete or bool(found.rejected)
        return found

    def _mind_count(self, path: str, read: int, agreement_id: str, found: Additions) -> None:
        """Additions whose end looks like a cap of the server are counted."""
        total = count_at_end(lambda: self._api.count(f"{path}/count", {}, "read_lines"))
        if total is not None and read < total:
            found.short = read, total
            kind = f"additions of agreement {agreement_id}"
            found.rejected.append(ended_early(kind, read, total, is_line=True))

    def _additions_page(
        self, path: str, place: Place, found: Additions
    ) -> tuple[list[msgspec.Raw], str | None] | None:
        """None when the agreement was deleted a moment ago, or when its additions are refused."""

        def read(response: PsaResponse) -> tuple[list[msgspec.Raw], str | None]:
            return self._api.read_rows(response, "read_lines")

        params = {"pageSize": str(self._api.page_size), **place.params}
        try:
            return self._api.ask_by_id(path, read, params)
        except PsaRefused as error:
            if error.code != "permission_denied":
                raise
            found.refused = error
            return None


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


def build_line(raw: WireAddition) -> PsaAgreementLine:
    """An addition. Prorated prices concern one invoice only and are not looked at."""
    billed = raw.billed_quantity
    bill = clean(raw.bill_customer)
    return PsaAgreementLine(
        external_id=str(raw.id),
        kind="addition",
        description=clean(raw.invoice_description) or clean(raw.description),
        product=clean(raw.product.identifier) if raw.product else "",
        quantity=raw.quantity if billed is None else billed,
        unit_price=raw.unit_price,
        less_included=raw.less_included if billed is None else None,
        bill=BILL_CUSTOMER.get(bill.casefold(), bill) or "billable",
        start_date=calendar_date(raw.effective_date, "effectiveDate"),
        end_date=calendar_date(raw.cancelled_date, "cancelledDate"),
    )
