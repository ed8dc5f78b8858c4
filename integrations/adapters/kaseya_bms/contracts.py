"""BMS's contracts: whose they are, what they come to, and in which currency."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from integrations.adapters.kaseya_bms.accounts import AccountReader
from integrations.adapters.kaseya_bms.api import WHO_WE_ARE, BmsApi
from integrations.adapters.kaseya_bms.wire import (
    UserInfo,
    WireContract,
    WireLookup,
    ids_of,
    rows_of,
)
from integrations.psa.contract import (
    PsaAgreement,
    PsaPage,
    RejectedRecord,
    Wanted,
    unknown_cycle,
)
from integrations.psa.currencies import read_currency
from integrations.psa.decoding import (
    UNUSABLE,
    RecordUnusableError,
    clean,
    name_of,
    read_lowered,
    set_aside,
)
from integrations.psa.parallel import ordered_map
from integrations.psa.questions import numeric_ids, part_wanted

LOOKUP: Final = "/v2/finance/contracts/lookup"
#: Billing cycles by their documented names. Semi-annual is not documented, and read if it comes.
CYCLES: Final = {
    "weekly": "weekly",
    "monthly": "monthly",
    "quarterly": "quarterly",
    "yearly": "annual",
    "annual": "annual",
    "annually": "annual",
    "contractlength": "contract_length",
    "contract": "contract_length",
    "semiannually": "semiannual",
    "halfyearly": "semiannual",
    "biannually": "semiannual",
}


class ContractReader:
    """Reads contracts and joins them to accounts by id.

    The list of contracts gives only an account's name, so each account's ids are looked up. Where
    the look-ups of several accounts show one contract, the name decides among these.
    """

    def __init__(self, api: BmsApi, accounts: AccountReader, *, workers: int) -> None:
        self._api = api
        self._accounts = accounts
        self._workers = workers
        self._user: UserInfo | None = None
        self._contracts: dict[int, WireContract] | None = None
        self._rejected: list[RejectedRecord] = []
        self._short: tuple[int, int] | None = None
        self._ids: dict[str, tuple[list[int], list[RejectedRecord]]] = {}

    def user(self) -> UserInfo:
        """Who we are signed in as, with the tenant's currency and clock."""
        if self._user is None:
            result = self._api.get(WHO_WE_ARE, {}, None, "reading").result
            try:
                self._user = msgspec.convert(result or {}, UserInfo, strict=False)
            except msgspec.ValidationError:
                self._user = UserInfo()
        return self._user

    def pages(
        self, account_ids: Sequence[str], wanted: Wanted | None = None
    ) -> Iterator[PsaPage[PsaAgreement]]:
        """Contracts of every type, a page an account."""
        contracts = self._all_contracts()
        asked = numeric_ids(account_ids)
        self._accounts.learn_currencies(asked)
        found = ordered_map(self.contract_ids, asked, workers=self._workers)
        self._ids |= dict(zip(asked, found, strict=True))
        for account_id in asked:
            page = self._page(account_id, contracts)
            records, left = part_wanted(page.records, wanted)
            yield replace(page, records=tuple(records), left=left)
        nameless = tuple(record for record in self._rejected if not record.external_id)
        if nameless:  # it may be anybody's: nobody's absence is proved
            yield PsaPage((), nameless, short=self._short)

    def is_there(self, contract_id: str) -> bool:
        """Whether the look-up knows a contract, whatever its type and its account."""
        rows = rows_of(self._api.get(LOOKUP, {"Ids": contract_id}, "read_agreements"))
        return int(contract_id) in ids_of(rows)

    def contract_ids(self, account_id: str) -> tuple[list[int], list[RejectedRecord]]:
        """The ids of one account's contracts, of every type."""
        rows = rows_of(self._api.get(LOOKUP, {"AccountId": account_id}, "read_agreements"))
        return read_lowered(rows, WireLookup, lambda raw: raw.id)

    def owner(self, external_id: str) -> str | None:
        """The one account that has a contract and the name that it gives; None where that decides
        nothing.
        """
        raw = self._all_contracts().get(int(external_id)) if external_id.isdecimal() else None
        named = self._named_claimers(raw) if raw else []
        return named[0] if len(named) == 1 else None

    def _named_claimers(self, raw: WireContract) -> list[str]:
        """Accounts of the name that a contract gives whose look-up shows it."""
        if not clean(raw.account_name):
            return []
        named = self._accounts.named(clean(raw.account_name))
        return [account_id for account_id in named if raw.id in self._ids_of(account_id)]

    def _ids_of(self, account_id: str) -> list[int]:
        """The ids of one account's contracts, looked up once."""
        if account_id not in self._ids:
            self._ids[account_id] = self.contract_ids(account_id)
        return self._ids[account_id][0]

    def _claimers(self, raw: WireContract, account_id: str) -> list[str]:
        """Whose a contract may be that this account's look-up shows: one account, where its name
        decides; else all that are known to have it, this one first.
        """
        named = self._named_claimers(raw)
        if len(named) == 1:
            return named
        known = [other for other, (ids, _) in self._ids.items() if raw.id in ids]
        return [account_id, *(id_ for id_ in {**dict.fromkeys(named), **dict.fromkeys(known)}
                              if id_ != account_id)]  # fmt: skip

    def _all_contracts(self) -> dict[int, WireContract]:
        """The whole list of contracts by id: it can't be asked by account."""
        if self._contracts is None:
            contracts: dict[int, WireContract] = {}
            for page in self._api.pages("read_agreements", {}, WireContract):
                contracts |= {raw.id: raw for raw in page.records}
                self._rejected += page.rejected
                self._short = self._short or page.short
            self._contracts = contracts
        return self._contracts

    def _page(self, account_id: str, contracts: dict[int, WireContract]) -> PsaPage[PsaAgreement]:
        """One account: a contract that the list lacks is rejected, one of another left to that."""
        ids, unreadable = self._ids[account_id]
        set_aside_before = {record.external_id: record for record in self._rejected}
        records: list[PsaAgreement] = []
        rejected = list(unreadable)
        for contract_id in ids:
            raw = contracts.get(contract_id)
            if raw is None:
                bad = set_aside_before.get(str(contract_id))
                rejected.append(bad or without_amount(contract_id))
                continue
            claimers = self._claimers(raw, account_id)
            if account_id not in claimers:
                continue
            try:
                records.append(self._build(raw, account_id, claimers))
            except UNUSABLE as error:
                rejected.append(set_aside(str(raw.id), error))
        return PsaPage(tuple(records), tuple(rejected))

    def _build(self, raw: WireContract, account_id: str, claimers: Sequence[str]) -> PsaAgreement:
        status = clean(raw.status)
        label = clean(raw.billing_cycle)
        start, _ = self._day(raw.start_date, "startDate")
        end, no_end = self._day(raw.end_date, "endDate")
        return PsaAgreement(
            external_id=str(raw.id),
            company_id=account_id,
            name=name_of(raw.contract_name, "contractName"),
            type=clean(raw.contract_type),
            status=status,
            currency=self._currency(account_id),
            start_date=start,
            end_date=end,
            no_end=no_end,
            cancelled=False,
            recurring=is_recurring(raw),
            active=status.casefold() == "active",
            cycle=CYCLES.get(re.sub(r"[\s_-]", "", label.casefold())) or unknown_cycle(label),
            cycle_label=label,
            amount=raw.contract_billing_price,
            is_claim=len(claimers) > 1 or not self._named_claimers(raw),
            claimed_by=tuple(claimers[1:]),
        )

    def _day(self, text: str | None, name: str) -> tuple[date | None, bool]:
        """The calendar date as written, or, with an offset, as the tenant's clock shows it.

        Year 1 is how .NET writes "none", 9999 how it writes "for ever".
        """
        written = clean(text)
        if not written:
            return None, False
        try:
            moment = datetime.fromisoformat(written)
        except ValueError:
            raise RecordUnusableError("invalid_record", f"`{name}` is not a date.") from None
        if moment.year == 1:
            return None, False
        if moment.year == 9999:
            return None, True
        return (moment.astimezone(self._zone()) if moment.tzinfo else moment).date(), False

    def _zone(self) -> ZoneInfo:
        """The tenant's clock; UTC where it names none that we know."""
        try:
            return ZoneInfo(clean(self.user().olson_time_zone_name) or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    def _currency(self, account_id: str) -> str:
        """The account's currency, else the user's."""
        name = self._accounts.currency_name(account_id)
        if name is None:
            raise RecordUnusableError(
                "invalid_record", "The currency of its account could not be read."
            )
        return read_currency(name or self.user().currency_code)


def is_recurring(raw: WireContract) -> bool:
    """The type's exact spelling was never seen: case, blanks and a final s don't count."""
    return re.sub(r"[^a-z]", "", clean(raw.contract_type).casefold()).rstrip("s") == (
        "recurringservice"
    )


def without_amount(contract_id: int) -> RejectedRecord:
    """A contract that an account has and the list lacks: no amount is invented."""
    return RejectedRecord(
        str(contract_id),
        "invalid_record",
        "The account has this contract, but the list of contracts does not show it, so its amount "
        "is not known.",
    )
