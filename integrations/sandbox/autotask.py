"""A stand-in for Autotask's REST API: its zones, filters, paging, limits, errors and oddities."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, ClassVar, Final
from urllib.parse import quote

from werkzeug.wrappers import Request, Response

from integrations.sandbox.autotask_data import (
    BUNDLES,
    COMPANY_TYPES,
    CURRENCIES,
    LOYALTY,
    RECURRING,
    ROWS_PER_LINE,
    SERVICES,
    Record,
    add_line,
    build,
)
from integrations.sandbox.autotask_query import (
    Query,
    QueryError,
    read_search,
)
from integrations.sandbox.autotask_renewals import renew
from integrations.sandbox.autotask_truth import truth
from integrations.sandbox.faults import ODD_EMAIL, ODD_PHONE, Fault, FaultBox
from integrations.sandbox.server import SandboxPsa, absolute

INTEGRATION_CODE: Final = "SANDBOXAUDITINTEGRATIONCODE"
SECRET: Final = "demo-secret"  # noqa: S105  of the sandbox
MOST_URL: Final = 2048
THREADS: Final = 3
HOURLY_BUDGET: Final = 10_000
CONTRACT_ENTITIES: Final = frozenset(
    {
        "Contracts", "ContractServices", "ContractServiceUnits", "ContractServiceBundles",
        "ContractServiceBundleUnits",
    }
)  # fmt: skip
ODD_METHODS: Final = {
    "emailAddress": ODD_EMAIL, "emailAddress2": "noemail", "emailAddress3": None,
    "phone": ODD_PHONE, "mobilePhone": "none", "alternatePhone": "",
}  # fmt: skip
STAMPS: Final = {"companies": "lastTrackedModifiedDateTime", "contacts": "lastModifiedDate"}
UNIT_ENTITIES: Final = frozenset({"ContractServiceUnits", "ContractServiceBundleUnits"})


@dataclass(frozen=True, slots=True)
class Level:
    """What a security level hides: refused entities (by 500 or 403) and seemingly empty ones."""

    refused: frozenset[str] = frozenset()
    refusal: int = 500
    empty: frozenset[str] = frozenset()
    may_sign_in: bool = True
    sees_costs: bool = True


#: API users, all with the same secret.
USERS: Final[dict[str, Level]] = {
    "demo@audit-demo.example": Level(),
    "no-companies@audit-demo.example": Level(frozenset({"Companies"})),
    "no-contacts@audit-demo.example": Level(frozenset({"Contacts"})),
    "no-contracts@audit-demo.example": Level(CONTRACT_ENTITIES),
    "no-contracts-403@audit-demo.example": Level(CONTRACT_ENTITIES, 403),
    "no-units@audit-demo.example": Level(UNIT_ENTITIES),
    "hidden-contacts@audit-demo.example": Level(empty=frozenset({"Contacts"})),
    "hidden-contracts@audit-demo.example": Level(empty=CONTRACT_ENTITIES),
    "hidden-units@audit-demo.example": Level(empty=UNIT_ENTITIES),
    "locked@audit-demo.example": Level(may_sign_in=False),
    "no-costs@audit-demo.example": Level(sees_costs=False),
}
#: Entity → its singular, as error texts have it.
SINGULAR: Final = {
    "Companies": "Account", "Contacts": "Contact", "Contracts": "Contract",
    "ContractServices": "ContractService", "ContractServiceUnits": "ContractServiceUnit",
    "ContractServiceBundles": "ContractServiceBundle",
    "ContractServiceBundleUnits": "ContractServiceBundleUnit", "Services": "Service",
    "ServiceBundles": "ServiceBundle", "Currencies": "Currency",
}  # fmt: skip
BY_LOWER: Final = {name.lower(): name for name in SINGULAR}
CHILDREN: Final = {
    ("Companies", "contacts"): ("Contacts", "companyID"),
    ("Contracts", "services"): ("ContractServices", "contractID"),
    ("Contracts", "serviceunits"): ("ContractServiceUnits", "contractID"),
    ("Contracts", "servicebundles"): ("ContractServiceBundles", "contractID"),
    ("Contracts", "servicebundleunits"): ("ContractServiceBundleUnits", "contractID"),
}
PICKLISTS: Final[dict[str, dict[str, tuple[tuple[int, str], ...]]]] = {
    "Companies": {"companyType": COMPANY_TYPES},
    "Contracts": {
        "contractType": ((1, "Time & Materials"), (3, "Fixed Price"), (7, "Recurring Service")),
        "status": ((1, "Active"), (0, "Inactive")),
        "contractPeriodType": ((2, "Monthly"), (3, "Quarterly"), (4, "Semi-Annual"), (5, "Yearly")),
    },
    "Services": {
        "periodType": ((2, "Monthly"), (3, "Quarterly"), (4, "Semi-Annual"), (5, "Yearly"))
    },
}
SERVICE_ROWS: Final[dict[int, Record]] = {
    id_: {
        "id": id_, "name": name, "description": "", "invoiceDescription": name, "isActive": True,
        "periodType": 2, "unitPrice": Decimal(price), "unitCost": Decimal(price) * Decimal("0.4"),
        "sku": None, "userDefinedFields": [],
    }
    for id_, name, price in (*SERVICES, (*LOYALTY, "0"))
}  # fmt: skip
BUNDLE_ROWS: Final[dict[int, Record]] = {
    id_: {
        "id": id_, "name": name, "description": "", "invoiceDescription": name, "isActive": True,
        "periodType": 2, "unitPrice": Decimal(price), "percentageDiscount": Decimal(0),
        "userDefinedFields": [],
    }
    for id_, name, price in BUNDLES
}  # fmt: skip
CURRENCY_ROWS: Final[dict[int, Record]] = {
    id_: {
        "id": id_, "name": code, "description": code, "isActive": active,
        "isInternalCurrency": id_ == 1, "exchangeRate": Decimal(1),
    }
    for id_, code, active in CURRENCIES
}  # fmt: skip


class AutotaskSandbox:
    key: ClassVar[str] = "autotask"
    prefix: ClassVar[str] = "/autotask"

    def __init__(self, *, seed: int, companies: int, today: date, faults: FaultBox) -> None:
        self.data = build(seed=seed, companies=companies, today=today)
        self.faults = faults
        self._lock = threading.RLock()
        self._running: Counter[str] = Counter()
        self._asked: deque[float] = deque()
        self.most_at_once: Counter[str] = Counter()
        self.wrong_tries: Counter[str] = Counter()

    def forget_calls(self) -> None:
        """No limit of it counts calls."""

    def credentials(self, base_url: str) -> dict[str, str]:
        return {
            "username": "demo@audit-demo.example",
            "secret": SECRET,
            "tracking_identifier": INTEGRATION_CODE,
        }

    @classmethod
    def settings(cls, base_url: str) -> dict[str, str]:
        address = f"{base_url}{cls.prefix}/ATServicesRest/V1.0/zoneInformation"
        return {"AUTOTASK_ZONE_INFORMATION_URL": address}

    def truth(self, as_of: date) -> dict[str, Any]:
        with self._lock:
            return truth(self.data, as_of)

    def rate_limited(self, retry_after: str | None) -> Response:
        text = f"API thread threshold of {THREADS} threads has been exceeded. Please wait."
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return errors(text, 429, headers)

    # Limits

    @contextmanager
    def visit(self, request: Request) -> Iterator[Response | None]:
        """Count who is inside: three requests at once for one integration code and entity."""
        entity = entity_of(request.path)
        if not entity:
            yield None
            return
        with self._lock:
            self._running[entity] += 1
            now_inside = self._running[entity]
            self.most_at_once[entity] = max(self.most_at_once[entity], now_inside)
        try:
            yield self.rate_limited(None) if now_inside > THREADS else None
        finally:
            with self._lock:
                self._running[entity] -= 1

    def _budget(self) -> tuple[int, int]:
        """Requests allowed in an hour, and made in the last one, by all programs together."""
        fault = self.faults.hit("hourly_budget", "")
        options = fault.options if fault else {}
        until = time.monotonic() - 3600
        while self._asked and self._asked[0] < until:
            self._asked.popleft()
        used = len(self._asked) + int(options.get("used", 0))
        return int(options.get("allowed", HOURLY_BUDGET)), used

    # Answering

    def respond(self, request: Request) -> Response:
        path = re.sub(r"^/autotask(/zone\d+)?", "", request.path, flags=re.IGNORECASE)
        path = re.sub(r"^/atservicesrest", "", path, flags=re.IGNORECASE)
        if path.lower() == "/versioninformation":
            return json_answer({"apiVersions": ["1.0"]})
        match = re.fullmatch(r"/v1\.0/(.+)", path, re.IGNORECASE)
        if match is None:
            return message("No HTTP resource was found that matches the request URI.", 404)
        if match[1].lower() == "zoneinformation":
            return self._zone_information(request)
        if len(request.url) > MOST_URL:
            return Response("", 404)
        with self._lock:
            return self._signed_in(request, match[1])

    def _zone_information(self, request: Request) -> Response:
        if request.args.get("user", "").lower() not in USERS:
            return errors("Zone information could not be determined", 500)
        zone = "/zone2" if self.faults.hit("zone_moved", request.path) else ""
        root = f"{absolute(request)}{self.prefix}{zone}"
        return json_answer(
            {
                "zoneName": "America East 2",
                "url": f"{root}/ATServicesRest/",
                "webUrl": f"{root}/",
                "ci": 519204,
            }
        )

    def _signed_in(self, request: Request, path: str) -> Response:
        refused = self._refuse_keys(request)
        if refused is not None:
            return refused
        allowed, used = self._budget()
        if path.lower() == "thresholdinformation":
            self._asked.append(time.monotonic())
            return json_answer(
                {
                    "externalRequestThreshold": allowed,
                    "requestThresholdTimeframe": 60,
                    "currentTimeframeRequestCount": used,
                }
            )
        if used >= allowed:
            return errors("The request threshold of this database has been exceeded.", 429)
        self._asked.append(time.monotonic())
        level = USERS[request.headers.get("UserName", "").lower()]
        name, _, rest = path.partition("/")
        entity = BY_LOWER.get(name.lower(), "")
        if not entity:
            return message("No HTTP resource was found that matches the request URI.", 404)
        if entity in level.refused or self.faults.hit("refused_right", request.path):
            text = f"The logged in Resource does not have the adequate permissions to {entity}."
            return errors(text, level.refusal)
        try:
            return self._entity(request, entity, rest, level)
        except QueryError as problem:
            return errors(str(problem), 500)

    def _refuse_keys(self, request: Request) -> Response | None:
        fault = self.faults.hit("zone_moved", request.path)
        if fault and "/zone2/" not in request.path.lower():
            match str(fault.options.get("form", "401")):
                case "404":
                    return Response("", 404)
                case "redirect":
                    return Response("", 302, headers={"Location": "/autotask/zone2/"})
            return Response("", 401)
        if request.headers.get("ApiIntegrationCode") != INTEGRATION_CODE:
            return errors("IntegrationCode is invalid.", 500)
        level = USERS.get(request.headers.get("UserName", "").lower())
        fault = self.faults.hit("bad_keys", request.path)
        good = level and level.may_sign_in and request.headers.get("Secret") == SECRET
        if good and fault is None:
            return None
        self.wrong_tries[request.headers.get("UserName", "").lower()] += 1
        match str(fault.options.get("form", "401")) if fault else "401":
            case "json":
                return errors("Unauthorized", 401)
            case "html":
                return Response("<!DOCTYPE html><html>401</html>", 401, mimetype="text/html")
        return Response("", 401)

    def _entity(self, request: Request, entity: str, rest: str, level: Level) -> Response:
        rest = rest.lower()
        is_empty = entity in level.empty or self.faults.hit("empty_answer", request.path)
        if rest == "entityinformation":
            return json_answer({"info": self._information(entity, level)})
        if rest == "entityinformation/fields":
            return json_answer({"fields": self._fields(entity)})
        if rest == "entityinformation/userdefinedfields":
            return json_answer({"fields": []})
        if rest in {"query", "query/count", "query/next"}:
            return self._query(request, entity, rest, is_empty=bool(is_empty))
        parts = rest.split("/")
        if len(parts) == 1 and parts[0].isdecimal() and request.method == "GET":
            return self._item(request, entity, int(parts[0]))
        child = CHILDREN.get((entity, parts[1] if len(parts) == 2 else ""))
        if child and parts[0].isdecimal() and request.method == "GET":
            kind, parent_member = child
            wanted = {"op": "eq", "field": parent_member, "value": int(parts[0])}
            query = Query({"filter": [wanted]}, self._members(kind), SINGULAR[kind])
            return self._page(request, kind, query, None, continued_by_post=False, blank=False)
        return message(f"The requested resource does not support http method '{request.method}'.")

    def _item(self, request: Request, entity: str, id_: int) -> Response:
        if id_ in self.faults.ids("refused_records", request.path):
            return errors(f"The logged in Resource does not have permission to {entity}.", 403)
        row = next((row for row in self._rows(entity, None) if row["id"] == id_), None)
        if row is not None:
            return json_answer({"item": row})
        if self.faults.hit("missing_item", request.path):
            return json_answer({"item": None})
        return message("No HTTP resource was found that matches the request URI.", 404)

    # Queries

    def _query(self, request: Request, entity: str, rest: str, *, is_empty: bool) -> Response:
        """Answer a query. One that starts with POST goes on with POST and the same body."""
        by_post = request.method == "POST"
        search = request.args.get("search")
        if rest == "query/next" and not by_post and search is None:
            return message("The requested resource does not support http method 'GET'.")
        raw = request.get_data(as_text=True) if by_post else search or ""
        if not raw.strip():
            raise QueryError("The query is missing.")
        query = Query(read_search(raw), self._members(entity), SINGULAR[entity])
        if rest == "query/count":
            count = sum(1 for row in self._shown(request, entity, query) if query.test(row))
            return json_answer({"queryCount": 0 if is_empty else count})
        after = None
        if rest == "query/next":
            after = int(json.loads(request.args["paging"])["nextIds"][0])
        return self._page(request, entity, query, after, continued_by_post=by_post, blank=is_empty)

    def _page(
        self,
        request: Request,
        entity: str,
        query: Query,
        after: int | None,
        *,
        continued_by_post: bool,
        blank: bool,
    ) -> Response:
        is_later = after is not None or any(
            str(item.get("op")).lower() == "gt" and str(item.get("field")).lower() == "id"
            for item in query.filters
        )
        if is_later and self.faults.hit("shift_page", request.path):
            self._lose_first(entity)
        small = self.faults.hit("small_pages", request.path)
        size = min(query.size, int(small.options.get("most", 30))) if small else query.size
        if is_later and self.faults.hit("list_ends_early", request.path):
            blank = True
        shown = () if blank else self._shown(request, entity, query)
        matching: Iterable[Record] = filter(query.test, shown)
        if after is not None:
            matching = (row for row in matching if row["id"] > after)
        chosen = list(islice(matching, size + 1))
        has_more, chosen = len(chosen) > size, chosen[:size]
        if is_later and chosen and (again := self.faults.hit("repeated_record", request.path)):
            first = next(iter(self._rows(entity, None)))
            chosen = [outdated(first, again), *chosen]
        level = USERS[request.headers.get("UserName", "").lower()]
        items = [self._dressed(row, query, level, request.path) for row in chosen]
        fault = self.faults.hit("bad_record", request.path)
        if fault and items:
            spoil(items, str(fault.options.get("how", "wrong_type")), entity)
        if query.fields != ["id"]:
            self.faults.weigh(items, request.path)
        next_url = None
        if has_more and not (small and small.options.get("links") is False):
            next_url = next_page(request, entity, query.size, chosen[-1]["id"], continued_by_post)
        details = {"count": len(items), "requestCount": query.size}
        details |= {"prevPageUrl": None, "nextPageUrl": next_url}
        return json_answer({"items": items, "pageDetails": details})

    def _dressed(self, row: Record, query: Query, level: Level, path: str) -> Record:
        dressed = dict(row)
        if "emailAddress" in row and self.faults.hit("odd_contacts", path):
            dressed |= ODD_METHODS
        if words := self.faults.hit("odd_words", path):
            dressed = with_odd_words(dressed, words.options)
        if not level.sees_costs:
            dressed |= {name: None for name in ("cost", "unitCost") if name in dressed}
        if self.faults.hit("extra_members", path):
            dressed |= {"isSample": False, "soapParentPropertyId": None}
        if not query.fields:
            return dressed
        kept = {name: dressed[name] for name in query.fields if name in dressed}
        return {**kept, "userDefinedFields": dressed.get("userDefinedFields", [])}

    def _shown(self, request: Request, entity: str, query: Query) -> Iterable[Record]:
        """The rows that nothing hides."""
        hidden = self.faults.ids("refused_records", request.path)
        return (row for row in self._rows(entity, query) if row["id"] not in hidden)

    def _rows(self, entity: str, query: Query | None) -> Iterable[Record]:
        """The entity's rows by id; those of some contracts or companies by index."""
        data = self.data
        match entity:
            case "Companies":
                return picked(data.companies, query)
            case "Contacts":
                owners = query.ids_of("companyID") if query else None
                return chosen(data.contacts, data.contacts_of, owners)
            case "Contracts":
                owners = query.ids_of("companyID") if query else None
                return chosen(data.contracts, data.contracts_of, owners)
            case "Services":
                return SERVICE_ROWS.values()
            case "ServiceBundles":
                return BUNDLE_ROWS.values()
            case "Currencies":
                return CURRENCY_ROWS.values()
        return self._line_rows(entity, query.ids_of("contractID") if query else None)

    def _line_rows(self, entity: str, contract_ids: list[int] | None) -> Iterator[Record]:
        data = self.data
        wants_bundles = "Bundle" in entity
        ids: Iterable[int] = data.lines
        if contract_ids is not None:
            ids = sorted(line for contract in contract_ids for line in data.lines_of[contract])
        for line_id in ids:
            line = data.lines[line_id]
            if line.is_bundle is wants_bundles:
                yield from data.unit_rows(line_id) if entity.endswith("Units") else (line.record,)

    def _members(self, entity: str) -> dict[str, str]:
        row = next(iter(self._rows(entity, None)), None)
        names = set(row) if row else {"id", "contractID", "startDate", "endDate"}
        return {name.lower(): name for name in names if name != "userDefinedFields"}

    def _lose_first(self, entity: str) -> None:
        records = {"Companies": self.data.companies, "Contacts": self.data.contacts}.get(entity)
        if records:
            lost = next(id_ for id_ in records if id_ != 0)
            self._remove(entity, lost)

    def _information(self, entity: str, level: Level) -> Record:
        may = "None" if entity in level.empty else "All"
        return {
            "name": SINGULAR[entity], "canCreate": False, "canDelete": False,
            "canQuery": entity not in level.empty, "canUpdate": False,
            "userAccessForCreate": "None", "userAccessForDelete": "None",
            "userAccessForQuery": may, "userAccessForUpdate": "None",
            "hasUserDefinedFields": entity in {"Companies", "Contacts", "Contracts"},
            "supportsWebhookCallouts": entity in {"Companies", "Contacts"},
        }  # fmt: skip

    def _fields(self, entity: str) -> list[Record]:
        picklists = PICKLISTS.get(entity, {})
        return [
            {
                "name": name, "dataType": "integer", "length": 0, "isRequired": False,
                "isReadOnly": False, "isQueryable": True, "isReference": False,
                "referenceEntityType": "", "isPickList": name in picklists,
                "picklistValues": [
                    {
                        "value": str(value), "label": label, "isDefaultValue": False,
                        "sortOrder": value, "parentValue": "", "isActive": True, "isSystem": True,
                    }
                    for value, label in picklists.get(name, ())
                ] or None,
                "picklistParentValueField": "", "isSupportedWebhookField": False,
            }
            for name in next(iter(self._rows(entity, None)), {"id": 0})
        ]  # fmt: skip

    # Changes, for tests and demonstrations

    def change(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """See `SandboxPsa.change`. Kinds are companies, contacts, contracts, lines and units.

        An added line is a service for all of its contract's time: `contractID`, `units`,
        `unitPrice`. To `renew` a contract (`at_once`, `increase`, `values` of the new one) lets the
        Renew wizard act.
        """
        kind, do = str(command["kind"]), str(command["do"])
        values = dict(command.get("values", {}))
        with self._lock:
            if do == "delete":
                self._remove({"companies": "Companies"}.get(kind, kind), int(command["id"]))
                return {}
            if do == "renew":
                return self._renew(command, values)
            if (do, kind) == ("add", "lines"):
                return json.loads(encoded(self._added_line(values)))  # type: ignore[no-any-return]
            record = self._found(kind, do, command)
            record |= values
            if command.get("touch", True):
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")[:-4] + "Z"
                if do == "add" and kind in STAMPS:  # never modified yet
                    record |= {"createDate": now, STAMPS[kind]: None}
                elif kind in STAMPS:
                    record[STAMPS[kind]] = now
            self._index(kind, record)
            if kind == "contracts":  # its unit rows follow its dates
                for line_id in self.data.lines_of[record["id"]]:
                    self.data.written.pop(line_id, None)
            return json.loads(encoded(record))  # type: ignore[no-any-return]

    def _added_line(self, values: Record) -> Record:
        """A service of a contract, as `contractID`, `units`, `unitPrice` say it."""
        data, service = self.data, SERVICES[0][:2]
        contract, price = data.contracts[values["contractID"]], Decimal(str(values["unitPrice"]))
        line = add_line(data, contract, max(data.lines) + 1, service, values["units"], price)
        return line.record

    def _renew(self, command: Mapping[str, Any], values: Record) -> dict[str, Any]:
        old, now = self.data.contracts[int(command["id"])], datetime.now(UTC)
        new = renew(
            self.data,
            old,
            new_id=max(self.data.contracts) + 1,
            today=now.date(),
            at_once=bool(command.get("at_once", True)),
            increase=Decimal(str(command.get("increase", 0))),
            values=values,
        )
        for line_id in self.data.lines_of[old["id"]]:  # its unit rows follow its dates
            self.data.written.pop(line_id, None)
        return json.loads(encoded(new))  # type: ignore[no-any-return]

    def _found(self, kind: str, do: str, command: Mapping[str, Any]) -> Record:
        data = self.data
        if kind == "units":
            id_ = int(command["id"])
            return next(r for r in data.unit_rows(id_ // ROWS_PER_LINE) if r["id"] == id_)
        if kind == "lines":
            return data.lines[int(command["id"])].record
        records = {
            "companies": data.companies, "contacts": data.contacts, "contracts": data.contracts
        }[kind]  # fmt: skip
        if do == "add":
            model = next(iter(records.values()))
            id_ = int(command.get("id") or max(records) + 1)
            records[id_] = {**model, "id": id_}
            if kind == "contracts":
                records[id_] |= {"contractType": RECURRING, "renewedContractID": None}
            return records[id_]
        if do != "change":
            raise ValueError("do must be add, change or delete.")
        record = records[int(command["id"])]
        for index in (data.contacts_of, data.contracts_of):
            index[int(record.get("companyID") or 0)].discard(record["id"])
        return record

    def _index(self, kind: str, record: Record) -> None:
        indexes = {"contacts": self.data.contacts_of, "contracts": self.data.contracts_of}
        if kind in indexes:
            indexes[kind][record["companyID"]].add(record["id"])

    def _remove(self, kind: str, id_: int) -> None:
        data = self.data
        match kind.lower():
            case "companies":  # only one on which nothing hangs any more can be deleted
                del data.companies[id_]
                for orphan in data.contacts_of.pop(id_, set()):
                    del data.contacts[orphan]
                for orphan in data.contracts_of.pop(id_, set()):
                    self._remove_contract(orphan)
            case "contacts":
                person = data.contacts.pop(id_)
                data.contacts_of[person["companyID"]].discard(id_)
            case "contracts":
                contract = self._remove_contract(id_)
                data.contracts_of[contract["companyID"]].discard(id_)
            case "lines":
                line = data.lines.pop(id_)
                data.lines_of[line.record["contractID"]].remove(id_)
            case "units":
                rows = data.unit_rows(id_ // ROWS_PER_LINE)
                rows[:] = [row for row in rows if row["id"] != id_]

    def _remove_contract(self, id_: int) -> Record:
        """A contract goes with its lines and their units: none of them answers without it."""
        for line_id in self.data.lines_of.pop(id_, []):
            del self.data.lines[line_id]
            self.data.written.pop(line_id, None)
        return self.data.contracts.pop(id_)


def entity_of(path: str) -> str:
    match = re.search(r"/v1\.0/(\w+)", path, re.IGNORECASE)
    return BY_LOWER.get(match[1].lower(), "") if match else ""


def picked(records: Mapping[int, Record], query: Query | None) -> Iterable[Record]:
    ids = query.ids_of("id") if query else None
    if ids is None:
        return records.values()
    return [records[id_] for id_ in sorted(ids) if id_ in records]


def chosen(
    records: Mapping[int, Record], index: Mapping[int, set[int]], owners: list[int] | None
) -> Iterable[Record]:
    if owners is None:
        return records.values()
    return [records[id_] for id_ in sorted(i for owner in owners for i in index[owner])]


def next_page(request: Request, entity: str, size: int, last: int, by_post: bool) -> str:
    """The address of the next page, percent-encoded in lower case as Autotask does it."""
    paging = json.dumps({"pageSize": size, "previousIds": [-1], "nextIds": [last]})
    root = re.sub(r"(/v1\.0/).*", r"\1", request.path, flags=re.IGNORECASE)
    address = f"{absolute(request)}{root}{entity}/query/next?paging={lower_quoted(paging)}"
    return address if by_post else f"{address}&search={lower_quoted(request.args['search'])}"


def lower_quoted(text: str) -> str:
    quoted = quote(text.replace(" ", ""), safe="")
    return re.sub(r"%[0-9A-F]{2}", lambda match: match[0].lower(), quoted)


def outdated(record: Record, fault: Fault) -> Record:
    """A record as it was before, by its stamp too unless the fault says otherwise."""
    names = ("companyName", "lastName", "contractName")
    changed: Record = {next(name for name in names if name in record): "As It Was Before"}
    if fault.options.get("older", True):
        stamps = [*STAMPS.values(), "createDate"]
        changed |= {name: "2001-01-01T00:00:00Z" for name in stamps if name in record}
    return {**record, **changed}


def with_odd_words(row: Record, words: Mapping[str, Any]) -> Record:
    """Currencies by another name; a contract period that no picklist lists has a number only."""
    if "exchangeRate" in row and "currency" in words:
        return {**row, "name": words["currency"]}
    if "contractPeriodType" in row and "cycle" in words:
        return {**row, "contractPeriodType": words["cycle"]}
    return row


def spoil(items: list[Record], how: str, entity: str) -> None:
    """Make the second record on the page (or the only one) unusable."""
    position = 1 if len(items) > 1 else 0
    row = dict(items[position])
    names = {"Companies": "companyName", "Contacts": "lastName", "Contracts": "contractName"}
    match how:
        case "missing_id":
            row.pop("id", None)
        case "too_long":
            row[names.get(entity, "invoiceDescription")] = "x" * 400
        case _:
            name = names.get(entity) or ("units" if "units" in row else "contractID")
            row[name] = {"what": "is this"}
    items[position] = row


def encoded(value: Any) -> str:
    """JSON whose money has four places, as Autotask writes it."""
    text = json.dumps(
        value, ensure_ascii=False, separators=(",", ":"), default=lambda d: f"#money:{d:.4f}"
    )
    return re.sub(r'"#money:(-?[\d.]+)"', r"\1", text)


def json_answer(
    value: Any, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    return Response(
        encoded(value), status, mimetype="application/json", headers=dict(headers or {})
    )


def errors(text: str, status: int, headers: Mapping[str, str] | None = None) -> Response:
    return json_answer({"errors": [text]}, status, headers)


def message(text: str, status: int = 405) -> Response:
    return json_answer({"Message": text}, status)


SANDBOX: type[SandboxPsa] = AutotaskSandbox
