"""Autotask, through the PSA contract."""

from __future__ import annotations

import re
import threading
from collections import defaultdict
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, ClassVar, Final, TypeVar
from urllib.parse import urlsplit

import msgspec

from agreements.mrr.cycles import add_months
from integrations.psa.contract import (
    CredentialField,
    Cycle,
    Finding,
    GuideStep,
    LineKind,
    PsaAgreement,
    PsaAgreementLine,
    PsaCompany,
    PsaContact,
    PsaInfo,
    PsaPage,
    PsaUnits,
    RejectedRecord,
    Right,
)
from integrations.psa.decoding import (
    UNUSABLE,
    RecordUnusableError,
    calendar_date,
    clean,
    day_after,
    decode,
    instant,
    name_of,
    of_lines,
    raw_id,
    read_records,
    set_aside,
)
from integrations.psa.errors import (
    PsaBadResponse,
    PsaError,
    PsaRateLimited,
    PsaRefused,
    PsaUnavailable,
)
from integrations.psa.http import PsaHttp, PsaResponse
from integrations.psa.parallel import ordered_map

AnswerT = TypeVar("AnswerT")
RowT = TypeVar("RowT")

NAME: Final = "Autotask"
#: Any zone's host answers; this is the one that Autotask's own documentation names.
ZONE_INFORMATION: Final = "https://webservices.autotask.net/ATServicesRest/V1.0/zoneInformation"
ZONE_HOSTS: Final = ".autotask.net"
PAGE_SIZE: Final = 500
#: Ids in one `in`: each counts as an OR condition, of which a query bears 500.
IDS_PER_QUESTION: Final = 200
RECURRING_SERVICE: Final = 7
#: The hourly budget is one for all programs of the tenant: the last tenth is left to the others.
BUDGET_SHARE: Final = Decimal("0.9")
BUDGET_EVERY: Final = 100  # requests between two looks at it
BUDGET_WAIT_SECONDS: Final = 300.0
#: Unit history is read from the first of January this many years back.
HISTORY_YEARS: Final = 2
PLACES: Final = 10

#: Months of a contract period, by picklist value, by the SOAP letter, and by the picklist's label.
PERIODS: Final[dict[str, int]] = {
    "2": 1, "m": 1, "monthly": 1,
    "3": 3, "q": 3, "quarterly": 3,
    "4": 6, "s": 6, "semiannual": 6, "semiannually": 6,
    "5": 12, "y": 12, "yearly": 12, "annual": 12, "annually": 12,
}  # fmt: skip
CYCLES: Final[dict[int, Cycle]] = {1: "monthly", 3: "quarterly", 6: "semiannual", 12: "annual"}
#: Where a right is granted: the API user's own security level.
LEVEL: Final = (
    "Admin > Account Settings & Users > Resources/Users (HR) > Security > Security Levels"
)
MENU_PATHS: Final[dict[str, str]] = {
    "read_companies": "CRM > Object Permissions > Organizations: View All",
    "read_contacts": "CRM > Object Permissions > Contacts: View All",
    "read_agreements": "Contracts > Contract Visibility: All, with Services and Bundles",
}
COMPANY_FIELDS: Final = (
    "id", "companyName", "companyType", "isActive", "lastTrackedModifiedDateTime", "createDate",
)  # fmt: skip
CONTACT_FIELDS: Final = (
    "id", "companyID", "firstName", "lastName", "emailAddress", "emailAddress2", "emailAddress3",
    "phone", "extension", "mobilePhone", "alternatePhone", "isActive", "primaryContact",
    "lastModifiedDate", "createDate",
)  # fmt: skip

GUIDE: Final = (
    GuideStep(
        "Open the form for an API user",
        "In Autotask open the three-bar menu, go to Admin > Resources (Users), press the arrow "
        "beside New and choose New API User.",
    ),
    GuideStep(
        "Say who it is",
        "Fill in the general part as below. Autotask sends notices to the e-mail address, also the "
        "one that says the user is locked out.",
        (
            ("First Name", "audIT"),
            ("Last Name", "API"),
            ("Email Address", "{help_email}"),
            ("Security Level", "API User (system)"),
        ),
    ),
    GuideStep(
        "Make its keys",
        "Under Credentials press Generate Key for Username (Key) and Generate Secret for Password "
        "(Secret). Note both now: Autotask does not show the secret again.",
    ),
    GuideStep(
        "Make a tracking identifier",
        "Under API Tracking Identifier choose Custom (Internal Integration), type the name, and "
        "note the identifier that appears. Then press Save & Close.",
        (("Internal Integration Name", "audIT"),),
    ),
    GuideStep(
        "Fill in the form beside this",
        "Type the three values you noted. Your zone is found by itself. Save: the connection is "
        "tested at once.",
    ),
)


WIRE_NAMES: Final = {
    "company_id": "companyID",
    "currency_id": "currencyID",
    "contract_id": "contractID",
    "contract_service_id": "contractServiceID",
    "contract_service_bundle_id": "contractServiceBundleID",
    "service_id": "serviceID",
    "service_bundle_id": "serviceBundleID",
    "renewed_contract_id": "renewedContractID",
}


def wire_name(name: str) -> str:
    first, *rest = name.split("_")
    return WIRE_NAMES.get(name) or first + "".join(part.capitalize() for part in rest)


class Wire(msgspec.Struct, rename=wire_name):
    """A record on the wire. Every member but `id` may be null, "" or (rarely) missing."""

    id: int


Flag = bool | int | str | None
Pick = int | str | None


class WireCompany(Wire):
    company_name: str | None = None
    company_type: Pick = None
    is_active: Flag = None
    last_tracked_modified_date_time: str | None = None
    create_date: str | None = None


