"""A stand-in for Kaseya BMS's REST API: its sign-in, envelopes, paging, limits and oddities."""

from __future__ import annotations

import re
import secrets
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Final

from werkzeug.wrappers import Request, Response

from integrations.sandbox.faults import ODD_EMAIL, ODD_PHONE, Fault, FaultBox
from integrations.sandbox.kaseya_bms_data import ACCOUNT_TYPES, TENANT, Record, build
from integrations.sandbox.kaseya_bms_truth import truth
from integrations.sandbox.server import SandboxPsa, json_response

PASSWORD: Final = "demo-password"  # noqa: S105  of the sandbox
LARGEST_PAGE: Final = 100
HOURLY_BUDGET: Final = 1500
ACCESS_LIFE: Final = timedelta(minutes=60)
REFRESH_LIFE: Final = timedelta(days=7)
MOST_WRONG_TRIES: Final = 5
SECURITY_ERROR: Final = 978001


@dataclass(frozen=True, slots=True)
class User:
    """`refused` are families of endpoints, `empty` those that seem to hold nothing."""

    refused: frozenset[str] = frozenset()
    refusal: int = 403
    empty: frozenset[str] = frozenset()
    needs_code: bool = False


#: All with the same password.
USERS: Final[dict[str, User]] = {
    "audit-api": User(),
    "no-accounts": User(frozenset({"accounts"})),
    "no-contacts": User(frozenset({"contacts"})),
    "no-contracts": User(frozenset({"contracts"})),
    "no-contracts-200": User(frozenset({"contracts"}), 200),
    "empty-contacts": User(empty=frozenset({"contacts"})),
    "empty-contracts": User(empty=frozenset({"contracts"})),
    "employee": User(needs_code=True),
}


