"""ConnectWise Manage, through the PSA contract."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import parse_qs, quote, urlsplit

import msgspec

from integrations.psa.contract import (
    CredentialField,
    Cycle,
    Finding,
    GuideStep,
    PsaAgreement,
    PsaAgreementLine,
    PsaCompany,
    PsaContact,
    PsaInfo,
    PsaPage,
    RejectedRecord,
    Right,
)
from integrations.psa.decoding import (
    UNUSABLE,
    calendar_date,
    clean,
    day_before,
    decode,
    instant,
    name_of,
    of_lines,
    read_records,
    set_aside,
)
from integrations.psa.errors import PsaBadResponse, PsaRefused, PsaUnavailable
from integrations.psa.http import PsaHttp, PsaResponse
from integrations.psa.parallel import ordered_map

AnswerT = TypeVar("AnswerT")

NAME: Final = "ConnectWise Manage"
PAGE_SIZE: Final = 1000
#: Ids in one `in (…)`: keeps a URL under the 2,000 characters that ConnectWise bears.
IDS_PER_QUESTION: Final = 100

#: Cloud hosts by region: the API answers under `api-` only ("SSL is required" otherwise).
CLOUD_HOST: Final = re.compile(
    r"[a-z]{2,3}\.myconnectwise\.net|staging\.connectwisedev\.com", re.IGNORECASE
)

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
#: Where a missing right is granted: System > Security Roles > the role of the API member.
MENU_PATHS: Final[dict[str, str]] = {
    "read_companies": "Companies > Company Maintenance: Inquire All",
    "read_contacts": "Companies > Contacts: Inquire All",
    "read_agreements": "Finance > Agreements: Inquire All",
}
LISTS: Final[dict[str, str]] = {
    "read_companies": "/company/companies",
    "read_contacts": "/company/contacts",
    "read_agreements": "/finance/agreements",
}
COMPANY_FIELDS: Final = "id,name,status,types,deletedFlag,defaultContact,_info"
CONTACT_FIELDS: Final = ",".join(
    (
        "id,firstName,lastName,company,inactiveFlag,defaultFlag,defaultPhoneNbr",
        "communicationItems,_info",
    )
)
AGREEMENT_FIELDS: Final = (
    "id,name,type,company,startDate,endDate,noEndingDateFlag,cancelledFlag,dateCancelled,"
    "agreementStatus,billAmount,billingCycle,billOneTimeFlag,currency,parentAgreement,_info"
)

GUIDE: Final = (
    GuideStep(
        "Open the API members",
        "In ConnectWise Manage go to System > Members, open the tab API Members and press (+).",
    ),
    GuideStep(
        "Make a member for audIT",
        "Fill the form in as below. Role: Admin, or the highest you have. Level: Corporate, or the "
        "first one. Location, Business Unit and Default Territory are yours to choose. Save.",
        (
            ("Member ID", "audit"),
            ("Member Name", "audIT API"),
            ("Role ID", "Admin"),
            ("Level", "Corporate"),
        ),
    ),
    GuideStep(
        "Make its keys",
        "Open the tab API Keys of that member, press (+), type the description and save. Note the "
        "public and the private key now: ConnectWise shows the private one only once.",
        (("Description", "audIT"),),
    ),
    GuideStep(
        "Fill in the form beside this",
        "The server is the address you see when you sign in, such as na.myconnectwise.net; the "
        "company ID is what you type on that sign-in page. Save: the connection is tested at once.",
    ),
)


class Wire(msgspec.Struct, rename="camel"):
    """A record on the wire. Empty fields are left out, null or "" there: all alike for us."""


class Ref(Wire):
    id: int | None = None
    name: str | None = None


class Stamp(Wire):
    last_updated: str | None = None


class WireCompany(Wire):
    id: int
    name: str | None = None
    status: Ref | None = None
    types: list[Ref] | None = None
    deleted_flag: bool | None = None
    default_contact: Ref | None = None
    info: Stamp | None = msgspec.field(name="_info", default=None)


class CommunicationItem(Wire):
    type: Ref | None = None
    value: str | None = None
    extension: str | None = None
    default_flag: bool | None = None
    communication_type: str | None = None


class WireContact(Wire):
    id: int
    first_name: str | None = None
    last_name: str | None = None
    company: Ref | None = None
    inactive_flag: bool | None = None
    default_flag: bool | None = None
    default_phone_nbr: str | None = None
    communication_items: list[CommunicationItem] | None = None
    info: Stamp | None = msgspec.field(name="_info", default=None)


class Currency(Wire):
    currency_code: str | None = None


class OwnerOf(Wire):
    company: Ref | None = None


class WireAgreement(Wire):
    id: int
    name: str | None = None
    type: Ref | None = None
    company: Ref | None = None
    start_date: str | None = None
    end_date: str | None = None
    no_ending_date_flag: bool | None = None
    cancelled_flag: bool | None = None
    date_cancelled: str | None = None
    agreement_status: str | None = None
    bill_amount: Decimal | None = None
    billing_cycle: Ref | None = None
    bill_one_time_flag: bool | None = None
    currency: Currency | None = None
    parent_agreement: Ref | None = None
    info: Stamp | None = msgspec.field(name="_info", default=None)


class Product(Wire):
    identifier: str | None = None


class WireAddition(Wire):
    id: int
    product: Product | None = None
    quantity: Decimal | None = None
    less_included: Decimal | None = None
    billed_quantity: Decimal | None = None
    unit_price: Decimal | None = None
    bill_customer: str | None = None
    effective_date: str | None = None
    cancelled_date: str | None = None
    description: str | None = None
    invoice_description: str | None = None


class BillingCycle(Wire):
    id: int
    name: str | None = None
    billing_options: str | None = None


class CompanyInfo(msgspec.Struct, rename="pascal"):
    codebase: str | None = None


class ErrorBody(Wire):
    code: str | None = None
    error: str | None = None
    message: str | None = None


@dataclass(slots=True)
class Additions:
    """The lines of one agreement, what was set aside, and whether (and why) some are missing."""

    lines: list[PsaAgreementLine] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    incomplete: bool = False
    refused: PsaRefused | None = None


class ConnectWiseAdapter:
    info: ClassVar[PsaInfo] = PsaInfo(
        key="connectwise",
        name=NAME,
        fields=(
            CredentialField(
                "server_url",
                "Server",
                "url",
                help="As you see it when you sign in, for example na.myconnectwise.net.",
                identifies=True,
            ),
            CredentialField(
                "company_id",
                "Company ID",
                help="What you type as Company on ConnectWise's sign-in page.",
                identifies=True,
            ),
            CredentialField("public_key", "Public key"),
            CredentialField("private_key", "Private key", "secret"),
        ),
        guide=GUIDE,
        settings=("CONNECTWISE_CLIENT_ID",),
        only_active_importable=True,
        parallel_requests=4,
        company_batch=2 * IDS_PER_QUESTION,
        logo="connectwise.svg",
    )

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
    ) -> None:
        self._server = server_root(credentials["server_url"])
        self._company_id = credentials["company_id"].strip()
        self._client_id = settings["CONNECTWISE_CLIENT_ID"]
        keys = f"{self._company_id}+{credentials['public_key']}:{credentials['private_key']}"
        self._headers = {
            "Authorization": "Basic " + base64.b64encode(keys.encode()).decode(),
            "Accept": "application/vnd.connectwise.com+json; version=2025.1",
        }
        if self._client_id:
            self._headers["clientId"] = self._client_id
        self._http = http
        self._memory = memory
        if not memory.get("base", "").startswith(f"{self._server}/"):
            memory.pop("base", None)  # of another server: it must not get these keys
        self._cycles: dict[int, BillingCycle] | None = None
        self._cycles_asked = False
        self._status_names: dict[int, str] | None = None
        self._email_types: set[int] | None = None

    @staticmethod
    def account_key(credentials: Mapping[str, str]) -> str:
        host = server_root(credentials["server_url"]).partition("://")[2]
        return f"{host}|{credentials['company_id'].strip().casefold()}"

    # The connection test

    def reach(self) -> None:
        self._find_codebase()

    def authenticate(self) -> None:
        """Ask for one company: `system/info` may answer without looking at the keys."""
        try:
            self._get(LISTS["read_companies"], {"pageSize": "1", "fields": "id"})
        except PsaRefused as error:
            if error.code != "permission_denied":  # then the keys were accepted
                raise

    def probe(self, right: Right) -> Finding:
        rows = self._get(LISTS[right], {"pageSize": "1", "fields": "id"}, right=right)
        if not rows:
            kind = right.removeprefix("read_")
            return Finding(
                f"The keys see no {kind} at all. If there are some, set the role to Inquire All "
                f"(not My) under {MENU_PATHS[right]}.",
                sees_nothing=True,
            )
        if right != "read_agreements":
            return Finding()
        agreement_id = msgspec.json.decode(rows[0], type=Ref).id
        self._get(f"/finance/agreements/{agreement_id}/additions", {"pageSize": "1"}, right=right)
        if self._billing_cycles() is None:
            return Finding(
                "The billing cycle table can't be read, so cycles are told by their names. Allow "
                "System > Table Setup: Inquire All, with Invoicing / Billing Cycle."
            )
        return Finding()

    # Reading

    def companies(
        self, *, cursor: str | None = None, changed_since: datetime | None = None
    ) -> Iterator[PsaPage[PsaCompany]]:
        yield from self._pages(
            "read_companies",
            {"fields": COMPANY_FIELDS, **changed(changed_since)},
            WireCompany,
            self._company,
            cursor,
        )

    def company(self, external_id: str) -> PsaCompany | RejectedRecord | None:
        if not external_id.isdecimal():
            return None

        def read(response: PsaResponse) -> PsaCompany | RejectedRecord | None:
            if response.status == 404:
                return None
            self._refuse(response, "read_companies")
            row = decode(response, msgspec.Raw, NAME)
            records, rejected = read_records([row], WireCompany, self._company)
            return records[0] if records else rejected[0]

        return self._ask_by_id(f"/company/companies/{external_id}", {}, read)

    def contacts(
        self,
        *,
        cursor: str | None = None,
        company_ids: Collection[str] | None = None,
        changed_since: datetime | None = None,
    ) -> Iterator[PsaPage[PsaContact]]:
        params = {"fields": CONTACT_FIELDS}
        if company_ids is None:
            conditions: list[Mapping[str, str]] = [changed(changed_since)]
        else:
            conditions = [of_companies(ids) for ids in batches(company_ids)]
        for condition in conditions:
            yield from self._pages(
                "read_contacts", {**params, **condition}, WireContact, self._contact, cursor
            )

    def agreements(self, *, company_ids: Sequence[str]) -> Iterator[PsaPage[PsaAgreement]]:
        for ids in batches(company_ids):
            params = {"fields": AGREEMENT_FIELDS, **of_companies(ids)}
            for page in self._pages("read_agreements", params, WireAgreement, lambda raw: raw):
                yield self._with_lines(page)

    # Companies and contacts

    def _company(self, raw: WireCompany) -> PsaCompany:
        """Only `deletedFlag` tells a deletion: `dateDeleted` stands on live companies too."""
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
        if status is None or status.id is None or status.name:
            return clean(status.name) if status else ""
        if self._status_names is None:
            rows = self._get("/company/companies/statuses", {"pageSize": str(PAGE_SIZE)})
            statuses = [msgspec.json.decode(row, type=Ref) for row in rows]
            self._status_names = {row.id: clean(row.name) for row in statuses if row.id is not None}
        return self._status_names.get(status.id, "")

    def _record_url(self, external_id: str) -> str:
        """The company in ConnectWise's own pages; the address is inferred, not documented."""
        root = self._server.replace("://api-", "://", 1)
        return (
            f"{root}/v4_6_release/services/system_io/router/openrecord.rails"
            f"?recordType=CompanyFv&recid={external_id}&companyName={quote(self._company_id)}"
        )

    def _contact(self, raw: WireContact) -> PsaContact:
        return PsaContact(
            external_id=str(raw.id),
            company_id=ref_id(raw.company),
            first_name=name_of(raw.first_name, "firstName"),
            last_name=name_of(raw.last_name, "lastName"),
            email=self._email(raw)[:254],
            phone=phone(raw)[:100],
            is_active=raw.inactive_flag is not True,
            is_default=raw.default_flag is True,
            changed_at=instant(raw.info.last_updated) if raw.info else None,
        )

    def _email(self, raw: WireContact) -> str:
        """The default e-mail, else the first.

        There is no `email` field, and an "@" proves nothing.
        """
        items = [item for item in raw.communication_items or () if self._is_email(item)]
        items.sort(key=lambda item: item.default_flag is not True)
        return next((value for item in items if (value := clean(item.value))), "")

    def _is_email(self, item: CommunicationItem) -> bool:
        if item.communication_type:
            return item.communication_type.casefold() == "email"
        if item.type is None:
            return False
        if self._email_types is None:
            self._email_types = self._read_email_types()
        return item.type.id in self._email_types or clean(item.type.name).casefold() == "email"

    def _read_email_types(self) -> set[int]:
        class CommunicationType(Wire):
            id: int
            email_flag: bool | None = None

        try:
            rows = self._get("/company/communicationTypes", {"pageSize": str(PAGE_SIZE)})
        except PsaRefused:
            return set()
        types, _ = read_records(rows, CommunicationType, lambda row: row)
        return {row.id for row in types if row.email_flag}

    # Agreements

    def _with_lines(self, page: PsaPage[WireAgreement]) -> PsaPage[PsaAgreement]:
        """Additions stand under one agreement each:

        asked for side by side, where they can count.
        """
        parents = self._parent_cycles(page.records)
        built: list[PsaAgreement] = []
        rejected = list(page.rejected)
        for raw in page.records:
            try:
                built.append(self._agreement(raw, parents))
            except UNUSABLE as error:
                rejected.append(set_aside(str(raw.id), error))
        wanted = [agreement for agreement in built if can_have_lines(agreement)]
        answers = ordered_map(self._additions, wanted, workers=self._http.parallel)
        records = {agreement.external_id: agreement for agreement in built}
        refused: PsaRefused | None = None
        for agreement, found in zip(wanted, answers, strict=True):
            rejected += found.rejected
            refused = refused or found.refused
            records[agreement.external_id] = replace(
                agreement, lines=tuple(found.lines),
                incomplete=found.incomplete, withheld=found.refused is not None,
            )  # fmt: skip
        is_blind = self._cycles_asked and not self._cycles
        unsure = frozenset({"cycle"} if is_blind else ())
        return PsaPage(
            tuple(records.values()), tuple(rejected), page.cursor, page.total, refused, unsure
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
        for ids in batches(sorted(map(str, missing))):
            params = {"fields": "id,billingCycle", "conditions": f"id in ({','.join(ids)})"}
            for page in self._pages("read_agreements", params, WireAgreement, lambda raw: raw):
                known |= {parent.id: parent.billing_cycle for parent in page.records}
        return known

    def _agreement(self, raw: WireAgreement, parents: Mapping[int, Ref | None]) -> PsaAgreement:
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
            currency=clean(raw.currency.currency_code).upper() if raw.currency else "",
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
        table = self._billing_cycles()
        name = clean(reference.name)
        if table is not None and reference.id in table:
            row = table[reference.id]
            option = clean(row.billing_options)
            if option:
                return BILLING_OPTIONS.get(option.casefold(), option)
            name = name or clean(row.name)
        return CYCLE_NAMES.get(re.sub(r"[\s_-]", "", name.casefold()), name or None)

    def _billing_cycles(self) -> dict[int, BillingCycle] | None:
        """The table of billing cycles; None when it may not be read (`…/info` has no options)."""
        if not self._cycles_asked:
            self._cycles_asked = True
            try:
                rows = self._get("/finance/billingCycles", {"pageSize": str(PAGE_SIZE)})
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
            else:
                cycles, _ = read_records(rows, BillingCycle, lambda row: row)
                self._cycles = {row.id: row for row in cycles}
        return self._cycles

    def agreement_owner(self, external_id: str) -> str | None:
        def read(response: PsaResponse) -> Ref | None:
            if response.status == 404:
                return None
            self._refuse(response, "read_agreements")
            return decode(response, OwnerOf, NAME).company

        company = self._ask_by_id(f"/finance/agreements/{external_id}", {}, read)
        return str(company.id) if company and company.id is not None else None

    def _additions(self, agreement: PsaAgreement) -> Additions:
        found = Additions()
        path = f"/finance/agreements/{agreement.external_id}/additions"
        page = 1

        def read(response: PsaResponse) -> list[msgspec.Raw] | None:
            missing = response.status == 404  # the agreement was deleted a moment ago
            return None if missing else self._rows(response, "read_agreements")[0]

        while True:
            params = {"pageSize": str(PAGE_SIZE), "page": str(page), "orderBy": "id asc"}
            try:
                rows = self._ask_by_id(path, params, read)
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
                rows, found.refused = None, error
            if rows is None:
                found.incomplete = True
                return found
            good, bad = read_records(rows, WireAddition, line)
            found.lines += good
            found.rejected += of_lines(bad)
            if len(rows) < PAGE_SIZE:
                found.incomplete = bool(found.rejected)
                return found
            page += 1

    # Paging

    def _pages(
        self,
        right: Right,
        params: Mapping[str, str],
        kind: type[Any],
        build: Any,
        cursor: str | None = None,
    ) -> Iterator[PsaPage[Any]]:
        """Page through a list, forward-only (`id > pageId`, so shifting rows lose nobody).

        A server that doesn't know that mode is paged by number instead, in the order of ids. The
        next URL is always our own, never the one of a `Link` header.
        """
        path = LISTS[right]
        filters = "conditions" in params
        total = None if filters or cursor else self._count(path, right)
        mode, _, place = (cursor or "id:").partition(":")
        seen: set[str] = set()
        while True:
            place_params, extra = place_of(mode, place)
            question = {"pageSize": str(PAGE_SIZE), **params, **place_params}
            rows, links = self._ask(
                path, question, lambda response: self._rows(response, right), extra
            )
            if mode == "id" and not place and knows_only_numbers(rows, links):
                mode, place = "page", "1"
                continue
            records, rejected = read_records(rows, kind, build)
            place_after = next_place(mode, place, rows, links)
            fresh = [record for record in records if record_id(record) not in seen]
            seen |= {record_id(record) for record in records} if mode == "page" else set()
            following = f"{mode}:{place_after}" if place_after else None
            yield PsaPage(tuple(fresh), tuple(rejected), following, total)
            if not place_after:
                return
            place = place_after

    def _count(self, path: str, right: Right) -> int | None:
        class Count(Wire):
            count: int

        def read(response: PsaResponse) -> int:
            self._refuse(response, right)
            return decode(response, Count, NAME).count

        try:
            return self._ask(f"{path}/count", {}, read)
        except PsaBadResponse:
            return None  # a nicety for the progress bar

    # Asking

    def _get(self, path: str, params: Mapping[str, str], right: str = "") -> list[msgspec.Raw]:
        return self._ask(path, params, lambda response: self._rows(response, right)[0])

    def _rows(self, response: PsaResponse, right: str) -> tuple[list[msgspec.Raw], str | None]:
        self._refuse(response, right)
        if response.content.strip() == b"null":
            return [], response.headers.get("link")
        return decode(response, list[msgspec.Raw], NAME), response.headers.get("link")

    def _ask(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[PsaResponse], AnswerT],
        headers: Mapping[str, str] | None = None,
    ) -> AnswerT:
        """Ask, and once more under a new codebase: the cloud's changes with each release."""
        for is_last in (False, True):
            base = self._memory.get("base") or self._find_codebase()
            try:
                return self._http.ask(
                    "GET",
                    base + path,
                    params=params,
                    headers={**self._headers, **(headers or {})},
                    read=read,
                )
            except PsaRefused as error:
                if is_last or error.code != "invalid_credentials":
                    raise
                if self._find_codebase() == base:
                    raise
        raise AssertionError("the second time either returns or raises")

    def _ask_by_id(
        self,
        path: str,
        params: Mapping[str, str],
        read: Callable[[PsaResponse], AnswerT],
    ) -> AnswerT:
        """Ask for what may not be there; `read` gives None for 404.

        The cloud may answer refused keys with 404 as well, and so may the path of an old release:
        it is believed when the keys work under the same path.
        """
        for is_last in (False, True):
            base = self._memory.get("base") or self._find_codebase()
            answer = self._ask(path, params, read)
            if answer is None:
                self.authenticate()
            if answer is not None or is_last or self._memory["base"] == base:
                return answer
        raise AssertionError("the second time returns")

    def _find_codebase(self) -> str:
        """Look up under which path the API of this company answers; needs no keys."""
        path = f"{self._server}/login/companyinfo/{quote(self._company_id, safe='')}"
        codebase = self._http.ask("GET", path, read=self._codebase)
        self._memory["base"] = f"{self._server}/{codebase}/apis/3.0"
        return self._memory["base"]

    def _codebase(self, response: PsaResponse) -> str:
        if response.status >= 500:
            raise unavailable(response)
        info: CompanyInfo | None = None
        if response.status == 200 and not response.is_html:
            try:  # an unknown company id is answered with 200 and `null`
                info = msgspec.json.decode(response.content, type=CompanyInfo | None)
            except msgspec.DecodeError:
                raise not_connectwise(self._server) from None
            if info is None:
                raise self._unknown_company()
        elif response.status == 404 and error_body(response).message:
            raise self._unknown_company()
        codebase = (info.codebase or "").strip("/") if info else ""
        if not re.fullmatch(r"[A-Za-z0-9_.-]+", codebase):
            raise not_connectwise(self._server)
        return codebase

    def _unknown_company(self) -> PsaRefused:
        return PsaRefused(
            "invalid_credentials",
            "ConnectWise knows no company with this Company ID.",
            "Type the Company ID as on ConnectWise's sign-in page; capitals may matter.",
        )

    def _refuse(self, response: PsaResponse, right: str) -> None:
        """Turn every answer but a good one into its error. Bodies are not always JSON there."""
        status = response.status
        if status == 200:
            return
        if status >= 500:
            raise unavailable(response)
        body = error_body(response)
        text = f"{body.message} {response.content[:500].decode(errors='replace')}".casefold()
        if "ssl is required" in text:
            raise not_connectwise(self._server)
        if "clientid" in text:
            raise client_id_refused()
        if status == 403 or body.code == "Security":
            if not self._client_id and body.code != "Security":
                raise client_id_refused()
            raise permission_denied(right)
        if status == 401 or "cannot route" in text:
            raise invalid_credentials()
        if status == 404:  # the cloud may answer bad keys so
            raise invalid_credentials()
        raise PsaBadResponse(
            f"ConnectWise refused a question of ours (status {status}).", "Report it to us."
        )


