"""Kaseya BMS, through the PSA contract."""

from __future__ import annotations

from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from datetime import datetime
from typing import ClassVar

from integrations.adapters.kaseya_bms.accounts import AccountReader
from integrations.adapters.kaseya_bms.api import BmsApi, api_address
from integrations.adapters.kaseya_bms.contracts import ContractReader
from integrations.adapters.kaseya_bms.errors import WORDS
from integrations.adapters.kaseya_bms.guide import INFO, MENU_PATHS
from integrations.adapters.kaseya_bms.wire import Address, WireAccount, WireContact
from integrations.kinds import Right
from integrations.psa.contract import (
    Finding,
    PsaAgreement,
    PsaCompany,
    PsaContact,
    PsaInfo,
    PsaPage,
    RejectedRecord,
)
from integrations.psa.decoding import clean, instant, name_of, read_lowered
from integrations.psa.errors import PsaRefused
from integrations.psa.http import PsaHttp
from integrations.psa.parallel import ordered_map
from integrations.psa.questions import numeric_ids


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
        """Contracts need a second look: their ids are looked up by account."""
        if not self._api.first_row(right):
            return Finding(
                f"The user sees no {WORDS.kind_of(right)} at all. If there are some, allow "
                f"{MENU_PATHS[right]} in its security role.",
                sees_nothing=True,
            )
        if right == "read_agreements":
            self._contracts.contract_ids(str(self._some_account_id()))
        return Finding()

    def _some_account_id(self) -> int:
        """The id of the first account; 0 when none may be seen, which is another right's matter."""
        try:
            rows = self._api.first_row("read_companies")
        except PsaRefused:
            return 0
        ids, _ = read_lowered(rows, WireAccount, lambda raw: raw.id)
        return ids[0] if ids else 0

    # Reading

    def companies(
        self, *, cursor: str | None = None, changed_since: datetime | None = None
    ) -> Iterator[PsaPage[PsaCompany]]:
        yield from self._accounts.pages(cursor, changed_since)

    def company(self, external_id: str) -> PsaCompany | RejectedRecord | None:
        return self._accounts.one(external_id) if external_id.isdecimal() else None

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
            )
            for page in self._api.pages("read_contacts", params, WireContact, build_contact)
        ]

    def agreements(self, *, company_ids: Sequence[str]) -> Iterator[PsaPage[PsaAgreement]]:
        yield from self._contracts.pages(company_ids)

    def agreement_owner(self, external_id: str) -> str | None:
        """None: no contract of BMS names its account."""
        return None


def build_contact(raw: WireContact) -> PsaContact:
    """Numbers and addresses are lists there, of which one may be the default."""
    return PsaContact(
        external_id=str(raw.id),
        company_id="" if raw.account_id is None else str(raw.account_id),
        first_name=name_of(raw.first_name, "firstName"),
        last_name=name_of(raw.last_name, "lastName"),
        email=first_of(raw.emails, lambda item: item.email_address, "@"),
        phone=first_of(raw.phones, lambda item: item.phone),
        is_active=raw.is_active is not False,
        is_default=raw.is_poc is True,
        changed_at=instant(raw.modified_on) or instant(raw.created_on),
    )


def first_of(
    items: Iterable[Address] | None, value: Callable[[Address], str | None], must_hold: str = ""
) -> str:
    """The default one that is not blank, else the one with the lowest id."""
    usable = [item for item in items or () if (text := clean(value(item))) and must_hold in text]
    usable.sort(key=lambda item: (item.is_default is not True, item.id))
    return clean(value(usable[0])) if usable else ""