class KaseyaBmsSandbox:
    key: ClassVar[str] = "kaseya_bms"
    prefix: ClassVar[str] = "/kaseya_bms"

    def __init__(self, *, seed: int, companies: int, today: date, faults: FaultBox) -> None:
        self.data = build(seed=seed, companies=companies, today=today)
        self.faults = faults
        self._lock = threading.RLock()
        self._tokens: dict[str, tuple[str, datetime]] = {}
        self._refresh_tokens: dict[str, str] = {}
        self._calls: dict[str, deque[float]] = defaultdict(deque)
        self.wrong_tries: dict[str, int] = defaultdict(int)

    def credentials(self, base_url: str) -> dict[str, str]:
        return {
            "server_url": "https://bms.kaseya.com",
            "username": "audit-api",
            "tenant": TENANT,
            "password": PASSWORD,
        }

    @classmethod
    def settings(cls, base_url: str) -> dict[str, str]:
        return {"KASEYA_BMS_API_URL": f"{base_url}{cls.prefix}"}

    def truth(self, as_of: date) -> dict[str, Any]:
        with self._lock:
            return truth(self.data, as_of)

    def rate_limited(self, retry_after: str | None) -> Response:
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return Response("API calls quota exceeded!", 429, headers, mimetype="text/plain")

    def visit(self, request: Request) -> AbstractContextManager[None]:
        return nullcontext()

    # Answering

    def respond(self, request: Request) -> Response:
        path = re.sub(r"^/kaseya_bms", "", request.path, flags=re.IGNORECASE).lower()
        with self._lock:
            if self._is_over_budget(path):
                return self.rate_limited(None)
            if path == "/v2/security/authenticate":
                return self._authenticate(request)
            if path == "/v2/security/refreshtoken":
                return self._refresh(request)
            name = self._user_of(request)
            if name is None:
                return failure("Security Error", 401, SECURITY_ERROR)
            return self._answer(request, path, USERS[name])

    def _is_over_budget(self, path: str) -> bool:
        """So many calls an hour to each endpoint; ids in a path or query make no other endpoint."""
        fault = self.faults.hit("hourly_budget", path)
        allowed = int(fault.options.get("allowed", HOURLY_BUDGET)) if fault else HOURLY_BUDGET
        calls = self._calls[re.sub(r"/\d+", "/{id}", path)]
        now = time.monotonic()
        while calls and calls[0] < now - 3600:
            calls.popleft()
        if len(calls) >= allowed:
            return True
        calls.append(now)
        return False

    def forget_calls(self) -> None:
        with self._lock:
            self._calls.clear()

    # Signing in

    def _authenticate(self, request: Request) -> Response:
        if request.method != "POST":
            return failure("The method is not allowed.", 405)
        if request.mimetype not in {"application/x-www-form-urlencoded", "multipart/form-data"}:
            return failure("Unsupported Media Type", 415)
        form = {name.lower(): value for name, value in request.form.items()}
        if not form.get("tenant"):
            return failure("Tenant can't be empty", 400)
        name = form.get("username", "").lower()
        style = self.faults.hit("bad_keys", request.path)
        if self.wrong_tries[name] >= MOST_WRONG_TRIES or self.faults.hit("locked", request.path):
            return failure("Your account is locked. Please contact your administrator.", 400)
        user = USERS.get(name)
        is_good = (
            user is not None
            and form["tenant"].lower() == TENANT.lower()
            and form.get("password") == PASSWORD
            and form.get("granttype", "").lower() == "password"
        )
        if user is None or not is_good or style:
            self.wrong_tries[name] += 1
            if style and style.options.get("form") == "other":
                return json_response({"message": "Sign-in refused."}, 401)
            status = int(style.options.get("form", 400)) if style else 400
            return failure("Invalid username or password.", status)
        if user.needs_code and not form.get("mfacode"):
            return failure("MFA code is required.", 401)
        self.wrong_tries[name] = 0
        return self._token_answer(request, name)

    def _token_answer(self, request: Request, name: str) -> Response:
        fault = self.faults.hit("token_life", request.path)
        life = timedelta(seconds=float(fault.options["seconds"])) if fault else ACCESS_LIFE
        now = datetime.now(UTC)
        access, refresh = secrets.token_urlsafe(24), secrets.token_hex(10)
        self._tokens[access] = (name, now + life)
        self._refresh_tokens[refresh] = name
        return self._success(
            request,
            {
                "accessToken": access,
                "refreshToken": refresh,
                "accessTokenExpireOn": (now + life).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "refreshTokenExpireOn": (now + REFRESH_LIFE).strftime("%Y-%m-%dT%H:%M:%SZ"),
            },
        )

    def _refresh(self, request: Request) -> Response:
        form = {name.lower(): value for name, value in request.form.items()}
        name = self._refresh_tokens.pop(form.get("refreshtoken", ""), None)
        if name is None or self.faults.hit("refresh_refused", request.path):
            return failure("Security Error", 401, SECURITY_ERROR)
        return self._token_answer(request, name)

    def _user_of(self, request: Request) -> str | None:
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        name, until = self._tokens.get(token, ("", datetime.now(UTC)))
        if kind.lower() != "bearer" or until <= datetime.now(UTC):
            return None
        if self.faults.hit("token_expired", request.path):
            del self._tokens[token]
            return None
        return name

    # Data

    def _answer(self, request: Request, path: str, user: User) -> Response:
        if path == "/v2/security/userinfo":
            return self._success(request, user_info())
        if path == "/v2/system/accounttypes/lookup":
            return self._success(request, [
                {"id": id_, "name": name, "isActive": True, "isClient": client, "isVendor": vendor}
                for id_, name, client, vendor in ACCOUNT_TYPES
            ])  # fmt: skip
        for pattern, family, method in ROUTES:
            match = re.fullmatch(pattern, path)
            if match is None:
                continue
            if request.method != "GET":
                return failure("The method is not allowed.", 405)
            if family in user.refused or self.faults.hit("refused_right", path):
                return failure("You do not have permission to view this.", user.refusal)
            is_list = not match.groups()
            if is_list and (family in user.empty or self.faults.hit("empty_answer", path)):
                return self._success(request, [], total=0)
            refused = self.faults.ids("refused_records", path)
            asked = {*map(int, match.groups()), *map(int, lower_query(request).get("ids", ()))}
            if asked & refused:
                return failure("You do not have permission to view this.", user.refusal)
            answer: Callable[..., Response] = getattr(self, method)
            return answer(request, *map(int, match.groups()))
        return failure("Not found.", 404)

    def _accounts(self, request: Request) -> Response:
        tests = [
            equals(request, "IsActive", "isActive"),
            equals(request, "AccountTypeId", "accountTypeId"),
            contains(request, "AccountName", "accountName"),
            equals(request, "AccountTypeName", "accountType"),
            since(request, "ModifiedOnFrom", "modifiedOn"),
            since(request, "CreatedOnFrom", "createdOn"),
        ]
        return self._page(request, "accounts", self.data.accounts, tests)

    def _account(self, request: Request, id_: int) -> Response:
        account = self.data.accounts.get(id_)
        words = self.faults.hit("odd_words", request.path)
        if account is not None and words:
            account = with_odd_words("accounts", account, words.options)
        return self._bare(request, account)

    def _contact(self, request: Request, id_: int) -> Response:
        return self._bare(request, self.data.contacts.get(id_))

    def _contacts(self, request: Request) -> Response:
        tests = [
            equals(request, "AccountId", "accountId"),
            equals(request, "IsActive", "isActive"),
            contains(request, "AccountName", "accountName"),
            contains(request, "FirstName", "firstName"),
            contains(request, "LastName", "lastName"),
            since(request, "ModifiedOnFrom", "modifiedOn"),
            since(request, "CreatedOnFrom", "createdOn"),
        ]
        return self._page(request, "contacts", self.data.contacts, tests)

    def _contracts(self, request: Request) -> Response:
        tests = [
            equals(request, "ContractType", "contractType"),
            equals(request, "BillingCycle", "billingCycle"),
            equals(request, "Status", "status"),
            contains(request, "ContractName", "contractName"),
            contains(request, "AccountName", "accountName"),
        ]
        return self._page(request, "contracts", self.data.contracts, tests)

    def _contract_lookup(self, request: Request) -> Response:
        """No paging, no total, and no `Filter.` before its keys."""
        data = self.data
        query = lower_query(request)
        ids: Iterable[int] = data.contracts
        if query.get("accountid"):
            ids = sorted(data.contracts_of.get(int(query["accountid"][0]), ()))
        if query.get("ids"):
            ids = [id_ for id_ in ids if str(id_) in query["ids"]]
        if fault := self.faults.hit("second_claim", request.path):
            is_claimer = str(fault.options["account"]) in query.get("accountid", [])
            ids = sorted({*ids, int(fault.options["contract"])}) if is_claimer else ids
        today = datetime.now(UTC).date().isoformat()
        hidden = self.faults.ids("refused_records", request.path)
        rows = [
            {
                "id": id_,
                "name": data.contracts[id_]["contractName"],
                "isDefault": False,
                "slaId": None,
                "slaName": None,
                "isActive": data.contracts[id_]["status"].strip().lower() == "active",
                "endDate": data.contracts[id_]["endDate"],
            }
            for id_ in ids
            if id_ not in hidden
            if query.get("excludeexpiredcontracts", [""])[0].lower() != "true"
            or data.contracts[id_]["endDate"][:10] >= today
        ]
        return self._success(request, rows)

    def _account_lookup(self, request: Request) -> Response:
        rows = [
            {
                "id": row["id"],
                "name": row["accountName"],
                "tenantName": TENANT,
                "isActive": row["isActive"],
            }
            for row in self.data.accounts.values()
        ]
        size, number = self._place(request)
        return self._success(request, rows[(number - 1) * size : number * size])

    def _place(self, request: Request) -> tuple[int, int]:
        """Page size, clipped, and page number; 0 is answered as 1."""
        query = lower_query(request)
        fault = self.faults.hit("small_pages", request.path)
        most = int(fault.options.get("most", 30)) if fault else LARGEST_PAGE
        size = int(query.get("pagesize", ["25"])[0] or 25)
        return max(min(size, most), 1), max(int(query.get("pagenumber", ["1"])[0] or 1), 1)

    def _page(
        self,
        request: Request,
        family: str,
        records: dict[int, Record],
        tests: list[Callable[[Record], bool]],
    ) -> Response:
        size, number = self._place(request)
        if number > 1 and self.faults.hit("shift_page", request.path):
            self._remove(family, next(iter(records)))
        owners = lower_query(request).get("filter.accountid")
        candidates: Iterable[Record] = records.values()
        if family == "contacts" and owners:
            candidates = [records[i] for i in sorted(self.data.contacts_of.get(int(owners[0]), ()))]
        hidden = self.faults.ids("refused_records", request.path)
        rows = [row for row in candidates if all(test(row) for test in tests)]
        rows = [row for row in rows if row["id"] not in hidden]
        chosen = [dict(row) for row in rows[(number - 1) * size : number * size]]
        if number > 1 and self.faults.hit("list_ends_early", request.path):
            chosen = []
        if number == 2 and chosen and (again := self.faults.hit("repeated_record", request.path)):
            chosen = [outdated(rows[0], again), *chosen]
        if family == "contacts" and self.faults.hit("odd_contacts", request.path):
            chosen = [with_odd_contacts(row) for row in chosen]
        words = self.faults.hit("odd_words", request.path)
        chosen = [with_odd_words(family, row, words.options) if words else row for row in chosen]
        fault = self.faults.hit("bad_record", request.path)
        if fault and chosen:
            spoil(chosen, str(fault.options.get("how", "wrong_type")), family)
        self.faults.weigh(chosen, request.path)
        without_total = self.faults.hit("no_totals", request.path)
        return self._success(request, chosen, total=None if without_total else len(rows))

    def _bare(self, request: Request, record: Record | None) -> Response:
        """By id a record comes without the envelope, by the document; `wrapped_by_id` wraps it."""
        wrapped = self.faults.hit("wrapped_by_id", request.path)
        if record is None:
            fault = self.faults.hit("missing_item", request.path)
            match str(fault.options.get("form", "null")) if fault else "404":
                case "204":
                    return Response("", 204)
                case "null":
                    return json_response(None)
                case "false":
                    return failure("The record was not found.", 200)
                case "result":
                    return self._success(request, None)
            return failure("Not found.", 404)
        record = dict(record)
        self.faults.weigh([record], request.path)
        if wrapped:
            return self._success(request, record)
        return json_response(self._cased(request, record))

    def _success(self, request: Request, result: Any, total: int | None = None) -> Response:
        body: Record = {"success": True, "error": None, "result": result}
        if total is not None:
            body["totalRecords"] = total
        return json_response(self._cased(request, body))

    def _cased(self, request: Request, value: Any) -> Any:
        return pascal(value) if self.faults.hit("pascal_case", request.path) else value

    # Changes, for tests and demonstrations

    def change(self, command: Mapping[str, Any]) -> dict[str, Any]:
        """See `SandboxPsa.change`. A contract's account stands as `accountId` among the values."""
        kind, do = str(command["kind"]), str(command["do"])
        values = dict(command.get("values", {}))
        with self._lock:
            if do == "delete":
                self._remove(kind, int(command["id"]))
                return {}
            records: dict[int, Record] = getattr(self.data, kind)
            if do == "add":
                id_ = int(command.get("id") or max(records) + 1)
                records[id_] = {**next(iter(records.values())), "id": id_}
            elif do != "change":
                raise ValueError("do must be add, change or delete.")
            else:
                id_ = int(command["id"])
            record = records[id_]
            owner = values.get("accountId")
            if kind == "contracts":
                if owner and values.pop("accountId", None):
                    values.setdefault("accountName", self.data.accounts[int(owner)]["accountName"])
                owner = owner or self.data.account_of[id_]
                self._own(self.data.contracts_of, id_, int(owner))
                self.data.account_of[id_] = int(owner)
            elif kind == "contacts":
                self._own(self.data.contacts_of, id_, int(owner or record["accountId"]))
            record |= values
            if command.get("touch", True) and kind != "contracts":
                now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
                new = {"createdOn": now, "modifiedOn": None}
                record |= new if do == "add" else {"modifiedOn": now}
            return record

    @staticmethod
    def _own(index: dict[int, set[int]], id_: int, owner: int) -> None:
        for ids in index.values():
            ids.discard(id_)
        index[owner].add(id_)

    def _remove(self, kind: str, id_: int) -> None:
        records: dict[int, Record] = getattr(self.data, kind)
        del records[id_]
        if kind == "accounts":  # nobody's contacts and contracts vanish with it
            for orphan in self.data.contacts_of.pop(id_, set()):
                del self.data.contacts[orphan]
            for orphan in self.data.contracts_of.pop(id_, set()):
                del self.data.contracts[orphan]
        index = {"contacts": self.data.contacts_of, "contracts": self.data.contracts_of}.get(kind)
        for ids in (index or {}).values():
            ids.discard(id_)


