"""A stand-in for ConnectWise Manage's REST API: its paging, conditions, errors and oddities."""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, date, datetime
from itertools import islice
from typing import Any, ClassVar, Final
from urllib.parse import urlencode

from werkzeug.wrappers import Request, Response

from integrations.sandbox.connectwise_callbacks import SIGNING_KEY, Callbacks
from integrations.sandbox.connectwise_data import (
    ADDITIONS_PER_AGREEMENT,
    BILLING_CYCLES,
    COMMUNICATION_TYPES,
    COMPANY_TYPES,
    STATUSES,
    Record,
    build,
    reference,
    stamp,
)
from integrations.sandbox.connectwise_query import ConditionError, parse
from integrations.sandbox.connectwise_truth import truth
from integrations.sandbox.faults import ODD_EMAIL, ODD_PHONE, Fault, FaultBox
from integrations.sandbox.server import SandboxPsa, absolute, json_response

COMPANY_ID: Final = "audit-demo"
CODEBASE: Final = "v2025_1"
NEXT_CODEBASE: Final = "v2026_1"
DEFAULT_PAGE_SIZE: Final = 25
LARGEST_PAGE: Final = 1000
#: Of a billing cycle that no table lists.
UNKNOWN_CYCLE: Final = 9999
#: public key → (private key, what its role may not see, what looks empty to it)
KEYS: Final[dict[str, tuple[str, frozenset[str], frozenset[str]]]] = {
    "demo": ("demo-private", frozenset(), frozenset()),
    "no-companies": ("demo-private", frozenset({"companies"}), frozenset()),
    "no-contacts": ("demo-private", frozenset({"contacts"}), frozenset()),
    "no-agreements": ("demo-private", frozenset({"agreements", "additions"}), frozenset()),
    "no-additions": ("demo-private", frozenset({"additions"}), frozenset()),
    "no-tables": ("demo-private", frozenset({"tables"}), frozenset()),
    "empty-contacts": ("demo-private", frozenset(), frozenset({"contacts"})),
    "empty-all": (
        "demo-private",
        frozenset(),
        frozenset({"companies", "contacts", "agreements", "additions"}),
    ),
}
#: Members that conditions may name, by list. Children (`types`, `communicationItems`) may not.
KNOWN: Final[dict[str, frozenset[str]]] = {
    "companies": frozenset(
        [
            "id",
            "identifier",
            "name",
            "status",
            "city",
            "website",
            "phonenumber",
            "deletedflag",
            "datedeleted",
            "_info",
            "defaultcontact",
        ]
    ),
    "contacts": frozenset(
        ["id", "firstname", "lastname", "company", "inactiveflag", "defaultflag", "_info"]
    ),
    "agreements": frozenset(
        [
            "id",
            "name",
            "type",
            "company",
            "startdate",
            "enddate",
            "noendingdateflag",
            "cancelledflag",
            "datecancelled",
            "agreementstatus",
            "billamount",
            "billingcycle",
            "billonetimeflag",
            "parentagreement",
            "_info",
        ]
    ),
    "additions": frozenset(
        [
            "id",
            "agreementid",
            "product",
            "quantity",
            "unitprice",
            "billcustomer",
            "effectivedate",
            "cancelleddate",
            "_info",
        ]
    ),
    "tables": frozenset(["id", "name", "description", "identifier", "billingoptions", "_info"]),
}
#: Members of array members, for `childConditions` and `customFieldConditions`.
CHILDREN: Final = frozenset(
    ["id", "name", "value", "type", "communicationtype", "defaultflag", "caption"]
)
#: Members that a server of the old kind sends as null where it has nothing.
NULLS: Final[dict[str, tuple[str, ...]]] = {
    "companies": ("defaultContact", "dateDeleted", "territory"),
    "contacts": ("lastName", "communicationItems", "defaultPhoneNbr"),
    "agreements": ("endDate", "billingCycle", "billAmount", "dateCancelled", "parentAgreement"),
    "additions": ("billedQuantity", "cancelledDate"),
    "tables": (),
}
AGREEMENT_STATUSES: Final = {"active", "cancelled", "expired", "inactive"}
PATHS: Final = (
    ("companies", re.compile(r"/company/companies(?:/(?P<id>\d+))?(?P<count>/count)?")),
    ("contacts", re.compile(r"/company/contacts(?:/(?P<id>\d+))?(?P<count>/count)?")),
    ("agreements", re.compile(r"/finance/agreements(?:/(?P<id>\d+))?(?P<count>/count)?")),
    (
        "additions",
        re.compile(
            r"/finance/agreements/(?P<parent>\d+)/additions(?:/(?P<id>\d+))?(?P<count>/count)?"
        ),
    ),
    ("statuses", re.compile(r"/company/companies/statuses(?P<count>/count)?")),
    ("types", re.compile(r"/company/companies/types(?P<count>/count)?")),
    ("communicationTypes", re.compile(r"/company/communicationTypes(?P<count>/count)?")),
    ("billingCycles", re.compile(r"/finance/billingCycles(?P<info>/info)?(?P<count>/count)?")),
)
TABLES: Final[dict[str, list[Record]]] = {
    "statuses": [
        {"id": id_, "name": name, "defaultFlag": id_ == 1, "inactiveFlag": False}
        for id_, name in STATUSES
    ],
    "types": [
        {"id": id_, "name": name, "vendorFlag": name == "Vendor"} for id_, name in COMPANY_TYPES
    ],
    "communicationTypes": [
        {
            "id": id_,
            "description": name,
            "phoneFlag": kind == "phone",
            "faxFlag": kind == "fax",
            "emailFlag": kind == "email",
        }
        for id_, name, kind in COMMUNICATION_TYPES
    ],
    "billingCycles": [
        {"id": id_, "identifier": name[:5], "name": name, "billingOptions": option}
        for id_, name, option in BILLING_CYCLES
    ],
}