def server_root(typed: str) -> str:
    """`scheme://host` of whatever was pasted, with `api-` in front of a cloud host."""
    text = clean(typed).strip("/ ")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "https", text
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].casefold()
    if CLOUD_HOST.fullmatch(host):
        host = f"api-{host}"
    return f"{'http' if scheme.casefold() == 'http' else 'https'}://{host}"


def changed(since: datetime | None) -> dict[str, str]:
    return {"conditions": f"lastUpdated>[{since:%Y-%m-%dT%H:%M:%SZ}]"} if since else {}


def of_companies(ids: Sequence[str]) -> dict[str, str]:
    return {"conditions": f"company/id in ({','.join(ids)})"}


def batches(ids: Collection[str]) -> Iterator[list[str]]:
    """Cut ids into what one URL bears; what is no ConnectWise id (a number) is left out."""
    numbers = [external_id for external_id in ids if external_id.isdecimal()]
    for start in range(0, len(numbers), IDS_PER_QUESTION):
        yield numbers[start : start + IDS_PER_QUESTION]


def place_of(mode: str, place: str) -> tuple[dict[str, str], dict[str, str]]:
    """Query parameters and headers of a page: behind an id, or by its number."""
    if mode == "page":
        return {"page": place, "orderBy": "id asc"}, {}
    return ({"pageId": place} if place else {}), {"pagination-type": "forward-only"}