#: path → family of endpoints, and the method that answers
ROUTES: Final = (
    (r"/v2/crm/accounts/summary", "accounts", "_accounts"),
    (r"/v2/crm/accounts/summary/(\d+)", "accounts", "_account"),
    (r"/v2/crm/accounts/lookup", "accounts", "_account_lookup"),
    (r"/v2/crm/contacts/summary", "contacts", "_contacts"),
    (r"/v2/crm/contacts/summary/(\d+)", "contacts", "_contact"),
    (r"/v2/finance/contracts/summary", "contracts", "_contracts"),
    (r"/v2/finance/contracts/lookup", "contracts", "_contract_lookup"),
)


def user_info() -> Record:
    return {
        "userId": 58,
        "fullName": "audIT API",
        "emailAddress": "audit-api@harborpoint.example",
        "timeZoneValue": -5.0,
        "timeZoneName": "(UTC-05:00) Eastern Time (US & Canada)",
        "olsonTimeZoneName": "America/New_York",
        "tenantId": 3107,
        "businessName": TENANT,
        "userAccessRights": [],
        "specialFeatures": [{"id": 31}],
        "currencyCode": "USD",
        "cultureCode": "en-US",
        "isUserSystemAdmin": False,
        "productName": "BMS",
    }


def lower_query(request: Request) -> dict[str, list[str]]:
    """Query keys count in any case; an unknown one is ignored silently."""
    return {name.lower(): values for name, values in request.args.lists()}