class WireContact(Wire):
    company_id: int | None = None
    first_name: str | None = None
    last_name: str | None = None
    email_address: str | None = None
    email_address2: str | None = None
    email_address3: str | None = None
    phone: str | None = None
    extension: str | None = None
    mobile_phone: str | None = None
    alternate_phone: str | None = None
    is_active: Flag = None
    primary_contact: Flag = None
    last_modified_date: str | None = None
    create_date: str | None = None


class WireContract(Wire):
    company_id: int | None = None
    contract_name: str | None = None
    contract_type: Pick = None
    contract_period_type: Pick = None
    status: Pick = None
    start_date: str | None = None
    end_date: str | None = None
    setup_fee: Decimal | None = None
    renewed_contract_id: int | None = None
    last_modified_date_time: str | None = None


class WireContractLine(Wire):
    """A contract service or a contract service bundle; the catalogue id is one of the two."""

    contract_id: int | None = None
    service_id: int | None = None
    service_bundle_id: int | None = None
    invoice_description: str | None = None
    internal_description: str | None = None


class WireUnits(Wire):
    """A unit row. `price` is the extended amount: all units, for the row's whole period."""

    contract_id: int | None = None
    contract_service_id: int | None = None
    contract_service_bundle_id: int | None = None
    service_id: int | None = None
    service_bundle_id: int | None = None
    start_date: str | None = None
    end_date: str | None = None
    units: Decimal | None = None
    price: Decimal | None = None


class WireCatalogue(Wire):
    name: str | None = None


class WireCurrencyOf(Wire):
    currency_id: int | None = None


class WireOwnerOf(Wire):
    company_id: int | None = None


class PageDetails(msgspec.Struct, rename="camel"):
    request_count: int | None = None
    next_page_url: str | None = None


class Answer(msgspec.Struct, rename="camel"):
    items: list[msgspec.Raw] | None = None
    page_details: PageDetails | None = None


class ZoneInformation(msgspec.Struct, rename="camel"):
    url: str | None = None
    web_url: str | None = None


class PicklistValue(msgspec.Struct, rename="camel"):
    value: int | str | None = None
    label: str | None = None


class EntityField(msgspec.Struct, rename="camel"):
    name: str | None = None
    picklist_values: list[PicklistValue] | None = None


class EntityFields(msgspec.Struct):
    fields: list[EntityField] | None = None


class EntityInfo(msgspec.Struct, rename="camel"):
    can_query: bool | None = None
    user_access_for_query: str | None = None


class EntityInformation(msgspec.Struct):
    info: EntityInfo | None = None


class Threshold(msgspec.Struct, rename="camel"):
    external_request_threshold: int | None = None
    current_timeframe_request_count: int | None = None


@dataclass(frozen=True, slots=True)
class LineFamily:
    """Services or bundles: where their lines and their unit rows are read."""

    kind: LineKind
    lines: str
    units: str
    catalogue: str


FAMILIES: Final = (
    LineFamily("service", "ContractServices", "ContractServiceUnits", "Services"),
    LineFamily("bundle", "ContractServiceBundles", "ContractServiceBundleUnits", "ServiceBundles"),
)
PROBES: Final[dict[Right, tuple[str, ...]]] = {
    "read_companies": ("Companies",),
    "read_contacts": ("Contacts",),
    "read_agreements": ("Contracts", *(n for f in FAMILIES for n in (f.lines, f.units))),
}


class ZoneMovedError(Exception):
    """The answer is what a wrong zone gives; a good zone may give it too."""

    def __init__(self, meant: PsaError) -> None:
        super().__init__()
        self.meant = meant