def next_link(links: str | None) -> str:
    """The address of `rel="next"`.

    An address may hold commas, so the header is not split at them.
    """
    match = re.search(r'<([^>]*)>\s*;\s*rel="?next"?', links or "")
    return match.group(1) if match else ""


def knows_only_numbers(rows: Sequence[msgspec.Raw], links: str | None) -> bool:
    """Whether the first page shows that the server ignored forward-only and has more to give."""
    link = next_link(links)
    if link:
        return "pageId" not in parse_qs(urlsplit(link).query)
    return links is None and len(rows) >= PAGE_SIZE


def next_place(mode: str, place: str, rows: Sequence[msgspec.Raw], links: str | None) -> str:
    """Where the next page begins, "" behind the last one."""
    if not rows:
        return ""
    link = next_link(links)
    if mode == "page":
        has_more = bool(link) if links else len(rows) >= PAGE_SIZE
        return str(int(place) + 1) if has_more else ""
    following = parse_qs(urlsplit(link).query).get("pageId", [""])[0]
    return following if following.isdecimal() and following != place else ""


def record_id(record: Any) -> str:
    return str(getattr(record, "external_id", None) or record.id)


def ref_id(reference: Ref | None) -> str:
    return "" if reference is None or reference.id is None else str(reference.id)