def filter_of(request: Request, name: str) -> str:
    return lower_query(request).get(f"filter.{name.lower()}", [""])[0].strip()


def equals(request: Request, name: str, member: str) -> Callable[[Record], bool]:
    wanted = filter_of(request, name).lower()
    return lambda row: not wanted or str(row[member]).strip().lower() == wanted


def contains(request: Request, name: str, member: str) -> Callable[[Record], bool]:
    wanted = filter_of(request, name).lower()
    return lambda row: wanted in str(row[member] or "").lower()


def since(request: Request, name: str, member: str) -> Callable[[Record], bool]:
    wanted = filter_of(request, name)
    return lambda row: not wanted or str(row[member] or "") >= wanted


def failure(text: str, status: int, code: int = 0) -> Response:
    error = {"code": code, "message": text, "details": None, "stackStrace": "at Vorex.Api.Secret()"}
    body = {"success": False, "error": {**error, "subErrors": []}, "result": None}
    return json_response(body, status)


def pascal(value: Any) -> Any:
    """The same value with keys as the schema spells them."""
    if isinstance(value, dict):
        return {name[:1].upper() + name[1:]: pascal(item) for name, item in value.items()}
    if isinstance(value, list):
        return [pascal(item) for item in value]
    return value


def outdated(record: Record, fault: Fault) -> Record:
    """A record as it was before, by its stamp too unless the fault says otherwise."""
    name = next(n for n in ("accountName", "lastName", "contractName") if n in record)
    stamp = "2001-01-01T00:00:00" if fault.options.get("older", True) else record.get("modifiedOn")
    return {**record, name: "As It Was Before", "modifiedOn": stamp, "createdOn": stamp}


def with_odd_contacts(contact: Record) -> Record:
    """Words in the places of addresses and numbers."""
    return {
        **contact,
        "emails": [{**item, "emailAddress": ODD_EMAIL} for item in contact["emails"] or ()],
        "phones": [{**item, "phone": ODD_PHONE} for item in contact["phones"] or ()],
    }


def with_odd_words(family: str, row: Record, words: Mapping[str, Any]) -> Record:
    if family == "contracts" and "cycle" in words:
        return {**row, "billingCycle": words["cycle"]}
    if family == "accounts" and "currency" in words:
        return {**row, "currencyName": words["currency"]}
    return row


def spoil(rows: list[Record], how: str, family: str) -> None:
    """Make the second record on the page (or the only one) unusable."""
    row = rows[1 if len(rows) > 1 else 0]
    names = {"accounts": "accountName", "contacts": "lastName", "contracts": "contractName"}
    match how:
        case "missing_id":
            row.pop("id", None)
        case "too_long":
            row[names[family]] = "x" * 400
        case _:
            row[names[family]] = {"what": "is this"}


SANDBOX: type[SandboxPsa] = KaseyaBmsSandbox