class AutotaskAdapter:
    info: ClassVar[PsaInfo] = PsaInfo(
        key="autotask",
        name=NAME,
        fields=(
            CredentialField("username", "Username (Key)"),
            CredentialField("secret", "Password (Secret)", "secret"),
            CredentialField(
                "tracking_identifier",
                "Tracking identifier",
                help="The identifier of the Custom (Internal Integration) of the API user.",
                identifies=True,
            ),
        ),
        guide=GUIDE,
        settings=("AUTOTASK_ZONE_INFORMATION_URL",),
        parallel_requests=2,
        account_requests=6,
        endpoint_requests=3,
        company_batch=IDS_PER_QUESTION,
        logo="autotask.svg",
        agreement_word="contract",
    )

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
    ) -> None:
        self._username = clean(credentials["username"])
        self._headers = {
            "ApiIntegrationCode": clean(credentials["tracking_identifier"]),
            "UserName": self._username,
            "Secret": clean(credentials["secret"]),
            "Accept": "application/json",
        }
        self._override = settings["AUTOTASK_ZONE_INFORMATION_URL"]
        self._http = http
        self._memory = memory
        self._lock = threading.Lock()
        self._answered = 0
        self._look_after = 1  # not before the keys were accepted: refusals lock the user
        self._picklists: dict[str, dict[str, dict[str, str]]] = {}
        self._catalogues: dict[str, dict[int, str]] = {}
        self._currencies: dict[int, str] | None = None
        self._hidden: dict[str, bool] = {}

    @staticmethod
    def account_key(credentials: Mapping[str, str]) -> str:
        return clean(credentials["tracking_identifier"]).casefold()

    # The connection test

    def reach(self) -> None:
        self._find_zone()

    def authenticate(self) -> None:
        """Ask for one company: the zone is found without a look at the keys."""
        try:
            self._one_row("Companies")
        except PsaRefused as error:
            if error.code != "permission_denied":  # then the keys were accepted
                raise

    def probe(self, right: Right) -> Finding:
        """Ask each entity on its own: what a security level hides looks like an empty list."""
        first, *rest = PROBES[right]
        if not self._one_row(first, right):
            self._refuse_hidden(first, right)
            what = {"Contracts": "recurring service contracts"}.get(first, first.lower())
            return Finding(
                f"The API user sees no {what} at all. If there are some, give it the security "
                f"level API User (system), or allow {MENU_PATHS[right]} in its own level.",
                sees_nothing=True,
            )
        rows = {entity: self._one_row(entity, right) for entity in rest}
        for entity in rest:
            if not rows[entity]:
                self._refuse_hidden(entity, right)
        if rest and not any(rows.values()):
            return Finding(
                "The API user sees contracts, but none of their services or bundles. If there are "
                f"some, allow {MENU_PATHS[right]} in its security level.",
                sees_nothing=True,
            )
        return Finding()

    def _one_row(self, entity: str, right: Right | None = None) -> list[msgspec.Raw]:
        conditions = [recurring()] if entity == "Contracts" else []
        filters = [{"op": "gte", "field": "id", "value": 0}, *conditions]
        body = {"filter": filters, "MaxRecords": 1, "IncludeFields": ["id"]}
        return self._ask_page(entity, body, right).items or []

    def _refuse_hidden(self, entity: str, right: Right) -> None:
        """Raise when the entity's own description says that this user may not query it."""

        def read(response: PsaResponse) -> EntityInformation:
            self._refuse(response, right)
            return decode(response, EntityInformation, NAME)

        try:
            info = self._ask("GET", f"{entity}/entityInformation", read, entity).info
        except PsaBadResponse:
            return  # the values are not documented: only a clear no counts
        if info and (
            info.can_query is False or clean(info.user_access_for_query).casefold() == "none"
        ):
            raise permission_denied(right)

    # Reading

    def companies(
        self, *, cursor: str | None = None, changed_since: datetime | None = None
    ) -> Iterator[PsaPage[PsaCompany]]:
        conditions = changed("lastTrackedModifiedDateTime", changed_since)
        yield from self._pages(
            "Companies", "read_companies", WireCompany, self._company,
            conditions=conditions, fields=COMPANY_FIELDS, cursor=cursor,
        )  # fmt: skip

    def company(self, external_id: str) -> PsaCompany | RejectedRecord | None:
        if not external_id.isdecimal():
            return None
        body = {
            "filter": [{"op": "eq", "field": "id", "value": int(external_id)}],
            "IncludeFields": list(COMPANY_FIELDS),
        }
        rows = self._ask_page("Companies", body, "read_companies").items or []
        records, rejected = read_records(rows, WireCompany, self._company)
        return records[0] if records else next(iter(rejected), None)

    def contacts(
        self,
        *,
        cursor: str | None = None,
        company_ids: Collection[str] | None = None,
        changed_since: datetime | None = None,
    ) -> Iterator[PsaPage[PsaContact]]:
        if company_ids is None:
            questions = [changed("lastModifiedDate", changed_since)]
        else:
            questions = [[one_of("companyID", ids)] for ids in batches(company_ids)]
        for conditions in questions:
            yield from self._pages(
                "Contacts", "read_contacts", WireContact, contact,
                conditions=conditions, fields=CONTACT_FIELDS, cursor=cursor,
            )  # fmt: skip

    def agreements(self, *, company_ids: Sequence[str]) -> Iterator[PsaPage[PsaAgreement]]:
        """Contracts of type Recurring Service. All of a company's together, for renewals."""
        for ids in batches(company_ids):
            conditions = [one_of("companyID", ids), recurring()]
            pages = list(
                self._pages(
                    "Contracts", "read_agreements", WireContract, lambda raw: raw,
                    conditions=conditions,
                )
            )  # fmt: skip
            contracts = [raw for page in pages for raw in page.records]
            rejected = [record for page in pages for record in page.rejected]
            if contracts:
                yield self._with_lines(contracts, rejected, self._currency_of(ids))
            else:
                yield PsaPage((), tuple(rejected))

    def agreement_owner(self, external_id: str) -> str | None:
        this = {"op": "eq", "field": "id", "value": int(external_id)}
        pages = self._pages(
            "Contracts", "read_agreements", WireOwnerOf, lambda raw: raw,
            conditions=[this, recurring()], fields=("id", "companyID"),
        )  # fmt: skip
        owners = [raw.company_id for page in pages for raw in page.records]
        return next((str(owner) for owner in owners if owner is not None), None)

    # Companies and contacts

    def _company(self, raw: WireCompany) -> PsaCompany:
        """Id 0 is the MSP's own organisation."""
        active = is_on(raw.is_active, default=True)
        web = self._memory.get("web", "")
        return PsaCompany(
            external_id=str(raw.id),
            name=name_of(raw.company_name, "companyName") or f"Company {raw.id}",
            status="Active" if active else "Inactive",
            type=self._label("Companies", "companyType", raw.company_type),
            is_active=active,
            is_own=raw.id == 0,
            url=f"{web}/Autotask/AutotaskExtend/ExecuteCommand.aspx"
            f"?Code=OpenAccount&AccountID={raw.id}"
            if web
            else "",
            changed_at=instant(raw.last_tracked_modified_date_time) or instant(raw.create_date),
        )

    def _label(self, entity: str, field_name: str, value: Pick) -> str:
        """A picklist's label, as this tenant named it. Values are texts there, numbers here."""
        if value is None:
            return ""
        return self._picklist(entity).get(field_name.casefold(), {}).get(str(value), "")

    def _picklist(self, entity: str) -> dict[str, dict[str, str]]:
        if entity not in self._picklists:

            def read(response: PsaResponse) -> EntityFields:
                self._refuse(response, None)
                return decode(response, EntityFields, NAME)

            try:
                path = f"{entity}/entityInformation/fields"
                found = self._ask("GET", path, read, entity).fields or []
            except (PsaRefused, PsaBadResponse):
                found = []  # labels are a nicety: the numbers alone say what counts
            self._picklists[entity] = {
                clean(item.name).casefold(): {
                    str(choice.value): clean(choice.label) for choice in item.picklist_values
                }
                for item in found
                if item.picklist_values
            }
        return self._picklists[entity]

    # Contracts

    def _currency_of(self, company_ids: Sequence[str]) -> dict[str, str]:
        """ISO codes by company: prices are in the customer's currency, not in the MSP's own.

        "" = the tenant has but one. A company that could not be read is not among them.
        """
        pages = self._pages(
            "Companies", "read_companies", WireCurrencyOf, lambda raw: raw,
            conditions=[one_of("id", company_ids)], fields=("id", "currencyID"),
        )  # fmt: skip
        codes = self._currency_codes()
        return {
            str(raw.id): "" if raw.currency_id is None else codes.get(raw.currency_id, "")
            for page in pages
            for raw in page.records
        }

    def _currency_codes(self) -> dict[int, str]:
        if self._currencies is None:
            try:
                self._currencies = {
                    id_: name.upper() for id_, name in self._named("Currencies").items()
                }
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
                self._currencies = {}  # the tenant's default is taken, and the ledger says so
        return self._currencies

    def _named(self, entity: str) -> dict[int, str]:
        pages = self._pages(
            entity, None, WireCatalogue, lambda raw: raw, fields=("id", "name"), counted=False
        )
        return {raw.id: clean(raw.name) for page in pages for raw in page.records}

    def _catalogue(self, entity: str) -> dict[int, str]:
        """Names of the catalogue; without them a line keeps its own description."""
        if entity not in self._catalogues:
            try:
                self._catalogues[entity] = self._named(entity)
            except PsaRefused:
                self._catalogues[entity] = {}
        return self._catalogues[entity]

    def _with_lines(
        self,
        contracts: Sequence[WireContract],
        rejected: list[RejectedRecord],
        currency_of: Mapping[str, str],
    ) -> PsaPage[PsaAgreement]:
        since = history_begins()
        wanted = [raw.id for raw in contracts if may_have_history(raw, since)]
        found = {
            family.kind: self._read_family(family, wanted, since, rejected) for family in FAMILIES
        }
        renews = renewals(contracts)
        records: list[PsaAgreement] = []
        for raw in contracts:
            try:
                records.append(self._contract(raw, currency_of, renews.get(raw.id, ""), found))
            except UNUSABLE as error:
                rejected.append(set_aside(str(raw.id), error))
        refused = next((part.refused for part in found.values() if part.refused), None)
        unsure = frozenset[str]() if self._currency_codes() else frozenset({"currency"})
        return PsaPage(tuple(records), tuple(rejected), refused=refused, unsure=unsure)

    def _read_family(
        self,
        family: LineFamily,
        contract_ids: Sequence[int],
        since: date,
        rejected: list[RejectedRecord],
    ) -> FoundLines:
        """Read lines and unit rows of many contracts: two entities side by side, each in turn."""
        found = FoundLines()
        recent = {"op": "gte", "field": "endDate", "value": since.isoformat()}
        for ids in batches(map(str, contract_ids)):
            of_contracts = one_of("contractID", ids)
            questions = [
                Question(family.lines, WireContractLine, [of_contracts]),
                Question(family.units, WireUnits, [of_contracts, recent]),
            ]
            for answer in ordered_map(self._read_all, questions, workers=len(questions)):
                rejected += answer.rejected
                incomplete = set(map(int, ids)) if answer.is_part else answer.incomplete
                found.incomplete |= incomplete
                if answer.refused:
                    found.refused = answer.refused
                    found.withheld |= incomplete
                for row in answer.rows:
                    if row.contract_id is not None:
                        kept = found.units if isinstance(row, WireUnits) else found.lines
                        kept[row.contract_id].append(row)
        if found.lines and not found.units and not found.refused and self._hides(family.units):
            found.refused = permission_denied("read_agreements")
            found.withheld |= found.lines.keys()
            found.incomplete |= found.withheld
        return found

    def _hides(self, entity: str) -> bool:
        """Whether we are shown not one row of it, of anybody: a right that is missing silently."""
        if entity not in self._hidden:
            self._hidden[entity] = not self._one_row(entity, "read_agreements")
        return self._hidden[entity]

    def _read_all(self, question: Question) -> Rows:
        """Read every row of a query; a refusal, or a row that names no contract, makes it a part.

        A part is never shown as the whole: its contracts are left out of MRR and said to be.
        """
        found = Rows()
        build = with_dates if question.kind is WireUnits else lambda row: row
        try:
            for rows, _ in self._raw_pages(question.entity, "read_agreements", question.conditions):
                good, rejected = read_records(rows, question.kind, build)
                found.rows += good
                found.rejected += of_lines(rejected)
                bad_ids = {record.external_id for record in rejected}
                owners = {contract_of(row) for row in rows if raw_id(row) in bad_ids}
                found.is_part = found.is_part or None in owners
                found.incomplete |= {owner for owner in owners if owner is not None}
        except PsaRefused as error:
            if error.code != "permission_denied":
                raise
            found.is_part, found.refused = True, error
        return found

    def _contract(
        self,
        raw: WireContract,
        currency_of: Mapping[str, str],
        renews_id: str,
        found: Mapping[LineKind, FoundLines],
    ) -> PsaAgreement:
        company_id = "" if raw.company_id is None else str(raw.company_id)
        if company_id not in currency_of:  # an amount in a currency that is guessed is no amount
            raise RecordUnusableError(
                "invalid_record", "The currency of its company could not be read."
            )
        months = self._period(raw)
        start = calendar_date(raw.start_date, "startDate")
        lines = [
            line
            for family in FAMILIES
            for line in self._lines(raw, family, found[family.kind], months, start)
        ]
        if raw.setup_fee:
            lines.append(
                PsaAgreementLine(
                    "setup-fee", description="Set-up fee", quantity=Decimal(1),
                    unit_price=raw.setup_fee, one_time=True,
                )
            )  # fmt: skip
        return PsaAgreement(
            external_id=str(raw.id),
            company_id=company_id,
            name=name_of(raw.contract_name, "contractName"),
            type=self._label("Contracts", "contractType", raw.contract_type) or "Recurring Service",
            status=self._label("Contracts", "status", raw.status)
            or {"0": "Inactive", "1": "Active"}.get(str(raw.status), ""),
            currency=currency_of.get(company_id, ""),
            start_date=start,
            end_date=calendar_date(raw.end_date, "endDate"),
            cancelled=False,
            recurring=True,
            active=None if raw.status is None else str(raw.status) != "0",
            cycle=CYCLES[months] if months else None,
            cycle_label=self._label("Contracts", "contractPeriodType", raw.contract_period_type),
            amount=Decimal(0),  # all money is in the lines
            renews_id=renews_id,
            incomplete=any(raw.id in part.incomplete for part in found.values()),
            withheld=any(raw.id in part.withheld for part in found.values()),
            changed_at=instant(raw.last_modified_date_time),
            lines=tuple(lines),
        )

    def _period(self, raw: WireContract) -> int | None:
        """Months of the contract's billing period: the tenant's own label first, then the value."""
        value = raw.contract_period_type
        if value is None:
            return None
        label = self._label("Contracts", "contractPeriodType", value)
        return PERIODS.get(re.sub(r"[^a-z]", "", label.casefold())) or PERIODS.get(
            str(value).strip().casefold()
        )

    def _lines(
        self,
        contract: WireContract,
        family: LineFamily,
        found: FoundLines,
        months: int | None,
        contract_start: date | None,
    ) -> Iterator[PsaAgreementLine]:
        """One line for each contract service or bundle, with its unit rows as a history.

        Unit rows without a line of theirs are money too: they make a line of their own.
        """
        lines = {str(line.id): line for line in found.lines.get(contract.id, ())}
        rows_of: dict[str, list[WireUnits]] = defaultdict(list)
        for row in found.units.get(contract.id, ()):
            owner = row.contract_service_id or row.contract_service_bundle_id
            catalogue_id = row.service_id or row.service_bundle_id
            rows_of[str(owner) if owner else f"catalogue-{catalogue_id}"].append(row)
        for key in sorted({*lines, *rows_of}, key=lambda key: (len(key), key)):
            line, rows = lines.get(key), rows_of.get(key, [])
            catalogue_id = next(
                (
                    id_
                    for item in (line, *rows)
                    if item is not None
                    for id_ in (item.service_id, item.service_bundle_id)
                    if id_ is not None
                ),
                None,
            )
            product = self._catalogue(family.catalogue).get(catalogue_id or 0, "")
            text = clean(line.invoice_description or line.internal_description) if line else ""
            units, cycle = history(rows, months, contract_start)
            yield PsaAgreementLine(
                external_id=f"{family.kind}-{key}",
                kind=family.kind,
                description=(text or product)[:255],
                product=(product or ("" if catalogue_id is None else str(catalogue_id)))[:255],
                cycle=cycle,
                units=units,
            )

    # Paging

    def _pages(
        self,
        entity: str,
        right: Right | None,
        kind: type[Any],
        build: Callable[[Any], Any],
        *,
        conditions: Sequence[Condition] = (),
        fields: Sequence[str] = (),
        cursor: str | None = None,
        counted: bool = True,
    ) -> Iterator[PsaPage[Any]]:
        total = None
        if counted and not cursor and not conditions:
            total = self._count(entity, right)
        for rows, following in self._raw_pages(entity, right, conditions, fields, cursor):
            records, rejected = read_records(rows, kind, build)
            yield PsaPage(tuple(records), tuple(rejected), following, total)

    def _raw_pages(
        self,
        entity: str,
        right: Right | None,
        conditions: Sequence[Condition] = (),
        fields: Sequence[str] = (),
        cursor: str | None = None,
    ) -> Iterator[tuple[list[msgspec.Raw], str | None]]:
        """Page by `id > last`, which Autotask itself recommends: shifting rows lose nobody, and no
        address from an answer is followed (a page link begun with POST even refuses GET, 405).
        """
        last = int(cursor) if cursor else None
        while True:
            place = (
                {"op": "gte", "field": "id", "value": 0}
                if last is None
                else {"op": "gt", "field": "id", "value": last}
            )
            body: dict[str, Any] = {"filter": [place, *conditions], "MaxRecords": PAGE_SIZE}
            if fields:
                body["IncludeFields"] = list(fields)
            answer = self._ask_page(entity, body, right)
            rows = answer.items or []
            highest = max((id_ for row in rows if (id_ := id_of(row)) is not None), default=None)
            details = answer.page_details or PageDetails()
            is_full = len(rows) >= (details.request_count or PAGE_SIZE)
            has_more = rows and (is_full or bool(details.next_page_url))
            moves = highest is not None and (last is None or highest > last)
            last = highest if has_more and moves else None
            yield rows, None if last is None else str(last)
            if last is None:
                return

    def _count(self, entity: str, right: Right | None) -> int | None:
        class Count(msgspec.Struct, rename="camel"):
            query_count: int

        def read(response: PsaResponse) -> int:
            self._refuse(response, right)
            return decode(response, Count, NAME).query_count

        body = {"filter": [{"op": "gte", "field": "id", "value": 0}]}
        try:
            return self._ask("POST", f"{entity}/query/count", read, entity, body)
        except PsaBadResponse:
            return None  # a nicety for the progress bar

    # Asking

    def _ask_page(self, entity: str, body: Mapping[str, Any], right: Right | None) -> Answer:
        def read(response: PsaResponse) -> Answer:
            self._refuse(response, right)
            return decode(response, Answer, NAME)

        return self._ask("POST", f"{entity}/query", read, entity, body)

    def _ask(
        self,
        method: str,
        path: str,
        read: Callable[[PsaResponse], AnswerT],
        endpoint: str,
        body: Mapping[str, Any] | None = None,
    ) -> AnswerT:
        """Ask, and once more in another zone: Autotask moves tenants between them.

        A 401 is never asked again in the same zone, for repeated bad keys lock the API user.
        """
        self._mind_the_budget()
        for is_last in (False, True):
            zone = self._memory.get("zone") or self._find_zone()
            try:
                answer = self._http.ask(
                    method,
                    f"{zone}/{path}",
                    read=read,
                    headers=self._headers,
                    json=body,
                    endpoint=endpoint,
                )
            except ZoneMovedError as error:
                if is_last or self._find_zone() == zone:
                    raise error.meant from None
            except PsaRefused as error:
                is_redirect = error.code == "not_a_psa_server"
                if not is_redirect or is_last or self._find_zone() == zone:
                    raise
            else:
                with self._lock:
                    self._answered += 1
                return answer
        raise AssertionError("the second time either returns or raises")

    def _mind_the_budget(self) -> None:
        """Look now and then at the requests of the last hour, all programs' together."""
        with self._lock:
            if self._answered < self._look_after:
                return
            self._look_after = self._answered + BUDGET_EVERY

        def read(response: PsaResponse) -> Threshold:
            self._refuse(response, None)
            return decode(response, Threshold, NAME)

        zone = self._memory.get("zone") or self._find_zone()
        try:
            found = self._http.ask(
                "GET", f"{zone}/ThresholdInformation", read=read, headers=self._headers
            )
        except (PsaRefused, PsaBadResponse, ZoneMovedError):
            return  # then the refusal itself tells us
        allowed, used = found.external_request_threshold, found.current_timeframe_request_count
        if allowed and used is not None and used >= allowed * BUDGET_SHARE:
            with self._lock:
                self._look_after = self._answered  # look again before the next request
            raise PsaRateLimited(
                f"Autotask allows {allowed:,} requests an hour for all programs together, and "
                f"{used:,} were made.",
                "Nothing to do: the work goes on by itself when the hour has passed.",
                retry_after=BUDGET_WAIT_SECONDS,
            )

    def _find_zone(self) -> str:
        """Find where this API user's tenant lives; needs no keys."""
        address = self._override or ZONE_INFORMATION
        zone = self._http.ask("GET", address, read=self._zone, params={"user": self._username})
        url, web = zone.url or "", clean(zone.web_url).rstrip("/")
        if not self._is_zone(url):
            raise PsaBadResponse(
                "Autotask named a zone that is not Autotask's.", "Report it to us."
            )
        self._memory["zone"] = f"{url.rstrip('/')}/V1.0"
        self._memory["web"] = web if web.startswith(("https://", "http://")) else ""
        return self._memory["zone"]

    def _is_zone(self, url: str) -> bool:
        """The keys go to this address: it must be Autotask's own, or the one we were told."""
        parts = urlsplit(url)
        if self._override:
            return parts.hostname == urlsplit(self._override).hostname
        return parts.scheme == "https" and (parts.hostname or "").endswith(ZONE_HOSTS)

    def _zone(self, response: PsaResponse) -> ZoneInformation:
        """An unknown user is told by a 500 whose text names the zone."""
        text = error_text(response)
        if response.status == 200 and not response.is_html:
            return decode(response, ZoneInformation, NAME)
        if is_thread_limit(text):
            raise PsaRateLimited(f"{NAME} says: too many requests.")
        if response.status in {401, 404} or "zone information" in text:
            raise PsaRefused(
                "invalid_credentials",
                "Autotask knows no API user with this Username (Key).",
                "Copy the Username (Key) again from Admin > Resources (Users) > the API user > "
                "Credentials.",
            )
        if response.status >= 500:
            raise unavailable(response)
        raise PsaRefused(
            "not_a_psa_server",
            "The server that tells Autotask's zones answers, but not as Autotask does.",
            "Try again; if it happens again, report it to us.",
        )

    def _refuse(self, response: PsaResponse, right: Right | None) -> None:
        """Turn every answer but a good one into its error. A 500 is often the asker's mistake."""
        status = response.status
        if status == 200 and not (response.content.lstrip()[:12].startswith(b'{"errors"')):
            return
        text = error_text(response)
        if is_thread_limit(text):
            raise PsaRateLimited(
                f"{NAME} says: too many requests at once.",
                "Nothing to do: the work goes on by itself after the wait.",
            )
        if "integrationcode" in text.replace(" ", ""):
            raise PsaRefused(
                "invalid_credentials",
                "Autotask does not accept this tracking identifier.",
                "Copy the identifier from Admin > Resources (Users) > the API user > API Tracking "
                "Identifier; it belongs to that user.",
            )
        if status == 403 or "permission" in text:
            raise permission_denied(right)
        if status == 401 or "zone information" in text:
            raise ZoneMovedError(invalid_credentials())
        if status == 404:
            raise ZoneMovedError(refused_question(status))
        if status >= 500 and not is_our_mistake(text):
            raise unavailable(response)
        raise refused_question(status)