def has_id(reference: Ref | None) -> bool:
    return reference is not None and reference.id is not None


def phone(raw: WireContact) -> str:
    """The default phone number, else the first, else the copy that the contact carries."""
    items = [
        item
        for item in raw.communication_items or ()
        if (item.communication_type or "").casefold() == "phone" and clean(item.value)
    ]
    items.sort(key=lambda item: item.default_flag is not True)
    if not items:
        return clean(raw.default_phone_nbr)
    extension = clean(items[0].extension)
    return clean(items[0].value) + (f" x{extension}" if extension else "")


def can_have_lines(agreement: PsaAgreement) -> bool:
    return agreement.recurring is not False and agreement.cycle not in {"one_time", "not_recurring"}


def line(raw: WireAddition) -> PsaAgreementLine:
    """An addition. Prorated prices concern one invoice only and are not looked at."""
    billed = raw.billed_quantity
    bill = clean(raw.bill_customer)
    return PsaAgreementLine(
        external_id=str(raw.id),
        kind="addition",
        description=(clean(raw.invoice_description) or clean(raw.description))[:255],
        product=clean(raw.product.identifier)[:255] if raw.product else "",
        quantity=raw.quantity if billed is None else billed,
        unit_price=raw.unit_price,
        less_included=raw.less_included if billed is None else None,
        bill=BILL_CUSTOMER.get(bill.casefold(), bill) or "billable",
        start_date=calendar_date(raw.effective_date, "effectiveDate"),
        end_date=calendar_date(raw.cancelled_date, "cancelledDate"),
    )


