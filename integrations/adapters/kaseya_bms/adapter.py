"""Kaseya BMS, through the PSA contract."""

from __future__ import annotations

from collections.abc import (
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from datetime import datetime
from typing import ClassVar, Final

from integrations.adapters.kaseya_bms.accounts import AccountReader, read_by_id
from integrations.adapters.kaseya_bms.api import BmsApi, api_address
from integrations.adapters.kaseya_bms.contracts import ContractReader
from integrations.adapters.kaseya_bms.errors import WORDS
from integrations.adapters.kaseya_bms.guide import INFO, MENU_PATHS
from integrations.adapters.kaseya_bms.wire import Address, WireAccount, WireContact, WireFound
from integrations.kinds import BY_NAME, KindName, Right
from integrations.psa.contact_methods import first_email, first_phone
from integrations.psa.contract import (
    Finding,
    FoundRecord,
    PsaAgreement,
    PsaCompany,
    PsaContact,
    PsaInfo,
    PsaPage,
    RejectedRecord,
    Wanted,
)
from integrations.psa.decoding import clean, instant, name_of, read_lowered
from integrations.psa.errors import PsaRefused
from integrations.psa.http import PsaHttp
from integrations.psa.parallel import ordered_map
from integrations.psa.questions import numeric_ids

#: Accounts of which a connection test looks up the contracts.
MOST_PROBED: Final = 5


class KaseyaBmsAdapter:
    info: ClassVar[PsaInfo] = INFO
    #: The most that is known to be safe; a server that gives fewer is followed.
    page_size: ClassVar[int] = 100

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
    ) -> None:
        self._api = BmsApi(credentials, settings, http, self.page_size)
        self._workers = http.parallel
        self._accounts = AccountReader(self._api, workers=http.parallel)
        self._contracts = ContractReader(self._api, self._accounts, workers=http.parallel)

    @staticmethod
    def account_key(credentials: Mapping[str, str]) -> str:
        place = api_address(credentials["server_url"]).place
        return f"{place}|{clean(credentials['tenant']).casefold()}"

    # The connection test

    def reach(self) -> None:
        self._api.prove_server()

    def authenticate(self) -> None:
        self._contracts.user()

    def probe(self, right: Right) -> Finding:
        """Contracts need a second look: their ids are looked up by account. They have no lines."""
        shows_some, total = self._api.how_many(right)
        if not shows_some:
            return Finding(
                f"The user sees no {WORDS.kind_of(right)} at all. If there are some, allow "
                f"{MENU_PATHS[right]} in its security role.",
                seen=0,
                sees_nothing=True,
            )
        if right == "read_agreements":
            self._probe_look_up()
        return Finding(seen=total)

    def _probe_look_up(self) -> None:
        """Look up the contracts of some accounts: if one is refused, others need not be."""
        refusal: PsaRefused | None = None
        for account_id in self._some_account_ids() or [0]:
            try:
                self._contracts.contract_ids(str(account_id))
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
                refusal = refusal or error
            else:
                return
        if refusal is not None:
            raise refusal

    def _some_account_ids(self) -> list[int]:
        """Ids of the first accounts; none where they are refused, which another check says."""
        try:
            rows = self._api.first_rows("read_companies", MOST_PROBED)
        except PsaRefused:
            return []
        return read_lowered(rows, WireAccount, lambda raw: raw.id)[0]

    # Reading

    def companies(
        self, *, cursor: str | None = None, changed_since: datetime | None = None
    ) -> Iterator[PsaPage[PsaCompany]]:
        yield from self._accounts.pages(cursor, changed_since)

    def company(self, external_id: str) -> PsaCompany | RejectedRecord | None:
        return self._accounts.one(external_id) if external_id.isdecimal() else None

    def companies_named(self, text: str) -> Iterator[PsaPage[PsaCompany]]:
        yield from self._accounts.named_like(text)

    def contacts(
        self,
        *,
        cursor: str | None = None,
        company_ids: Collection[str] | None = None,
        changed_since: datetime | None = None,
    ) -> Iterator[PsaPage[PsaContact]]:
        if company_ids is None:
            yield from self._api.listing(
                "read_contacts", WireContact, build_contact, cursor, changed_since
            )
            return
        wanted = numeric_ids(company_ids)
        for pages in ordered_map(self._contacts_of, wanted, workers=self._workers):
            yield from pages

    def _contacts_of(self, account_id: str) -> list[PsaPage[PsaContact]]:
        """An unknown filter is ignored silently there, so what comes is filtered again."""
        params = {"Filter.AccountId": account_id}
        return [
            PsaPage(
                tuple(person for person in page.records if person.company_id == account_id),
                page.rejected,
                short=page.short,
            )
            for page in self._api.pages("read_contacts", params, WireContact, build_contact)
        ]

    def agreements(
        self, *, company_ids: Sequence[str], wanted: Wanted | None = None
    ) -> Iterator[PsaPage[PsaAgreement]]:
        yield from self._contracts.pages(company_ids, wanted)

    def find(self, kind: KindName, external_id: str, *, parent_id: str = "") -> FoundRecord | None:
        """A contract is of the account that has it and the name that it gives; none has lines."""
        if not external_id.isdecimal() or kind == "lines":
            return None
        if kind == "agreements":
            is_there = self._contracts.is_there(external_id)
            return FoundRecord(self._contracts.owner(external_id) or "") if is_there else None
        right = BY_NAME[kind].right
        record = read_by_id(self._api, right, external_id, WireFound)
        if record is None:
            return None
        owner = record.account_id if isinstance(record, WireFound) else None
        return FoundRecord("" if owner is None or kind == "companies" else str(owner))


def build_contact(raw: WireContact) -> PsaContact:
    """Numbers and addresses are lists there, of which one may be the default."""
    return PsaContact(
        external_id=str(raw.id),
        company_id="" if raw.account_id is None else str(raw.account_id),
        first_name=name_of(raw.first_name, "firstName"),
        last_name=name_of(raw.last_name, "lastName"),
        email=first_email(item.email_address for item in by_default(raw.emails)),
        phone=first_phone(item.phone for item in by_default(raw.phones)),
        is_active=raw.is_active is not False,
        is_default=raw.is_poc is True,
        changed_at=instant(raw.modified_on) or instant(raw.created_on),
    )


def by_default(items: Iterable[Address] | None) -> list[Address]:
    """The default one first, then the others by their ids."""
    return sorted(items or (), key=lambda item: (item.is_default is not True, item.id))