Condition = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """A query for lines or unit rows."""

    entity: str
    kind: type[Any]
    conditions: list[Condition]


@dataclass(slots=True)
class Rows:
    """What a query gave. `is_part`: something is missing, and nobody knows of which contract."""

    rows: list[Any] = field(default_factory=list)
    rejected: list[RejectedRecord] = field(default_factory=list)
    incomplete: set[int] = field(default_factory=set)
    is_part: bool = False
    refused: PsaRefused | None = None


@dataclass(slots=True)
class FoundLines:
    """Lines and unit rows by contract, and the contracts of which some could not be read, or were
    `withheld` for want of a right.
    """

    lines: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    units: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    incomplete: set[int] = field(default_factory=set)
    withheld: set[int] = field(default_factory=set)
    refused: PsaRefused | None = None


# Filters


def recurring() -> Condition:
    return {"op": "eq", "field": "contractType", "value": RECURRING_SERVICE}


def one_of(field_name: str, ids: Iterable[str]) -> Condition:
    return {"op": "in", "field": field_name, "value": [int(id_) for id_ in ids]}


def changed(field_name: str, since: datetime | None) -> list[Condition]:
    if since is None:
        return []
    moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    stamps = (field_name, "createDate")  # what was never modified may carry the second alone
    return [
        {
            "op": "or",
            "items": [{"op": "gte", "field": name, "value": moment} for name in stamps],
        }
    ]


