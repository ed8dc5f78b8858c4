"""Autotask, through the PSA contract."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from datetime import datetime
from typing import ClassVar, Final

from integrations.adapters.autotask.api import AutotaskApi
from integrations.adapters.autotask.contract_lines import FAMILIES, has_line
from integrations.adapters.autotask.contracts import ContractReader
from integrations.adapters.autotask.errors import WORDS
from integrations.adapters.autotask.filters import changed_after, holds, is_one_of
from integrations.adapters.autotask.guide import IDS_PER_QUESTION, INFO, MENU_PATHS
from integrations.adapters.autotask.lookups import Lookups
from integrations.adapters.autotask.wire import (
    EntityInformation,
    WireCompany,
    WireContact,
    company_of,
    is_on,
)
from integrations.kinds import BY_NAME, KindName, Right
from integrations.psa.contact_methods import first_email, first_phone, phone_in
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
from integrations.psa.decoding import clean, instant, name_of, read_record, too_large
from integrations.psa.errors import PsaAnswerTooLarge, PsaBadResponse, PsaRefused
from integrations.psa.http import PsaHttp
from integrations.psa.questions import batched_ids
from integrations.psa.refusals import RefusedAnswer

COMPANY_FIELDS: Final = (
    "id", "companyName", "companyType", "isActive", "lastTrackedModifiedDateTime", "createDate",
)  # fmt: skip
CONTACT_FIELDS: Final = (
    "id", "companyID", "firstName", "lastName", "emailAddress", "emailAddress2", "emailAddress3",
    "phone", "extension", "mobilePhone", "alternatePhone", "isActive", "primaryContact",
    "lastModifiedDate", "createDate",
)  # fmt: skip
#: Entities that a right must show: a security level may hide each on its own.
PROBES: Final[dict[Right, tuple[str, ...]]] = {
    "read_companies": ("Companies",),
    "read_contacts": ("Contacts",),
    "read_agreements": ("Contracts",),
    "read_lines": tuple(name for family in FAMILIES for name in (family.lines, family.units)),
}


ENTITIES: Final[dict[KindName, str]] = {
    "companies": "Companies", "contacts": "Contacts", "agreements": "Contracts",
}  # fmt: skip


class AutotaskAdapter:
    info: ClassVar[PsaInfo] = INFO
    page_size: ClassVar[int] = 500

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
    ) -> None:
        self._api = AutotaskApi(credentials, settings, http, memory, self.page_size)
        self._lookups = Lookups(self._api)
        self._contracts = ContractReader(self._api, self._lookups)

    @staticmethod
    def account_key(credentials: Mapping[str, str]) -> str:
        return clean(credentials["tracking_identifier"]).casefold()

    # The connection test

    def reach(self) -> None:
        self._api.find_zone()

    def authenticate(self) -> None:
        """Ask for one company: the zone is found without a look at the keys."""
        try:
            self._api.one_row("Companies")
        except PsaRefused as error:
            if error.code != "permission_denied":  # then the keys were accepted
                raise

    def probe(self, right: Right) -> Finding:
        """Ask each entity on its own: what a security level hides looks like an empty list."""
        entities = PROBES[right]
        shown = [entity for entity in entities if self._api.one_row(entity, right)]
        for entity in entities:
            if entity not in shown:
                self._refuse_hidden(entity, right)
        if not shown:
            return Finding(
                f"The API user sees no {WORDS.kind_of(right)} at all. If there are some, give it "
                f"the security level API User (system), or allow {MENU_PATHS[right]} in its own "
                "level.",
                seen=0,
                sees_nothing=True,
            )
        return Finding(seen=self._how_many(entities, right))

    def _how_many(self, entities: Sequence[str], right: Right) -> int | None:
        """How many records of a kind there are; unit rows are no records of their own."""
        counts = [
            self._api.how_many(entity, right) for entity in entities if not entity.endswith("Units")
        ]
        known = [count for count in counts if count is not None]
        return sum(known) if len(known) == len(counts) else None

    def _refuse_hidden(self, entity: str, right: Right) -> None:
        """Raise when the entity's own description says that this user may not query it.

        The description's values are not documented: only a clear no counts.
        """
        try:
            found = self._api.get(f"{entity}/entityInformation", EntityInformation, entity, right)
        except PsaBadResponse:
            return
        info = found.info
        if info and (
            info.can_query is False or clean(info.user_access_for_query).casefold() == "none"
        ):
            raise WORDS.permission_denied(RefusedAnswer(200, right=right))

    # Reading

    def companies(
        self, *, cursor: str | None = None, changed_since: datetime | None = None
    ) -> Iterator[PsaPage[PsaCompany]]:
        conditions = changed_after("lastTrackedModifiedDateTime", changed_since)
        yield from self._api.pages(
            "Companies", "read_companies", WireCompany, self._build_company,
            conditions=conditions, fields=COMPANY_FIELDS, cursor=cursor,
        )  # fmt: skip

    def company(self, external_id: str) -> PsaCompany | RejectedRecord | None:
        if not external_id.isdecimal():
            return None
        try:
            row = self._api.find_row("Companies", external_id, "read_companies", COMPANY_FIELDS)
        except PsaAnswerTooLarge:
            return too_large(external_id)
        return None if row is None else read_record(row, WireCompany, self._build_company)

    def companies_named(self, text: str) -> Iterator[PsaPage[PsaCompany]]:
        yield from self._api.pages(
            "Companies", "read_companies", WireCompany, self._build_company,
            conditions=[holds("companyName", clean(text))], fields=COMPANY_FIELDS,
        )  # fmt: skip

    def contacts(
        self,
        *,
        cursor: str | None = None,
        company_ids: Collection[str] | None = None,
        changed_since: datetime | None = None,
    ) -> Iterator[PsaPage[PsaContact]]:
        if company_ids is None:
            questions = [changed_after("lastModifiedDate", changed_since)]
        else:
            batches = batched_ids(company_ids, IDS_PER_QUESTION)
            questions = [[is_one_of("companyID", ids)] for ids in batches]
        for conditions in questions:
            yield from self._api.pages(
                "Contacts", "read_contacts", WireContact, build_contact,
                conditions=conditions, fields=CONTACT_FIELDS, cursor=cursor,
            )  # fmt: skip

    def agreements(
        self, *, company_ids: Sequence[str], wanted: Wanted | None = None
    ) -> Iterator[PsaPage[PsaAgreement]]:
        for ids in batched_ids(company_ids, IDS_PER_QUESTION):
            yield self._contracts.page(ids, wanted)

    def find(self, kind: KindName, external_id: str, *, parent_id: str = "") -> FoundRecord | None:
        if kind == "lines":
            is_there = parent_id.isdecimal() and has_line(self._api, external_id, parent_id)
            return FoundRecord() if is_there else None
        if not external_id.isdecimal():
            return None
        fields = ("id",) if kind == "companies" else ("id", "companyID")
        right = BY_NAME[kind].right
        row = self._api.find_row(ENTITIES[kind], external_id, right, fields)
        if row is None:
            return None
        owner = company_of(row)
        return FoundRecord("" if owner is None else str(owner))

    def _build_company(self, raw: WireCompany) -> PsaCompany:
        """Id 0 is the MSP's own organisation."""
        active = is_on(raw.is_active)
        web = self._api.web
        return PsaCompany(
            external_id=str(raw.id),
            name=name_of(raw.company_name, "companyName") or f"Company {raw.id}",
            status="Active" if active else "Inactive",
            type=self._lookups.label("Companies", "companyType", raw.company_type),
            is_active=active,
            is_own=raw.id == 0,
            url=f"{web}/Autotask/AutotaskExtend/ExecuteCommand.aspx"
            f"?Code=OpenAccount&AccountID={raw.id}"
            if web
            else "",
            changed_at=instant(raw.last_tracked_modified_date_time) or instant(raw.create_date),
        )


def build_contact(raw: WireContact) -> PsaContact:
    """The first number and the first address that the contact has."""
    number = clean(raw.phone)
    extension = clean(raw.extension)
    with_extension = f"{number} x{extension}" if phone_in(number) and extension else number
    phones = (with_extension, raw.mobile_phone, raw.alternate_phone)
    emails = (raw.email_address, raw.email_address2, raw.email_address3)
    return PsaContact(
        external_id=str(raw.id),
        company_id="" if raw.company_id is None else str(raw.company_id),
        first_name=name_of(raw.first_name, "firstName"),
        last_name=name_of(raw.last_name, "lastName"),
        email=first_email(emails),
        phone=first_phone(phones),
        is_active=is_on(raw.is_active),
        is_default=is_on(raw.primary_contact),
        changed_at=instant(raw.last_modified_date) or instant(raw.create_date),
    )