def error_body(response: PsaResponse) -> ErrorBody:
    """The error's code and message, as far as the body is one (429 spells `code` as `error`)."""
    try:
        body = msgspec.json.decode(response.content, type=ErrorBody)
    except msgspec.DecodeError:
        body = ErrorBody()
    return ErrorBody(code=clean(body.code or body.error), message=clean(body.message))


def unavailable(response: PsaResponse) -> PsaUnavailable:
    return PsaUnavailable(
        "psa_unavailable",
        f"ConnectWise had an error of its own (status {response.status}).",
        "Try again in a few minutes; ConnectWise's status page says whether there is an outage.",
    )


def invalid_credentials() -> PsaRefused:
    return PsaRefused(
        "invalid_credentials",
        "ConnectWise does not accept these keys for this Company ID.",
        "Check Company ID, public and private key. A private key can't be shown again: make new "
        "keys under System > Members > API Members > the member > API Keys if need be.",
    )


def client_id_refused() -> PsaRefused:
    return PsaRefused(
        "client_id_refused",
        "ConnectWise does not accept audIT's client ID.",
        "This is ours to mend: whoever runs audIT sets CONNECTWISE_CLIENT_ID to a registered one.",
    )


def not_connectwise(server: str) -> PsaRefused:
    host = urlsplit(server).hostname or "The server"
    return PsaRefused(
        "not_a_psa_server",
        f"{host} answers, but not as a ConnectWise server.",
        "Type the address you see when you sign in to ConnectWise, such as na.myconnectwise.net.",
    )


def permission_denied(right: str) -> PsaRefused:
    what = right.removeprefix("read_") or "this"
    path = MENU_PATHS.get(right, "System > Table Setup: Inquire All")
    return PsaRefused(
        "permission_denied",
        f"The API member may not read {what} in ConnectWise.",
        f"Open System > Security Roles, choose the API member's role, and allow {path}.",
        right=right,
    )