def batches(ids: Iterable[str]) -> Iterator[list[str]]:
    """Cut ids into what one query bears; what is no Autotask id (a number) is left out."""
    numbers = [external_id for external_id in ids if external_id.isdecimal()]
    for start in range(0, len(numbers), IDS_PER_QUESTION):
        yield numbers[start : start + IDS_PER_QUESTION]


# Small readings


def is_on(value: Flag, *, default: bool = False) -> bool:
    """A flag that is a boolean here, 0 or 1 there, and a text in some clients' captures."""
    if value is None:
        return default
    if isinstance(value, str):
        return value.strip().casefold() in {"1", "true"}
    return bool(value)


def contact(raw: WireContact) -> PsaContact:
    number = clean(raw.phone)
    extension = clean(raw.extension)
    phones = (
        f"{number} x{extension}" if number and extension else number,
        clean(raw.mobile_phone),
        clean(raw.alternate_phone),
    )
    emails = map(clean, (raw.email_address, raw.email_address2, raw.email_address3))
    return PsaContact(
        external_id=str(raw.id),
        company_id="" if raw.company_id is None else str(raw.company_id),
        first_name=name_of(raw.first_name, "firstName"),
        last_name=name_of(raw.last_name, "lastName"),
        email=next(filter(None, emails), "")[:254],
        phone=next(filter(None, phones), "")[:100],
        is_active=is_on(raw.is_active, default=True),
        is_default=is_on(raw.primary_contact),
        changed_at=instant(raw.last_modified_date) or instant(raw.create_date),
    )


