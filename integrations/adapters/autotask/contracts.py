"""Autotask's contracts of every type, with currencies, renewals and lines.

Only those of the type Recurring Service recur, and only of these lines are read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final

from integrations.adapters.autotask.api import AutotaskApi
from integrations.adapters.autotask.contract_lines import (
    FAMILIES,
    SETUP_FEE,
    FoundLines,
    LineReader,
)
from integrations.adapters.autotask.filters import RECURRING_SERVICE, is_one_of
from integrations.adapters.autotask.guide import INFO
from integrations.adapters.autotask.lookups import Lookups
from integrations.adapters.autotask.unit_history import CYCLES, first_day_read
from integrations.adapters.autotask.wire import WireContract, WireCurrencyOf
from integrations.psa.contract import (
    LineKind,
    PsaAgreement,
    PsaAgreementLine,
    PsaPage,
    RejectedRecord,
    Wanted,
    unknown_cycle,
)
from integrations.psa.decoding import (
    UNUSABLE,
    RecordUnusableError,
    calendar_date,
    clean,
    instant,
    name_of,
    set_aside,
)
from integrations.psa.questions import part_wanted

#: Months of a contract period, by picklist value, by the SOAP letter, and by the picklist's label.
PERIODS: Final[dict[str, int]] = {
    "2": 1, "m": 1, "monthly": 1,
    "3": 3, "q": 3, "quarterly": 3,
    "4": 6, "s": 6, "semiannual": 6, "semiannually": 6,
    "5": 12, "y": 12, "yearly": 12, "annual": 12, "annually": 12,
}  # fmt: skip


#: Names of the other types, where the tenant's own can't be read.
TYPES: Final = {
    "1": "Time and Materials",
    "3": "Fixed Price",
    "4": "Block Hours",
    "6": "Retainer",
    "8": "Incident",
}


class ContractReader:
    """Reads contracts of some companies; all of a company's together, because of renewals."""

    def __init__(self, api: AutotaskApi, lookups: Lookups) -> None:
        self._api = api
        self._lookups = lookups
        self._lines = {family.kind: LineReader(api, lookups, family) for family in FAMILIES}

    def page(
        self, company_ids: Sequence[str], wanted: Wanted | None = None
    ) -> PsaPage[PsaAgreement]:
        """The contracts of these companies, lines included: one page, however many there are.

        All are listed, also those that are not wanted: one of them may be another's renewal.
        """
        conditions = [is_one_of("companyID", company_ids)]
        pages = list(
            self._api.pages("Contracts", "read_agreements", WireContract, conditions=conditions)
        )
        contracts = {raw.id: raw for page in pages for raw in page.records}
        rejected = [record for page in pages for record in page.rejected]
        short = next((page.short for page in pages if page.short), None)
        if not contracts:
            return PsaPage((), tuple(rejected), short=short)
        currency_of = self._currency_of(company_ids)
        page = self._with_lines([*contracts.values()], rejected, currency_of, wanted)
        return replace(page, short=short or page.short)

    def _currency_of(self, company_ids: Sequence[str]) -> dict[str, str]:
        """Currencies by company: prices are in the customer's, not in the MSP's own.

        "" = the tenant has but one. A company that could not be read is not among them.
        """
        pages = self._api.pages(
            "Companies", "read_companies", WireCurrencyOf,
            conditions=[is_one_of("id", company_ids)], fields=("id", "currencyID"),
        )  # fmt: skip
        return {
            str(raw.id): self._lookups.currency(raw.currency_id)
            for page in pages
            for raw in page.records
        }

    def _with_lines(
        self,
        contracts: Sequence[WireContract],
        rejected: list[RejectedRecord],
        currency_of: Mapping[str, str],
        wanted: Wanted | None,
    ) -> PsaPage[PsaAgreement]:
        """Lines are read of those contracts alone that recur and whose history can matter."""
        renews = find_renewals(contracts)
        renewed = renewed_ids(contracts, renews)

        def built(raw: WireContract, found: Mapping[LineKind, FoundLines]) -> PsaAgreement:
            record = self._build(raw, currency_of, renews.get(raw.id, ()), found)
            return as_renewed(record) if record.external_id in renewed else record

        left = self._left(contracts, wanted, built)
        chosen = [raw for raw in contracts if str(raw.id) not in left]
        since = first_day_read()
        asked = [raw.id for raw in chosen if recurs(raw) and may_have_history(raw, since)]
        found = {kind: part.read(asked, since, rejected) for kind, part in self._lines.items()}
        records: list[PsaAgreement] = []
        for raw in chosen:
            try:
                records.append(built(raw, found))
            except UNUSABLE as error:
                rejected.append(set_aside(str(raw.id), error))
        parts = found.values()
        unsure = frozenset[str]() if self._lookups.knows_currencies() else frozenset({"currency"})
        return PsaPage(
            tuple(records),
            tuple(rejected),
            refused=next((part.refused for part in parts if part.refused), None),
            unsure=unsure,
            short=next((part.short for part in parts if part.short), None),
            left=left,
        )

    def _left(
        self,
        contracts: Sequence[WireContract],
        wanted: Wanted | None,
        built: Callable[[WireContract, Mapping[LineKind, FoundLines]], PsaAgreement],
    ) -> frozenset[str]:
        """Ids of the contracts that are not wanted, by what they are without their lines."""
        if wanted is None:
            return frozenset()
        without_lines = {kind: FoundLines() for kind in self._lines}
        heads = []
        for raw in contracts:
            with suppress(*UNUSABLE):  # then it is set aside, wanted or not
                heads.append(built(raw, without_lines))
        return part_wanted(heads, wanted)[1]

    def _build(
        self,
        raw: WireContract,
        currency_of: Mapping[str, str],
        renews: Sequence[str],
        found: Mapping[LineKind, FoundLines],
    ) -> PsaAgreement:
        company_id = "" if raw.company_id is None else str(raw.company_id)
        if company_id not in currency_of:  # an amount in a currency that is guessed is no amount
            raise RecordUnusableError(
                "invalid_record", "The currency of its company could not be read."
            )
        months = self._months_of_period(raw)
        start = calendar_date(raw.start_date, "startDate")
        label = self._lookups.label
        return PsaAgreement(
            external_id=str(raw.id),
            company_id=company_id,
            name=name_of(raw.contract_name, "contractName"),
            type=self._type_of(raw),
            status=label("Contracts", "status", raw.status)
            or {"0": "Inactive", "1": "Active"}.get(str(raw.status), ""),
            currency=currency_of.get(company_id, ""),
            start_date=start,
            end_date=calendar_date(raw.end_date, "endDate"),
            cancelled=False,
            recurring=recurs(raw),
            active=None if raw.status is None else str(raw.status) != "0",
            cycle=CYCLES[months] if months else unknown_cycle(self._period_word(raw)),
            cycle_label=label("Contracts", "contractPeriodType", raw.contract_period_type),
            amount=Decimal(0),  # all money is in the lines
            renews=tuple(renews),
            incomplete=any(raw.id in part.incomplete for part in found.values()),
            withheld=any(raw.id in part.withheld for part in found.values()),
            changed_at=instant(raw.last_modified_date_time),
            lines=tuple(self._build_lines(raw, found, months, start)) if recurs(raw) else (),
        )

    def _type_of(self, raw: WireContract) -> str:
        """The type as this tenant names it, else as Autotask does."""
        label = self._lookups.label("Contracts", "contractType", raw.contract_type)
        if label or raw.contract_type is None:
            return label
        number = str(raw.contract_type)
        return INFO.recurring_type if recurs(raw) else TYPES.get(number, f"type {number}")

    def _build_lines(
        self,
        raw: WireContract,
        found: Mapping[LineKind, FoundLines],
        months: int | None,
        start: date | None,
    ) -> Iterator[PsaAgreementLine]:
        for kind, reader in self._lines.items():
            yield from reader.build(raw, found[kind], months, start)
        if raw.setup_fee:
            yield PsaAgreementLine(
                SETUP_FEE, description="Set-up fee", quantity=Decimal(1),
                unit_price=raw.setup_fee, one_time=True,
            )  # fmt: skip

    def _months_of_period(self, raw: WireContract) -> int | None:
        """Months of the contract's billing period: the tenant's own label first, then the value."""
        value = raw.contract_period_type
        if value is None:
            return None
        label = self._lookups.label("Contracts", "contractPeriodType", value)
        return PERIODS.get(re.sub(r"[\s_-]", "", label.casefold())) or PERIODS.get(
            str(value).strip().casefold()
        )

    def _period_word(self, raw: WireContract) -> str:
        """What the tenant calls the contract's billing period; "" = it has none."""
        value = raw.contract_period_type
        label = self._lookups.label("Contracts", "contractPeriodType", value)
        return label or ("" if value is None else f"period type {value}")


