"""ConnectWise Manage, through the PSA contract."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import ClassVar, Final
from urllib.parse import quote

import msgspec

from integrations.adapters.connectwise.agreements import AgreementReader
from integrations.adapters.connectwise.api import LISTS, ConnectWiseApi, api_address
from integrations.adapters.connectwise.guide import (
    IDS_PER_QUESTION,
    INFO,
    MENU_PATHS,
    TABLES_PATH,
)
from integrations.adapters.connectwise.wire import (
    CommunicationItem,
    CommunicationType,
    OwnerOf,
    Ref,
    WireCompany,
    WireContact,
    WireProbed,
    ref_id,
)
from integrations.kinds import BY_NAME, KindName, Right
from integrations.psa.contact_methods import first_email, phone_in
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
from integrations.psa.decoding import clean, instant, name_of, read_record, read_records, too_large
from integrations.psa.errors import PsaAnswerTooLarge, PsaRefused
from integrations.psa.http import PsaHttp
from integrations.psa.questions import batched_ids

#: Agreements of which a connection test tries the additions.
MOST_PROBED: Final = 8
ONE_ID: Final = {"pageSize": "1", "fields": "id"}
COMPANY_FIELDS: Final = "id,name,status,types,deletedFlag,defaultContact,_info"
CONTACT_FIELDS: Final = (
    "id,firstName,lastName,company,inactiveFlag,defaultFlag,defaultPhoneNbr,communicationItems,"
    "_info"
)


class ConnectWiseAdapter:
    info: ClassVar[PsaInfo] = INFO
    page_size: ClassVar[int] = 1000

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
    ) -> None:
        self._api = ConnectWiseApi(credentials, settings, http, memory, self.page_size)
        self._agreements = AgreementReader(self._api, workers=http.parallel)
        self._status_names: dict[int, str] | None = None
        self._email_types: set[int] | None = None

    @staticmethod
    def account_key(credentials: Mapping[str, str]) -> str:
        place = api_address(credentials["server_url"]).place
        return f"{place}|{clean(credentials['company_id']).casefold()}"

    # The connection test

    def reach(self) -> None:
        self._api.find_codebase()

    def authenticate(self) -> None:
        self._api.prove_keys()

    def probe(self, right: Right) -> Finding:
        """Ask for one id: a role that lacks a right is refused, one with My sees nothing."""
        if right == "read_lines":
            return self._probe_lines()
        if not self._api.rows(LISTS[right], ONE_ID, right):
            kind = right.removeprefix("read_")
            return Finding(
                f"The keys see no {kind} at all. If there are some, set the role to Inquire All "
                f"(not My) under {MENU_PATHS[right]}.",
                seen=0,
                sees_nothing=True,
            )
        note = self._note_on_cycles() if right == "read_agreements" else ""
        return Finding(note, seen=self._api.how_many(right))

    def _note_on_cycles(self) -> str:
        """What follows when billing cycles, which have a right of their own, can't be read."""
        if self._agreements.billing_cycles() is not None:
            return ""
        return (
            "The billing cycle table can't be read, so cycles are told by their names. Allow "
            f"{TABLES_PATH}, with Invoicing / Billing Cycle."
        )

    def _probe_lines(self) -> Finding:
        """Additions may be refused although agreements are not.

        A role may be limited to some types of agreements: one of which the additions are refused
        says nothing of the others.
        """
        rows = self._api.rows(
            LISTS["read_agreements"], {"pageSize": "50", "fields": "id,type"}, "read_agreements"
        )
        agreements, _ = read_records(rows, WireProbed, lambda raw: raw)
        tried = one_of_each_type(agreements)[:MOST_PROBED]
        refused: list[str] = []
        seen = 0
        for agreement in tried:
            try:
                seen += self._api.try_additions(agreement.id)
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
                refusal = error
                refused.append(clean(agreement.type.name) if agreement.type else "")
            if seen:
                break
        if refused and len(refused) == len(tried):
            raise refusal
        note = self._of_types(refused) if refused else ""
        if not seen and not note:
            note = (
                "The keys see no additions at all. If there are some, allow "
                f"{MENU_PATHS['read_lines']}."
            )
        return Finding(note, seen=seen, sees_nothing=not seen)

    @staticmethod
    def _of_types(names: Sequence[str]) -> str:
        types = ", ".join(f"“{name}”" for name in names if name) or "some types"
        return (
            f"The additions of some agreements may not be read (of the type {types}); these stay "
            f"out of MRR until the role may read them: {MENU_PATHS['read_lines']}."
        )

    # Reading

    def companies(
        self, *, cursor: str | None = None, changed_since: datetime | None = None
    ) -> Iterator[PsaPage[PsaCompany]]:
        params = {"fields": COMPANY_FIELDS, **changed_after(changed_since)}
        yield from self._api.pages(
            "read_companies", params, WireCompany, self._build_company, cursor
        )

    def company(self, external_id: str) -> PsaCompany | RejectedRecord | None:
        if not external_id.isdecimal():
            return None
        try:
            row = self._api.ask_by_id(
                f"{LISTS['read_companies']}/{external_id}",
                lambda response: self._api.read(response, msgspec.Raw, "read_companies"),
            )
        except PsaAnswerTooLarge:
            return too_large(external_id)
        return None if row is None else read_record(row, WireCompany, self._build_company)

    def companies_named(self, text: str) -> Iterator[PsaPage[PsaCompany]]:
        params = {"fields": COMPANY_FIELDS, **name_holds(text)}
        yield from self._api.pages("read_companies", params, WireCompany, self._build_company)

    def contacts(
        self,
        *,
        cursor: str | None = None,
        company_ids: Collection[str] | None = None,
        changed_since: datetime | None = None,
    ) -> Iterator[PsaPage[PsaContact]]:
        if company_ids is None:
            conditions = [changed_after(changed_since)]
        else:
            conditions = [of_companies(ids) for ids in batched_ids(company_ids, IDS_PER_QUESTION)]
        for condition in conditions:
            params = {"fields": CONTACT_FIELDS, **condition}
            yield from self._api.pages(
                "read_contacts", params, WireContact, self._build_contact, cursor
            )

    def agreements(
        self, *, company_ids: Sequence[str], wanted: Wanted | None = None
    ) -> Iterator[PsaPage[PsaAgreement]]:
        conditions = map(of_companies, batched_ids(company_ids, IDS_PER_QUESTION))
        yield from self._agreements.pages(conditions, wanted)

    def find(self, kind: KindName, external_id: str, *, parent_id: str = "") -> FoundRecord | None:
        if not external_id.isdecimal() or (kind == "lines" and not parent_id.isdecimal()):
            return None
        right = BY_NAME[kind].right
        path = f"{LISTS['read_agreements']}/{parent_id}/additions" if kind == "lines" else ""
        found = self._api.ask_by_id(
            f"{path or LISTS[right]}/{external_id}",
            lambda response: self._api.read(response, OwnerOf, right),
        )
        is_gone = found is None or found.deleted_flag is True
        return None if is_gone or found is None else FoundRecord(ref_id(found.company))

    # Companies

    def _build_company(self, raw: WireCompany) -> PsaCompany:
        """Only `deletedFlag` means a deletion: live companies have a `dateDeleted` too."""
        status = self._status_name(raw.status)
        external_id = str(raw.id)
        return PsaCompany(
            external_id=external_id,
            name=name_of(raw.name, "name") or f"Company {external_id}",
            status=status,
            type=", ".join(filter(None, (clean(kind.name) for kind in raw.types or ()))),
            is_active=status.casefold() == "active",  # never a part: "Inactive" contains it
            is_deleted=raw.deleted_flag is True,
            default_contact_id=ref_id(raw.default_contact),
            url=self._record_url(external_id),
            changed_at=instant(raw.info.last_updated) if raw.info else None,
        )

    def _status_name(self, status: Ref | None) -> str:
        """The status in words; some releases send its id alone."""
        if status is None or status.id is None or status.name:
            return clean(status.name) if status else ""
        if self._status_names is None:
            rows = self._api.table("/company/companies/statuses")
            statuses = [msgspec.json.decode(row, type=Ref) for row in rows]
            self._status_names = {row.id: clean(row.name) for row in statuses if row.id is not None}
        return self._status_names.get(status.id, "")

    def _record_url(self, external_id: str) -> str:
        """The company in ConnectWise's own pages; the address is inferred, not documented."""
        root = self._api.server.replace("://api-", "://", 1)
        return (
            f"{root}/v4_6_release/services/system_io/router/openrecord.rails"
            f"?recordType=CompanyFv&recid={external_id}&companyName={quote(self._api.company_id)}"
        )

    # Contacts

    def _build_contact(self, raw: WireContact) -> PsaContact:
        return PsaContact(
            external_id=str(raw.id),
            company_id=ref_id(raw.company),
            first_name=name_of(raw.first_name, "firstName"),
            last_name=name_of(raw.last_name, "lastName"),
            email=self._email(raw),
            phone=phone_of(raw),
            is_active=raw.inactive_flag is not True,
            is_default=raw.default_flag is True,
            changed_at=instant(raw.info.last_updated) if raw.info else None,
        )

    def _email(self, raw: WireContact) -> str:
        """The default e-mail, else the first; there is no `email` field."""
        items = [item for item in raw.communication_items or () if self._is_email(item)]
        items.sort(key=lambda item: item.default_flag is not True)
        return first_email(item.value for item in items)

    def _is_email(self, item: CommunicationItem) -> bool:
        """Whether an item is an e-mail address: by its kind, else by the type of the MSP."""
        if item.communication_type:
            return item.communication_type.casefold() == "email"
        if item.type is None:
            return False
        if self._email_types is None:
            self._email_types = self._read_email_types()
        return item.type.id in self._email_types or clean(item.type.name).casefold() == "email"

    def _read_email_types(self) -> set[int]:
        """Ids of the types of communication that are e-mail; none where the table is refused."""
        try:
            rows = self._api.table("/company/communicationTypes")
        except PsaRefused:
            return set()
        types, _ = read_records(rows, CommunicationType, lambda row: row)
        return {row.id for row in types if row.email_flag}