def id_of(row: msgspec.Raw) -> int | None:
    return number_in(row, "id")


def contract_of(row: msgspec.Raw) -> int | None:
    return number_in(row, "contractID")


def number_in(row: msgspec.Raw, name: str) -> int | None:
    """A whole number of a record that may be wrong in any other way."""
    try:
        value = msgspec.json.decode(row, type=dict[str, msgspec.Raw]).get(name)
        return None if value is None else msgspec.json.decode(value, type=int | None)
    except msgspec.DecodeError:
        return None


def history_begins() -> date:
    """Fixed for a year at a time, so that an unchanged contract reads the same every day."""
    return date(datetime.now(UTC).year - HISTORY_YEARS, 1, 1)


def may_have_history(raw: WireContract, since: date) -> bool:
    """Whether unit rows of the contract can lie in the time we read."""
    try:
        end = calendar_date(raw.end_date, "endDate")
    except RecordUnusableError:
        return True
    return end is None or end >= since


def renewals(contracts: Sequence[WireContract]) -> dict[int, str]:
    """Which contract each one renews.

    `renewedContractID` says which two belong together; which of them renews the other is told by
    their start dates, for the direction is not documented.
    """
    by_id = {raw.id: raw for raw in contracts}
    found: dict[int, WireContract] = {}
    for raw in contracts:
        other = by_id.get(raw.renewed_contract_id or 0)
        if other is None or other.id == raw.id or other.company_id != raw.company_id:
            continue
        earlier, later = sorted((raw, other), key=began)
        known = found.get(later.id)
        if known is None or began(known) < began(earlier):
            found[later.id] = earlier
    return {later: str(earlier.id) for later, earlier in found.items()}