class ConnectWiseSandbox:
    key: ClassVar[str] = "connectwise"
    prefix: ClassVar[str] = ""

    def __init__(self, *, seed: int, companies: int, today: date, faults: FaultBox) -> None:
        self.data = build(seed=seed, companies=companies, today=today)
        self.faults = faults
        self.callbacks = Callbacks()
        self._codebase = CODEBASE
        self._lock = threading.RLock()

    def forget_calls(self) -> None:
        """No limit of it counts calls."""

    def credentials(self, base_url: str) -> dict[str, str]:
        return {
            "server_url": base_url,
            "company_id": COMPANY_ID,
            "public_key": "demo",
            "private_key": KEYS["demo"][0],
        }

    @classmethod
    def settings(cls, base_url: str) -> dict[str, str]:
        return {"CONNECTWISE_CLIENT_ID": "5a1d0b0e-0000-4000-8000-00000000a0d1"}

    def truth(self, as_of: date) -> dict[str, Any]:
        with self._lock:
            return truth(self.data, as_of)

    def rate_limited(self, retry_after: str | None) -> Response:
        body = {
            "error": "ConnectWiseAPI",  # here the key is `error`, not `code`
            "message": "Too many requests. Please try again in 30 seconds.",
        }
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return json_response(body, 429, headers)

    def visit(self, request: Request) -> AbstractContextManager[None]:
        return nullcontext()

    def respond(self, request: Request) -> Response:
        with self._lock:
            return self._respond(request)

    def _respond(self, request: Request) -> Response:
        path = request.path
        if match := re.fullmatch(r"/login/companyinfo/(?P<company>[^/]+)/?", path):
            return self._company_info(request, match["company"])
        if path == "/signing-key":
            return json_response({"signing_key": SIGNING_KEY})
        if self.faults.hit("new_release", path):
            self._codebase = NEXT_CODEBASE
        for prefix in (f"/{self._codebase}/apis/3.0", "/v4_6_release/apis/3.0"):
            if path.startswith(f"{prefix}/"):
                if self._codebase == NEXT_CODEBASE and not prefix.startswith(f"/{self._codebase}"):
                    break
                return self._api(request, path.removeprefix(prefix).rstrip("/"))
        return Response("Cannot route. Codebase/company is invalid", 400, mimetype="text/plain")

    def _company_info(self, request: Request, company_id: str) -> Response:
        if company_id != COMPANY_ID:
            return json_response(None)
        host = absolute(request).partition("://")[2]
        return json_response(
            {
                "CompanyName": "Demo MSP",
                "Codebase": f"{self._codebase}/",
                "VersionCode": self._codebase.replace("_", "."),
                "VersionNumber": "v4.6.98765",
                "CompanyID": COMPANY_ID,
                "IsCloud": True,
                "SiteUrl": host,
            }
        )

    # Keys and rights

    def _api(self, request: Request, path: str) -> Response:
        refused = self._refuse_keys(request)
        if refused is not None:
            return refused
        if path == "/system/info":
            return json_response({"version": "v2025.1.10333", "isCloud": True, "cloudRegion": "NA"})
        if match := re.fullmatch(r"/system/callbacks(?:/(?P<id>\d+))?", path):
            return self._callbacks(request, match["id"])
        for kind, pattern in PATHS:
            if match := pattern.fullmatch(path):
                return self._list(request, kind, match.groupdict())
        return error("ConnectWiseApi", "The endpoint does not exist.", 404)

    def _refuse_keys(self, request: Request) -> Response | None:
        path = request.path
        if "version=" in request.headers.get("Accept", ""):
            old = self.faults.hit("old_release", path)
            if old:
                return Response("", int(old.options.get("status", 400)))
        if fault := self.faults.hit("client_id", path):
            status = int(fault.options.get("form", 400))
            return error("InvalidClientId", "clientId is missing or unknown.", status)
        if not request.headers.get("clientId"):
            return error("InvalidClientId", "A valid clientId is required.", 403)
        fault = self.faults.hit("bad_keys", path)
        public, private = keys_of(request)
        if fault is None and public in KEYS and KEYS[public][0] == private:
            return None
        match str(fault.options.get("form", "401")) if fault else "401":
            case "404":
                return Response("", 404)
            case "401_other":
                return error("Unauthorized", "The credentials are not valid.", 401)
        return error("ConnectWiseApi", "UserNotAuthenticated", 401)

    def _callbacks(self, request: Request, id_: str | None) -> Response:
        """Registration of webhooks: list and create, read and delete one."""
        registered = self.callbacks.registered
        match request.method, id_:
            case "GET", None:
                return json_response(list(registered.values()))
            case "POST", None:
                return json_response(self.callbacks.register(request.get_json(force=True)), 201)
            case "GET", str() if int(id_) in registered:
                return json_response(registered[int(id_)])
            case "DELETE", str() if int(id_) in registered:
                del registered[int(id_)]
                return Response("", 204)
        return error("NotFound", "Callback not found", 404)

    # Lists

    def _list(self, request: Request, kind: str, found: dict[str, Any]) -> Response:
        _, forbidden, empty = KEYS.get(keys_of(request)[0], KEYS["demo"])
        family = "tables" if kind in TABLES else kind
        if family in forbidden or self.faults.hit("refused_right", request.path):
            return error(
                "Security", "You do not have security permission to perform this action.", 403
            )
        refused = self.faults.ids("refused_records", request.path)
        if {int(found.get("id") or 0), int(found.get("parent") or 0)} & refused:
            return error("Security", "You do not have security permission.", 403)
        if found.get("id"):
            return self._one(kind, family, int(found["id"]), found)
        blank = family in empty or self.faults.hit("empty_answer", request.path) is not None
        try:
            rows = [] if blank else list(self._rows(request, kind, found))
            rows = [row for row in rows if row["id"] not in refused]
        except ConditionError as problem:
            return error("ApiFindCondition", str(problem), 400)
        if found.get("count"):
            return json_response({"count": len(rows)})
        return self._page(request, family, rows)

    def _one(self, kind: str, family: str, id_: int, found: dict[str, Any]) -> Response:
        record = self._all(kind, found).get(id_)
        if record is None:
            return error("NotFound", f"{family} {id_} not found", 404)
        return json_response(self._dressed(family, record, "", ""))

    def _all(self, kind: str, found: dict[str, Any]) -> dict[int, Record]:
        if kind in TABLES:
            return {
                row["id"]: {**row, "_info": {"lastUpdated": stamp(row["id"])}}
                for row in TABLES[kind]
            }
        if kind == "additions":
            return self.data.additions.get(int(found["parent"]), {})
        records: dict[int, Record] = getattr(self.data, kind)
        return records

    def _rows(self, request: Request, kind: str, found: dict[str, Any]) -> Iterable[Record]:
        """The records that the conditions let through, in the order of ids."""
        conditions = request.args.get("conditions", "").strip()
        family = "tables" if kind in TABLES else kind
        records = self._all(kind, found)
        chosen: Iterable[Record] = records.values()
        if direct := re.fullmatch(r"(?:company/)?id in \(([\d, ]+)\)", conditions, re.IGNORECASE):
            chosen = self._direct(kind, conditions, direct[1], records)
        elif conditions:
            if re.search(r"agreementStatus\s*=\s*[\"'](\w+)", conditions):
                status = re.search(r"agreementStatus\s*=\s*[\"'](\w+)", conditions)
                if status and status[1].lower() not in AGREEMENT_STATUSES:
                    raise ConditionError("Enum value supplied was invalid")
            chosen = filter(parse(conditions, KNOWN[family]), chosen)
        children = request.args.get("childConditions") or request.args.get("childconditions")
        if children:
            chosen = filter(child_test(children), chosen)
        if custom := request.args.get("customFieldConditions"):
            chosen = filter(child_test(f"customFields/{custom}"), chosen)
        order = request.args.get("orderBy", "").strip().lower()
        if order and order not in {"id", "id asc"}:
            name, _, direction = order.partition(" ")
            chosen = sorted(
                chosen,
                key=lambda row: str(next((v for k, v in row.items() if k.lower() == name), "")),
                reverse=direction == "desc",
            )
        return chosen

    def _direct(
        self, kind: str, conditions: str, ids: str, records: dict[int, Record]
    ) -> Iterable[Record]:
        """The commonest filters by index, so that a large sandbox stays quick."""
        wanted = [int(part) for part in ids.split(",") if part.strip()]
        if conditions.lower().startswith("id"):
            return [records[id_] for id_ in sorted(wanted) if id_ in records]
        index = {"contacts": self.data.contacts_of, "agreements": self.data.agreements_of}.get(kind)
        if index is None:
            return filter(parse(conditions, KNOWN[kind]), records.values())
        found = sorted(id_ for company in wanted for id_ in index.get(company, ()))
        return [records[id_] for id_ in found]

    def _page(self, request: Request, family: str, rows: list[Record]) -> Response:
        size = min(int(request.args.get("pageSize") or DEFAULT_PAGE_SIZE), LARGEST_PAGE)
        small = self.faults.hit("small_pages", request.path)
        size = min(size, int(small.options.get("most", 30))) if small else size
        size = size if size > 0 else DEFAULT_PAGE_SIZE
        forward = request.headers.get("pagination-type", "").lower() == "forward-only"
        forward = forward and not self.faults.hit("no_forward_only", request.path)
        later = request.args.get("pageId") if forward else request.args.get("page", "1") != "1"
        if later and self.faults.hit("shift_page", request.path):
            self._lose_first(family)
            rows = rows[1:]
        if forward:
            last = int(request.args.get("pageId") or 0)
            chosen = list(islice((row for row in rows if row["id"] > last), size))
            links = [("next", {"pageId": chosen[-1]["id"]})] if chosen else []
        else:
            page = max(int(request.args.get("page") or 1), 1)
            chosen = rows[(page - 1) * size : page * size]
            last = max((len(rows) + size - 1) // size, 1)
            links = [("next", {"page": page + 1}), ("last", {"page": last})] if page < last else []
        if later and self.faults.hit("list_ends_early", request.path):
            chosen, links = [], []
        if later and chosen and (again := self.faults.hit("repeated_record", request.path)):
            chosen = [outdated(rows[0], again), *chosen]
        how = self.faults.hit("bad_record", request.path)
        fields = request.args.get("fields", "")
        dressed = [self._dressed(family, row, fields, request.path) for row in chosen]
        if how and dressed:
            spoil(dressed, str(how.options.get("how", "wrong_type")), family)
        if fields != "id":
            self.faults.weigh(dressed, request.path)
        says_more = (links or forward) and not (small and small.options.get("links") is False)
        headers = {"Link": link_header(request, links)} if says_more else {}
        return json_response(dressed, headers=headers)

    def _lose_first(self, family: str) -> None:
        records = self._all(family, {})
        if records:
            self._remove(family, next(iter(records)))

    def _dressed(self, family: str, record: Record, fields: str, path: str) -> Record:
        """A record as it is sent: only the fields asked for; `_info` too only if asked for."""
        dressed = dict(record)
        if family == "contacts" and self.faults.hit("odd_contacts", path):
            dressed = with_odd_contacts(dressed)
        if family == "agreements" and (words := self.faults.hit("odd_words", path)):
            dressed = with_odd_words(dressed, words.options)
        if self.faults.hit("explicit_nulls", path):
            dressed = {**dict.fromkeys(NULLS[family]), **dressed}
        if not fields:
            return dressed
        wanted = {field.strip().split("/")[0].lower() for field in fields.split(",")}
        return {name: value for name, value in dressed.items() if name.lower() in wanted}

    # Changes, for tests and demonstrations

    def change(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """See `SandboxPsa.change`. `touch: false` leaves `lastUpdated` alone, as real ones may."""
        kind, do = str(command["kind"]), str(command["do"])
        with self._lock:
            if do == "merge":
                return self._merge(int(command["id"]), int(command["into"]))
            if do == "delete":
                self._remove(kind, int(command["id"]))
                self.callbacks.announce(kind, "deleted", {"id": int(command["id"])})
                return {}
            records = self._records(kind, command)
            if do == "add":
                id_ = int(command.get("id") or max(records, default=0) + 1)
                records[id_] = {"id": id_, "_info": {}}
                if kind == "agreements":
                    self.data.additions[id_] = {}
            elif do != "change":
                raise ValueError("do must be add, change, delete or merge.")
            else:
                id_ = int(command["id"])
            record = records[id_]
            self._unindex(kind, record)
            for name, value in dict(command.get("values", {})).items():
                if value is None:
                    record.pop(name, None)
                else:
                    record[name] = value
            if command.get("touch", True):
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
                record["_info"] = {**record.get("_info", {}), "lastUpdated": now}
            self._index(kind, record)
            self.callbacks.announce(kind, "added" if do == "add" else "updated", record)
            return record

    def _records(self, kind: str, command: Mapping[str, Any]) -> dict[int, Record]:
        if kind != "additions":
            return self._all(kind, {})
        parent = int(command.get("parent") or int(command["id"]) // ADDITIONS_PER_AGREEMENT)
        return self.data.additions.setdefault(parent, {})

    def _index(self, kind: str, record: Record) -> None:
        index = {"contacts": self.data.contacts_of, "agreements": self.data.agreements_of}.get(kind)
        if index is not None and record.get("company"):
            index[record["company"]["id"]].add(record["id"])

    def _unindex(self, kind: str, record: Record) -> None:
        index = {"contacts": self.data.contacts_of, "agreements": self.data.agreements_of}.get(kind)
        if index is not None and record.get("company"):
            index[record["company"]["id"]].discard(record["id"])

    def _remove(self, kind: str, id_: int) -> None:
        if kind == "additions":
            del self.data.additions[id_ // ADDITIONS_PER_AGREEMENT][id_]
            return
        record = self._all(kind, {}).pop(id_)
        self._unindex(kind, record)

    def _merge(self, id_: int, into: int) -> dict[str, Any]:
        """A merge moves what hangs on a company and takes its id away, without a trace."""
        target = self.data.companies[into]
        ref = {**reference(into, target["name"]), "identifier": target["identifier"]}
        for kind, index in (
            ("contacts", self.data.contacts_of),
            ("agreements", self.data.agreements_of),
        ):
            for moved in index.pop(id_, set()):
                self._all(kind, {})[moved]["company"] = ref
                index[into].add(moved)
        del self.data.companies[id_]
        return target


def keys_of(request: Request) -> tuple[str, str]:
    """Public and private key of the Basic header, if its company is ours."""
    kind, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() != "basic":
        return "", ""
    try:
        user, _, private = base64.b64decode(encoded).decode().partition(":")
    except ValueError:
        return "", ""
    company, _, public = user.partition("+")
    return (public, private) if company == COMPANY_ID else ("", "")


def error(code: str, message: str, status: int) -> Response:
    return json_response({"code": code, "message": message, "errors": None}, status)


def link_header(request: Request, links: list[tuple[str, dict[str, int]]]) -> str:
    address = absolute(request) + request.path
    written = []
    for relation, place in links:
        query = {k: v for k, v in request.args.items() if k not in {"page", "pageId"}}
        written.append(f'<{address}?{urlencode({**query, **place}, safe="(),")}>; rel="{relation}"')
    return ", ".join(written)


def child_test(conditions: str) -> Any:
    """`childConditions`: a record passes when one member of the named array does."""
    match = re.fullmatch(r"\s*(\w+)/(.+)", conditions)
    if match is None:
        raise ConditionError("childConditions name an array and a member of it.")
    array, rest = match[1], match[2]
    test = parse(rest, CHILDREN)
    return lambda record: any(test(child) for child in record.get(array) or [])


def outdated(record: Record, fault: Fault) -> Record:
    """A record as it was before, by its stamp too unless the fault says otherwise."""
    info = dict(record.get("_info", {}))
    if fault.options.get("older", True):
        info["lastUpdated"] = "2001-01-01T00:00:00Z"
    name = "lastName" if "lastName" in record else "name"
    return {**record, name: "As It Was Before", "_info": info}


def with_odd_contacts(contact: Record) -> Record:
    """Words in the places of addresses and numbers."""
    odd = {"Email": ODD_EMAIL, "Phone": ODD_PHONE}
    items = [
        {**item, "value": odd.get(item.get("communicationType", ""), ODD_EMAIL)}
        for item in contact.get("communicationItems", [])
    ]
    return {**contact, "communicationItems": items, "defaultPhoneNbr": ODD_PHONE}


def with_odd_words(agreement: Record, words: Mapping[str, Any]) -> Record:
    dressed = dict(agreement)
    if "cycle" in words:
        dressed["billingCycle"] = {"id": UNKNOWN_CYCLE, "name": words["cycle"]}
    if "currency" in words:
        dressed["currency"] = {"id": 99, "name": words["currency"]}
    return dressed


def spoil(rows: list[Record], how: str, family: str) -> None:
    """Make the second record on the page (or the only one) unusable."""
    position = 1 if len(rows) > 1 else 0
    row = dict(rows[position])
    flag = {"companies": "deletedFlag", "contacts": "inactiveFlag", "agreements": "cancelledFlag"}
    match how:
        case "missing_id":
            row.pop("id", None)
        case "too_long":
            row["lastName" if family == "contacts" else "name"] = "x" * 400
        case _:
            row[flag.get(family, "quantity")] = json.loads('{"what": "is this"}')
    rows[position] = row


SANDBOX: type[SandboxPsa] = ConnectWiseSandbox