def one_of_each_type(agreements: Sequence[WireProbed]) -> list[WireProbed]:
    """One agreement of each type first, then the others."""
    first = {agreement.type.id if agreement.type else None: agreement for agreement in agreements}
    return [*first.values(), *(one for one in agreements if one not in first.values())]


def changed_after(since: datetime | None) -> dict[str, str]:
    """The condition of a list: what changed since a moment; none = everything."""
    return {"conditions": f"lastUpdated>[{since:%Y-%m-%dT%H:%M:%SZ}]"} if since else {}


def name_holds(text: str) -> dict[str, str]:
    """The condition of a list: what has a text in its name, where `%` stands for anything.

    No way to write a quote inside a text is documented, so `%` stands for one as well.
    """
    pattern = clean(text).replace('"', "%")
    return {"conditions": f'name like "%{pattern}%"'}


def of_companies(ids: Sequence[str]) -> dict[str, str]:
    """The condition of a list: what belongs to these companies."""
    return {"conditions": f"company/id in ({','.join(ids)})"}


def phone_of(raw: WireContact) -> str:
    """The default phone number, else the first, else the copy that the contact carries."""
    items = [
        item
        for item in raw.communication_items or ()
        if (item.communication_type or "").casefold() == "phone" and phone_in(item.value)
    ]
    items.sort(key=lambda item: item.default_flag is not True)
    if not items:
        return phone_in(raw.default_phone_nbr)
    extension = clean(items[0].extension)
    return phone_in(clean(items[0].value) + (f" x{extension}" if extension else ""))