def began(raw: WireContract) -> tuple[str, int]:
    return clean(raw.start_date)[:10], raw.id


# Unit history: from extended prices of periods to what a full period brings


@dataclass(slots=True)
class UnitRow:
    """A unit row as calendar days. `full` = how many months it covers wholly, None = a stub."""

    start: date
    end: date
    units: Decimal | None
    price: Decimal | None
    full: int | None = None


def history(
    raw_rows: Sequence[WireUnits], months: int | None, contract_start: date | None
) -> tuple[tuple[PsaUnits, ...], Cycle]:
    """A line's unit rows as amounts of a full period, and the line's own cycle.

    The cycle is the contract's (None) when its period is known. Otherwise it is the length of the
    line's own full rows, or monthly where these differ.
    """
    rows = [row for raw in sorted(raw_rows, key=lambda raw: raw.id) if (row := unit_row(raw))]
    rows.sort(key=lambda row: row.start)
    for row in rows:
        row.full = full_months(row, months, contract_start)
    if months is not None:
        amounts = [full_amount(rows, at, months, contract_start) for at in range(len(rows))]
        return merged(rows, amounts), None
    lengths = {row.full for row in rows if row.full}
    if len(lengths) == 1:
        (length,) = lengths
        for row in rows:
            row.full = row.full if row.full == length else None
        amounts = [full_amount(rows, at, length, contract_start) for at in range(len(rows))]
        return merged(rows, amounts), CYCLES[length]
    return merged(rows, [monthly_amount(rows, at) for at in range(len(rows))]), "monthly"


def with_dates(raw: WireUnits) -> WireUnits:
    """A unit row as it came, if its dates can be read."""
    for text, name in ((raw.start_date, "startDate"), (raw.end_date, "endDate")):
        if calendar_date(text, name) is None:
            raise RecordUnusableError("invalid_record", f"`{name}` is missing.", can_mend=True)
    return raw


def unit_row(raw: WireUnits) -> UnitRow | None:
    """None for a row that ends before it starts."""
    start = calendar_date(raw.start_date, "startDate")
    end = calendar_date(raw.end_date, "endDate")
    return UnitRow(start, end, raw.units, raw.price) if start and end and end >= start else None