def recurs(raw: WireContract) -> bool:
    """Whether the contract is of the one type that recurs; its number is fixed, its name is the
    tenant's.
    """
    return str(raw.contract_type).strip() == str(RECURRING_SERVICE)


def may_have_history(raw: WireContract, since: date) -> bool:
    """Whether unit rows of the contract can lie in the time we read."""
    try:
        end = calendar_date(raw.end_date, "endDate")
    except RecordUnusableError:
        return True
    return end is None or end >= since


def find_renewals(contracts: Sequence[WireContract]) -> dict[int, list[str]]:
    """Which contracts each one renews: several, where several were renewed into one.

    `renewedContractID` says which two belong together; which of them renews the other is read
    from their start dates, for the direction is not documented.
    """
    by_id = {raw.id: raw for raw in contracts}
    found: dict[int, list[str]] = defaultdict(list)
    for raw in sorted(contracts, key=start_key):
        other = by_id.get(raw.renewed_contract_id or 0)
        if other is None or other.id == raw.id or other.company_id != raw.company_id:
            continue
        earlier, later = sorted((raw, other), key=start_key)
        if str(earlier.id) not in found[later.id]:
            found[later.id].append(str(earlier.id))
    return dict(found)


def renewed_ids(contracts: Sequence[WireContract], renews: Mapping[int, Sequence[str]]) -> set[str]:
    """Which of these contracts go on in another: one that is not inactive, or is renewed too."""
    every = {id_ for ids in renews.values() for id_ in ids}
    going_on = {raw.id for raw in contracts if str(raw.status) != "0" or str(raw.id) in every}
    return {id_ for later, ids in renews.items() if later in going_on for id_ in ids}


def as_renewed(record: PsaAgreement) -> PsaAgreement:
    """One that another renews. The Renew wizard inactivates it, at once or on the day, and ends it
    the day before the other starts: that it is inactive says nothing that its dates don't. Of one
    without an end they would say that it goes on.
    """
    has_end = record.end_date is not None and not record.no_end
    return replace(record, active=None) if record.active is False and has_end else record


def start_key(raw: WireContract) -> tuple[str, int]:
    """What sorts contracts by their start."""
    return clean(raw.start_date)[:10], raw.id