def full_months(row: UnitRow, months: int | None, contract_start: date | None) -> int | None:
    """How many whole months the row covers: a full period, or None for a part of one.

    The last day may be written as the day before the next period or as its first day. Periods step
    from the contract's start, so that one begun on a 31st may run from 28 February to 30 March.
    """
    nexts = {row.end, day_after(row.end)}
    for length in (months,) if months else sorted(CYCLES):
        if contract_start:
            begin, following = period_around(row.start, length, contract_start)
            if row.start == begin and following in nexts:
                return length
        following = add_months(row.start, length)
        # from 31 August six months lead to 28 February: that alone makes no full period
        if following in nexts and (contract_start is None or following.day == row.start.day):
            return length
    return None


def period_around(day: date, months: int, contract_start: date) -> tuple[date, date]:
    """The contract's billing period that holds a day: its first day, and the next one's."""
    apart = (day.year - contract_start.year) * 12 + day.month - contract_start.month
    number = apart // months
    while add_months(contract_start, number * months) > day:
        number -= 1
    while add_months(contract_start, (number + 1) * months) <= day:
        number += 1
    begin = add_months(contract_start, number * months)
    return begin, add_months(contract_start, (number + 1) * months)


def full_amount(
    rows: Sequence[UnitRow], at: int, months: int, contract_start: date | None
) -> Decimal | None:
    """What the row's units bring in a full period.

    A stub's price is prorated by a rule that is not documented, so it is the last thing asked: a
    full row with the same units, later or else earlier, tells better.
    """
    row = rows[at]
    if row.price is None:
        return None
    if row.full or (not row.price and not row.units):
        return row.price
    for later in rows[at + 1 :]:
        if later.full and later.units == row.units and later.price is not None:
            return later.price
    for earlier in reversed(rows[:at]):
        if earlier.full and earlier.price is not None and earlier.units and row.units is not None:
            return rounded(Fraction(earlier.price) * Fraction(row.units) / Fraction(earlier.units))
    begin, following = (
        period_around(row.start, months, contract_start)
        if contract_start
        else (row.start, add_months(row.start, months))
    )
    days = (row.end - row.start).days + 1
    return rounded(Fraction(row.price) * (following - begin).days / days)


def monthly_amount(rows: Sequence[UnitRow], at: int) -> Decimal | None:
    """What the row's units bring in a month, where rows cover different lengths."""
    row = rows[at]
    if row.price is None or (not row.price and not row.units):
        return row.price
    for other in (row, *rows[at + 1 :]):
        if other.full and other.price is not None and other.units == row.units:
            return rounded(Fraction(other.price) / other.full)
    for earlier in reversed(rows[:at]):
        if earlier.full and earlier.price is not None and earlier.units and row.units is not None:
            whole = Fraction(earlier.price) / earlier.full
            return rounded(whole * Fraction(row.units) / Fraction(earlier.units))
    return None


def rounded(amount: Fraction) -> Decimal:
    """Half up to ten places, as the MRR definition asks of whoever must divide."""
    scaled = int(abs(amount) * 10**PLACES + Fraction(1, 2))
    return Decimal(-scaled if amount < 0 else scaled).scaleb(-PLACES)


def merged(rows: Sequence[UnitRow], amounts: Sequence[Decimal | None]) -> tuple[PsaUnits, ...]:
    """The history with neighbours of one amount joined: a row a period for years is one row."""
    joined: list[PsaUnits] = []
    for row, amount in zip(rows, amounts, strict=True):
        last = joined[-1] if joined else None
        if (
            last is not None
            and last.end_date is not None
            and last.amount == amount
            and last.units == row.units
            and row.start <= day_after(last.end_date)
        ):
            joined[-1] = replace(last, end_date=row.end)
        else:
            joined.append(PsaUnits(row.start, row.end, units=row.units, amount=amount))
    return tuple(joined)


# Errors


def error_text(response: PsaResponse) -> str:
    """All words of an error body, lower case: `errors` (texts or objects), `Message`, or plain."""
    plain = response.content[:2000].decode(errors="replace")
    try:
        body = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return plain.casefold()
    words: list[str] = []
    for name, value in body.items() if isinstance(body, dict) else ():
        if name.casefold() in {"errors", "message"}:
            words += [
                str(item.get("message", "")) if isinstance(item, dict) else str(item)
                for item in (value if isinstance(value, list) else [value])
            ]
    return " ".join(words).casefold()


def is_thread_limit(text: str) -> bool:
    """Too many at once: a 429, but other statuses were seen with the same words."""
    return "thread threshold" in text or "itgenatr005" in text


def is_our_mistake(text: str) -> bool:
    return any(
        words in text
        for words in ("unable to find", "invalid query", "maxcountofrecords", "'or' conditions")
    )


def unavailable(response: PsaResponse) -> PsaUnavailable:
    return PsaUnavailable(
        "psa_unavailable",
        f"Autotask had an error of its own (status {response.status}).",
        "Try again in a few minutes; Autotask's status page says whether there is an outage.",
    )


def invalid_credentials() -> PsaRefused:
    return PsaRefused(
        "invalid_credentials",
        "Autotask does not accept this Username (Key) and Password (Secret).",
        "Check both under Admin > Resources (Users) > the API user: it must be Active, not Locked, "
        "and an API User. Generate a new secret if need be.",
    )


def refused_question(status: int) -> PsaBadResponse:
    return PsaBadResponse(
        f"Autotask refused a question of ours (status {status}).", "Report it to us."
    )


def permission_denied(right: Right | None) -> PsaRefused:
    what = {"read_agreements": "recurring service contracts and their units"}.get(
        right or "", (right or "read_this").removeprefix("read_")
    )
    path = MENU_PATHS.get(right or "", "System > all of it: View")
    return PsaRefused(
        "permission_denied",
        f"The API user may not read {what} in Autotask.",
        f"Give the API user the security level API User (system), or open {LEVEL}, edit its own "
        f"level, and allow {path}.",
        right=right or "",
    )
