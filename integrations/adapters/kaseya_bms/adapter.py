"""Kaseya BMS, through the PSA contract."""

from __future__ import annotations

import re
import threading
from collections.abc import (
    Callable,
    Collection,
    Iterable,
    Iterator,
    Mapping,
    MutableMapping,
    Sequence,
)
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final, NamedTuple, NoReturn, TypeVar
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from integrations.psa.contract import (
    CredentialField,
    Finding,
    GuideStep,
    PsaAgreement,
    PsaCompany,
    PsaContact,
    PsaInfo,
    PsaPage,
    RejectedRecord,
    Right,
)
from integrations.psa.decoding import (
    UNUSABLE,
    RecordUnusableError,
    clean,
    decode_lowered,
    instant,
    name_of,
    read_lowered,
    set_aside,
)
from integrations.psa.errors import PsaBadResponse, PsaError, PsaRefused, PsaUnavailable
from integrations.psa.http import PsaHttp, PsaResponse
from integrations.psa.parallel import ordered_map

AnswerT = TypeVar("AnswerT")

NAME: Final = "Kaseya BMS"
#: The most that is known to be safe; a server that gives fewer is followed.
PAGE_SIZE: Final = 100
#: A list that moved while it was read is read again, so often at most.
MOST_ROUNDS: Final = 3
#: Accounts that are read one by one; more are read from the list.
MOST_SINGLE_READS: Final = 10
STAMPS: Final = ("ModifiedOn", "CreatedOn")
RENEW_BEFORE: Final = timedelta(seconds=60)
#: The code of "Security Error": the token is missing, wrong or has expired.
SECURITY_ERROR: Final = 978001

LISTS: Final[dict[Right, str]] = {
    "read_companies": "/v2/crm/accounts/summary",
    "read_contacts": "/v2/crm/contacts/summary",
    "read_agreements": "/v2/finance/contracts/summary",
}
LOOKUP: Final = "/v2/finance/contracts/lookup"
MENU_PATHS: Final[dict[str, str]] = {
    "read_companies": "CRM > Accounts: View, with Allow View All",
    "read_contacts": "CRM > Contacts: View, with Allow View All",
    "read_agreements": "Finance > Contracts: View, with Allow View All",
}
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
#: `currencyName` may hold a code or a plain name; a name that is not here is reported, not guessed.
CURRENCY_NAMES: Final = {
    "us dollar": "USD", "united states dollar": "USD", "american dollar": "USD",
    "canadian dollar": "CAD", "euro": "EUR", "british pound": "GBP", "pound sterling": "GBP",
    "great britain pound": "GBP", "australian dollar": "AUD", "new zealand dollar": "NZD",
    "south african rand": "ZAR", "rand": "ZAR", "swiss franc": "CHF", "danish krone": "DKK",
    "swedish krona": "SEK", "norwegian krone": "NOK", "singapore dollar": "SGD",
    "hong kong dollar": "HKD", "indian rupee": "INR", "japanese yen": "JPY", "yen": "JPY",
}  # fmt: skip

GUIDE: Final = (
    GuideStep(
        "Make a user for audIT",
        "In BMS go to Admin > HR > Employees and add an employee. User type: API Employee, which "
        "needs no licence and, other than a normal user, no second factor to sign in by program.",
        (("First Name", "audIT"), ("Last Name", "API"), ("User Type", "API Employee")),
    ),
    GuideStep(
        "Give it its rights",
        "Give the user a security role that has the special feature as below, and that may view "
        "CRM (accounts, contacts) and Finance (contracts), both with Allow View All.",
        (("Special feature", "Has API Access"),),
    ),
    GuideStep(
        "Set its password",
        "Follow the link in the e-mail that BMS sends to the user. BMS lets passwords expire after "
        "180 days unless you turn that off, and locks a user for 30 minutes after 5 wrong tries.",
    ),
    GuideStep(
        "Fill in the form beside this",
        "The server name is the address at which you sign in; the tenant is the company name as "
        "the sign-in page shows it. Save: the connection is tested at once.",
        (("Server Name", "https://bms.kaseya.com"),),
    ),
)


class Wire(msgspec.Struct, rename=lambda name: name.replace("_", "")):
    """A record on the wire. Keys are read in lower case: camelCase there, PascalCase elsewhere."""


class WireAccount(Wire):
    id: int
    account_name: str | None = None
    account_type: str | None = None
    currency_name: str | None = None
    is_active: bool | None = None
    modified_on: str | None = None
    created_on: str | None = None


class Address(Wire):
    id: int = 0
    email_address: str | None = None
    phone: str | None = None
    is_default: bool | None = None


class WireContact(Wire):
    id: int
    account_id: int | None = None
    first_name: str | None = None
    last_name: str | None = None
    is_poc: bool | None = None
    is_active: bool | None = None
    emails: list[Address] | None = None
    phones: list[Address] | None = None
    modified_on: str | None = None
    created_on: str | None = None


class WireContract(Wire):
    id: int
    contract_name: str | None = None
    contract_type: str | None = None
    contract_billing_price: Decimal | None = None
    status: str | None = None
    billing_cycle: str | None = None
    start_date: str | None = None
    end_date: str | None = None


class WireLookup(Wire):
    id: int


class Tokens(Wire):
    access_token: str | None = None
    refresh_token: str | None = None
    access_token_expire_on: str | None = None


class UserInfo(Wire):
    currency_code: str | None = None
    olson_time_zone_name: str | None = None


class ErrorInfo(Wire):
    code: int | str | None = None
    message: str | None = None
    details: str | None = None


class Envelope(Wire):
    """What stands around every answer but two. `result` is as it came, with keys in lower case."""

    success: bool | None = None
    error: ErrorInfo | None = None
    result: Any = None
    total_records: int | None = None


class Place(NamedTuple):
    """Where a listing goes on: the page, the total that its first page named (-1 = none), how many
    records came before, whether the list has moved meanwhile, and how often it was begun.
    """

    page: int = 1
    total: int = -1
    known: int = 0
    moved: int = 0
    round: int = 1

    @classmethod
    def of(cls, cursor: str | None) -> Place:
        return cls(*map(int, cursor.split(":"))) if cursor else cls()

    def text(self) -> str:
        return ":".join(map(str, self))

    def after(self, news: int) -> tuple[Place | None, bool]:
        """Where it goes on behind a page with so many new records (None = nowhere), and whether
        what was read proves that all other records are gone.

        The last page is an empty one, one that brings nothing new, or one that completes the total.
        """
        known = self.known + news
        if news and not 0 <= self.total <= known:
            return self._replace(page=self.page + 1, known=known), True
        if not self.moved:
            return None, True
        if self.round < MOST_ROUNDS:
            return Place(round=self.round + 1), True
        return None, False


@dataclass(frozen=True, slots=True)
class Token:
    access: str
    refresh: str
    expires: datetime | None

    def is_fresh(self) -> bool:
        return self.expires is None or datetime.now(UTC) + RENEW_BEFORE < self.expires


class TokenRefusedError(Exception):
    """The token is not accepted (any more)."""


class KaseyaBmsAdapter:
    info: ClassVar[PsaInfo] = PsaInfo(
        key="kaseya_bms",
        name=NAME,
        fields=(
            CredentialField(
                "server_url",
                "Server Name",
                "url",
                default="https://bms.kaseya.com",
                help="The address at which you sign in to BMS.",
                identifies=True,
            ),
            CredentialField("username", "Username"),
            CredentialField(
                "tenant",
                "Tenant",
                help="The company name as the sign-in page shows it.",
                identifies=True,
            ),
            CredentialField("password", "Password", "secret"),
        ),
        guide=GUIDE,
        settings=("KASEYA_BMS_API_URL",),
        parallel_requests=4,
        company_batch=50,
        logo="kaseya_bms.svg",
        agreement_word="contract",
    )

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
    ) -> None:
        self._api = settings["KASEYA_BMS_API_URL"].rstrip("/") or api_root(
            credentials["server_url"]
        )
        self._form = {
            "GrantType": "password",
            "UserName": clean(credentials["username"]),
            "Password": credentials["password"],
            "Tenant": clean(credentials["tenant"]),
        }
        self._http = http
        self._token: Token | None = None
        self._token_lock = threading.Lock()
        self._refusal: PsaRefused | None = None
        self._user: UserInfo | None = None
        self._currency_names: dict[str, str] = {}
        self._contracts: dict[int, WireContract] | None = None
        self._rejected_contracts: list[RejectedRecord] = []

    @staticmethod
    def account_key(credentials: Mapping[str, str]) -> str:
        host = api_root(credentials["server_url"]).partition("://")[2]
        return f"{host}|{clean(credentials['tenant']).casefold()}"

    # The connection test

    def reach(self) -> None:
        """Ask who we are, without a token: a BMS server refuses that in its own words."""

        def read(response: PsaResponse) -> None:
            if response.status >= 500:
                raise unavailable(response)
            if response.is_html or response.status == 404:
                raise not_bms(self._api)
            try:
                decode_lowered(response, Envelope, NAME)
            except PsaBadResponse:
                if response.status != 401:
                    raise not_bms(self._api) from None

        self._http.ask("GET", f"{self._api}/v2/security/userinfo", read=read)

    def authenticate(self) -> None:
        self._userinfo()

    def probe(self, right: Right) -> Finding:
        params = {"PageSize": "1", "PageNumber": "1"}
        envelope = self._get(LISTS[right], params, right)
        rows = rows_of(envelope)
        if not rows:
            what = right.removeprefix("read_").replace("agreements", "contracts")
            return Finding(
                f"The user sees no {what} at all. If there are some, allow {MENU_PATHS[right]} in "
                "its security role.",
                sees_nothing=True,
            )
        if right == "read_agreements":
            self._get(LOOKUP, {"AccountId": str(self._some_account_id())}, right)
        return Finding()

    def _some_account_id(self) -> int:
        """The id of the first account; 0 when none may be seen, which is another right's matter."""
        params = {"PageSize": "1", "PageNumber": "1"}
        try:
            rows = rows_of(self._get(LISTS["read_companies"], params, "read_companies"))
        except PsaRefused:
            return 0
        ids, _ = read_lowered(rows, WireAccount, lambda raw: raw.id)
        return ids[0] if ids else 0

    # Reading

    def companies(
        self, *, cursor: str | None = None, changed_since: datetime | None = None
    ) -> Iterator[PsaPage[PsaCompany]]:
        yield from self._listed("read_companies", WireAccount, self._company, cursor, changed_since)

    def company(self, external_id: str) -> PsaCompany | RejectedRecord | None:
        account = self._account(external_id) if external_id.isdecimal() else None
        if not isinstance(account, WireAccount):
            return account
        try:
            return self._company(account)
        except UNUSABLE as error:
            return set_aside(external_id, error)

    def _account(self, external_id: str) -> WireAccount | RejectedRecord | None:
        """By id, an account comes bare by the document, and may come in an envelope all the same.

        "Not there" is 404, 204, null, a null result, or `success: false`.
        """

        def read(response: PsaResponse) -> WireAccount | RejectedRecord | None:
            if response.status in {204, 404} or response.content.strip() in {b"", b"null"}:
                return None
            self._refuse_status(response, "read_companies")
            fields = decode_lowered(response, dict[str, Any], NAME)
            if "success" in fields:
                envelope = msgspec.convert(fields, Envelope, strict=False)
                if not envelope.success:
                    if is_token_trouble(envelope.error):
                        raise TokenRefusedError
                    if is_about_rights(envelope.error):
                        raise permission_denied("read_companies")
                    return None
                fields = envelope.result
            if fields is None:
                return None
            records, rejected = read_lowered([fields], WireAccount, lambda raw: raw)
            return records[0] if records else rejected[0]

        return self._ask("GET", f"{LISTS['read_companies']}/{external_id}", {}, read)

    def contacts(
        self,
        *,
        cursor: str | None = None,
        company_ids: Collection[str] | None = None,
        changed_since: datetime | None = None,
    ) -> Iterator[PsaPage[PsaContact]]:
        if company_ids is None:
            yield from self._listed("read_contacts", WireContact, contact, cursor, changed_since)
            return
        wanted = [id_ for id_ in company_ids if id_.isdecimal()]
        for pages in ordered_map(self._contacts_of, wanted, workers=self._http.parallel):
            yield from pages

    def _contacts_of(self, account_id: str) -> list[PsaPage[PsaContact]]:
        """An unknown filter is ignored silently there, so what comes is filtered again."""
        params = {"Filter.AccountId": account_id}
        return [
            PsaPage(
                tuple(person for person in page.records if person.company_id == account_id),
                page.rejected,
            )
            for page in self._pages("read_contacts", params, WireContact, contact, None)
        ]

    def agreements(self, *, company_ids: Sequence[str]) -> Iterator[PsaPage[PsaAgreement]]:
        """Contracts of type Recurring Services, joined to accounts by id and never by name.

        The list of contracts names no account, so each account's ids are looked up.
        """
        contracts = self._all_contracts()
        wanted = [id_ for id_ in company_ids if id_.isdecimal()]
        self._learn_currencies(wanted)
        found = ordered_map(self._contract_ids, wanted, workers=self._http.parallel)
        unreadable_ones = {record.external_id: record for record in self._rejected_contracts}
        nameless = tuple(record for record in self._rejected_contracts if not record.external_id)
        for account_id, (ids, unreadable) in zip(wanted, found, strict=True):
            records: list[PsaAgreement] = []
            rejected = list(unreadable)
            for contract_id in ids:
                raw = contracts.get(contract_id)
                if raw is None:
                    bad = unreadable_ones.get(str(contract_id))
                    rejected.append(bad or without_amount(contract_id))
                    continue
                if not is_recurring(raw):
                    continue
                try:
                    records.append(self._contract(raw, account_id))
                except UNUSABLE as error:
                    rejected.append(set_aside(str(raw.id), error))
            yield PsaPage(tuple(records), tuple(rejected))
        if nameless:  # it may be anybody's: nobody's absence is proved
            yield PsaPage((), nameless)

    def agreement_owner(self, external_id: str) -> str | None:
        return None

    # Accounts and contacts

    def _company(self, raw: WireAccount) -> PsaCompany:
        active = raw.is_active is not False
        self._currency_names[str(raw.id)] = clean(raw.currency_name)
        return PsaCompany(
            external_id=str(raw.id),
            name=name_of(raw.account_name, "accountName") or f"Account {raw.id}",
            status="Active" if active else "Inactive",
            type=clean(raw.account_type),
            is_active=active,
            changed_at=instant(raw.modified_on) or instant(raw.created_on),
        )

    def _learn_currencies(self, account_ids: Sequence[str]) -> None:
        """Currencies stand at the account: few that were not read yet are asked for one by one."""
        missing = [id_ for id_ in account_ids if id_ not in self._currency_names]
        if len(missing) > MOST_SINGLE_READS:
            for page in self._pages("read_companies", {}, WireAccount, lambda raw: raw, None):
                for raw in page.records:
                    self._currency_names[str(raw.id)] = clean(raw.currency_name)
            missing = [id_ for id_ in missing if id_ not in self._currency_names]
        accounts = ordered_map(self._account, missing, workers=self._http.parallel)
        for account_id, account in zip(missing, accounts, strict=True):
            if isinstance(account, WireAccount):
                self._currency_names[account_id] = clean(account.currency_name)

    def _currency(self, account_id: str) -> str:
        if account_id not in self._currency_names:  # a guessed currency is no currency
            raise RecordUnusableError(
                "invalid_record", "The currency of its account could not be read."
            )
        name = self._currency_names[account_id]
        if not name:
            return clean(self._userinfo().currency_code).upper()
        if re.fullmatch(r"[A-Za-z]{3}", name):
            return name.upper()
        try:
            return CURRENCY_NAMES[name.casefold()]
        except KeyError:
            raise RecordUnusableError(
                "invalid_record", "`currencyName` of its account is not a currency we know."
            ) from None

    # Contracts

    def _all_contracts(self) -> dict[int, WireContract]:
        """The whole list of contracts by id: it can't be asked by account."""
        if self._contracts is None:
            contracts: dict[int, WireContract] = {}
            for page in self._pages("read_agreements", {}, WireContract, lambda raw: raw, None):
                contracts |= {raw.id: raw for raw in page.records}
                self._rejected_contracts += page.rejected
            self._contracts = contracts
        return self._contracts

    def _contract_ids(self, account_id: str) -> tuple[list[int], list[RejectedRecord]]:
        rows = rows_of(self._get(LOOKUP, {"AccountId": account_id}, "read_agreements"))
        return read_lowered(rows, WireLookup, lambda raw: raw.id)

    def _contract(self, raw: WireContract, account_id: str) -> PsaAgreement:
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
            recurring=True,
            active=status.casefold() == "active",
            cycle=CYCLES.get(re.sub(r"[^a-z]", "", label.casefold()), label or None),
            cycle_label=label,
            amount=raw.contract_billing_price,
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
        try:
            return ZoneInfo(clean(self._userinfo().olson_time_zone_name) or "UTC")
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    # Paging

    def _listed(
        self,
        right: Right,
        kind: type[Any],
        build: Callable[[Any], Any],
        cursor: str | None,
        since: datetime | None,
    ) -> Iterator[PsaPage[Any]]:
        """A whole list; or, since a moment, what was modified and then what was created.

        What was never modified carries no stamp of it, and there is no asking for either of two.
        """
        if since is None:
            yield from self._pages(right, {}, kind, build, cursor)
            return
        moment = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")  # UTC, as far as is known
        current, _, place = (cursor or STAMPS[0]).partition("|")
        for stamp in STAMPS[STAMPS.index(current) :]:
            following = next(iter(STAMPS[STAMPS.index(stamp) + 1 :]), None)
            params = {f"Filter.{stamp}From": moment}
            for page in self._pages(right, params, kind, build, place or None):
                onward = f"{stamp}|{page.cursor}" if page.cursor else following
                yield replace(page, cursor=onward, total=None)
            place = ""

    def _pages(
        self,
        right: Right,
        params: Mapping[str, str],
        kind: type[Any],
        build: Callable[[Any], Any],
        cursor: str | None,
    ) -> Iterator[PsaPage[Any]]:
        """Page by number, the only way there is, and notice a list that moves meanwhile.

        A row deleted behind us pulls one over the page's edge, unseen. Then the total changes, or a
        row comes twice: the list is read again. One that never holds still proves no absence.
        """
        place = Place.of(cursor)
        seen: set[Any] = set()
        while True:
            question = {"PageSize": str(PAGE_SIZE), "PageNumber": str(place.page), **params}
            envelope = self._get(LISTS[right], question, right)
            rows = rows_of(envelope)
            total = envelope.total_records
            ids = [row["id"] for row in rows if isinstance(row, dict) and row.get("id") is not None]
            news = set(ids) - seen
            if place.total < 0 and total is not None:
                place = place._replace(total=total)
            if len(news) < len(ids) or (total is not None and total != place.total):
                place = place._replace(moved=1)
            seen |= news
            following, proves = place.after(len(news))
            records, rejected = read_lowered(rows, kind, build)
            if not proves:
                rejected.append(
                    RejectedRecord("", "invalid_record", "The list changed while it was read.")
                )
            cursor_after = following.text() if following else None
            yield PsaPage(
                tuple(records), tuple(rejected), cursor_after, total, again=place.round > 1
            )
            if following is None:
                return
            if following.round > place.round:
                seen.clear()
            place = following

    # Asking

    def _get(self, path: str, params: Mapping[str, str], right: Right | None) -> Envelope:
        def read(response: PsaResponse) -> Envelope:
            self._refuse_status(response, right)
            envelope = decode_lowered(response, Envelope, NAME)
            if not envelope.success:
                self._refuse(envelope.error, right)
            return envelope

        return self._ask("GET", path, params, read)

    def _ask(
        self,
        method: str,
        path: str,
        params: Mapping[str, str],
        read: Callable[[PsaResponse], AnswerT],
    ) -> AnswerT:
        """Ask with a token, and once more with a new one: it may die in the middle of a sync."""
        for is_last in (False, True):
            token = self._valid_token()
            headers = {"Authorization": f"Bearer {token.access}", "Accept": "application/json"}
            try:
                return self._http.ask(
                    method, self._api + path, params=params, headers=headers, read=read
                )
            except TokenRefusedError:
                if is_last:
                    raise token_not_accepted() from None
                self._renew(token)
        raise AssertionError("the second time either returns or raises")

    def _refuse_status(self, response: PsaResponse, right: Right | None) -> None:
        status = response.status
        if 200 <= status < 300:
            return
        error = error_of(response)
        if status == 401 or is_token_trouble(error):
            raise TokenRefusedError
        if status >= 500:
            raise unavailable(response)
        if response.is_html or status == 404:
            raise not_bms(self._api)
        if status == 403:
            raise permission_denied(right)
        self._refuse(error, right)

    def _refuse(self, error: ErrorInfo | None, right: Right | None) -> NoReturn:
        """What `success: false` means. The words are not documented, and never shown."""
        if is_token_trouble(error):
            raise TokenRefusedError
        if is_about_rights(error):
            raise permission_denied(right)
        raise PsaBadResponse("Kaseya BMS refused a question of ours.", "Report it to us.")

    def _userinfo(self) -> UserInfo:
        if self._user is None:
            result = self._get("/v2/security/userinfo", {}, None).result
            try:
                self._user = msgspec.convert(result or {}, UserInfo, strict=False)
            except msgspec.ValidationError:
                self._user = UserInfo()
        return self._user

    # Signing in

    def _valid_token(self) -> Token:
        with self._token_lock:
            if self._refusal is not None:
                raise self._refusal
            if self._token is None:
                self._token = self._sign_in()
            elif not self._token.is_fresh():
                self._token = self._refreshed(self._token) or self._sign_in()
            return self._token

    def _renew(self, refused: Token) -> None:
        """Replace a token that was refused, unless another thread did so meanwhile."""
        with self._token_lock:
            if self._token is refused:
                self._token = self._refreshed(refused) or self._sign_in()

    def _sign_in(self) -> Token:
        """Sign in by form. Never tried again after a refusal: five of them lock the user out."""
        try:
            return self._http.ask(
                "POST",
                f"{self._api}/v2/security/authenticate",
                form=self._form,
                headers={"Accept": "application/json"},
                read=self._read_sign_in,
                retry=False,
            )
        except PsaRefused as error:
            self._refusal = error
            raise

    def _refreshed(self, token: Token) -> Token | None:
        """A new token for an old one; None when that is refused for whatever reason."""

        def read(response: PsaResponse) -> Token | None:
            if response.status != 200:
                return None
            envelope = decode_lowered(response, Envelope, NAME)
            return read_token(envelope.result) if envelope.success else None

        if not token.refresh:
            return None
        form = {"AccessToken": token.access, "RefreshToken": token.refresh}
        try:
            return self._http.ask(
                "POST",
                f"{self._api}/v2/security/refreshtoken",
                form=form,
                headers={"Accept": "application/json"},
                read=read,
                retry=False,
            )
        except PsaError:
            return None

    def _read_sign_in(self, response: PsaResponse) -> Token:
        if response.status >= 500:
            raise unavailable(response)
        if response.is_html or response.status in {404, 405}:
            raise not_bms(self._api)
        envelope = envelope_of(response)
        if 200 <= response.status < 300 and envelope is not None and envelope.success:
            token = read_token(envelope.result)
            if token is not None:
                return token
        if envelope is None and response.status < 400:
            if response.content.lstrip().startswith(b"{"):  # cut off, not another server's
                raise PsaBadResponse(
                    "Kaseya BMS sent an answer to our sign-in that can't be read.",
                    "Try again in a few minutes; if it happens again, report it to us.",
                )
            raise not_bms(self._api)
        raise sign_in_refused(envelope.error if envelope else None)


# Addresses


def api_root(typed: str) -> str:
    """`https://api.` and the host of whatever was pasted."""
    text = clean(typed).strip("/ ")
    scheme, separator, rest = text.partition("://")
    if not separator:
        scheme, rest = "https", text
    host = re.split(r"[/?#]", rest, maxsplit=1)[0].rpartition("@")[2].casefold()
    host = host.removeprefix("www.")
    if not host.startswith("api."):
        host = f"api.{host}"
    return f"{'http' if scheme.casefold() == 'http' else 'https'}://{host}"


# Small readings


def rows_of(envelope: Envelope) -> list[Any]:
    """The rows of a list; null where an empty list is meant."""
    if envelope.result is None:
        return []
    if not isinstance(envelope.result, list):
        raise PsaBadResponse(f"{NAME} sent an answer of an unexpected shape.", "Report it to us.")
    return envelope.result


def contact(raw: WireContact) -> PsaContact:
    return PsaContact(
        external_id=str(raw.id),
        company_id="" if raw.account_id is None else str(raw.account_id),
        first_name=name_of(raw.first_name, "firstName"),
        last_name=name_of(raw.last_name, "lastName"),
        email=first_of(raw.emails, lambda item: item.email_address, "@")[:254],
        phone=first_of(raw.phones, lambda item: item.phone)[:100],
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


def is_recurring(raw: WireContract) -> bool:
    """The type's exact spelling was never seen: case, blanks and a final s don't count."""
    return re.sub(r"[^a-z]", "", clean(raw.contract_type).casefold()).rstrip("s") == (
        "recurringservice"
    )


def without_amount(contract_id: int) -> RejectedRecord:
    return RejectedRecord(
        str(contract_id),
        "invalid_record",
        "The account has this contract, but the list of contracts does not show it, so its amount "
        "is not known.",
    )


def read_token(result: Any) -> Token | None:
    try:
        raw = msgspec.convert(result or {}, Tokens, strict=False)
    except msgspec.ValidationError:
        return None
    if not raw.access_token:
        return None
    return Token(raw.access_token, raw.refresh_token or "", instant(raw.access_token_expire_on))


# Errors


def envelope_of(response: PsaResponse) -> Envelope | None:
    try:
        return decode_lowered(response, Envelope, NAME)
    except PsaBadResponse:
        return None


def error_of(response: PsaResponse) -> ErrorInfo | None:
    envelope = envelope_of(response)
    return envelope.error if envelope else None


def words_of(error: ErrorInfo | None) -> str:
    return f"{clean(error.message)} {clean(error.details)}".casefold() if error else ""


def is_token_trouble(error: ErrorInfo | None) -> bool:
    if error is None:
        return False
    return str(error.code) == str(SECURITY_ERROR) or "security error" in words_of(error)


def is_about_rights(error: ErrorInfo | None) -> bool:
    pattern = r"permission|access denied|forbidden|not (allowed|authori[sz]ed)|\brights?\b"
    return re.search(pattern, words_of(error)) is not None


def sign_in_refused(error: ErrorInfo | None) -> PsaRefused:
    """Sort a refused sign-in by its words; its status and code say nothing."""
    words = words_of(error)
    if re.search(r"\bmfa|two.?factor|\botp\b|authenticator|verification code", words):
        return PsaRefused(
            "mfa_required",
            "Kaseya BMS asks this user for a second factor.",
            "Use a user of the type API Employee: those are exempt. A normal employee can't sign "
            "in by program.",
        )
    if re.search(r"lock|disabled|too many", words):
        return PsaRefused(
            "account_locked",
            "Kaseya BMS has locked this user.",
            "Wait 30 minutes, or let an admin unlock the user in BMS. Then check the password and "
            "test again.",
        )
    return PsaRefused(
        "invalid_credentials",
        "Kaseya BMS does not accept this username, tenant and password.",
        "Check all three, and that the server is the one of your region: elsewhere the tenant is "
        "unknown. Passwords expire after 180 days, and five wrong tries lock the user.",
    )


def token_not_accepted() -> PsaRefused:
    return PsaRefused(
        "invalid_credentials",
        "Kaseya BMS accepts the password, but not the session that it gave us for it.",
        "Check that the user's security role has the special feature Has API Access.",
    )


def permission_denied(right: Right | None) -> PsaRefused:
    what = (right or "read_this").removeprefix("read_").replace("agreements", "contracts")
    path = MENU_PATHS.get(right or "", "the special feature Has API Access")
    return PsaRefused(
        "permission_denied",
        f"The user may not read {what} in Kaseya BMS.",
        f"Open Admin > Security > Roles, choose the user's role, and allow {path}.",
        right=right or "",
    )


def unavailable(response: PsaResponse) -> PsaUnavailable:
    return PsaUnavailable(
        "psa_unavailable",
        f"Kaseya BMS had an error of its own (status {response.status}).",
        "Try again in a few minutes; Kaseya's status page says whether there is an outage.",
    )


def not_bms(api: str) -> PsaRefused:
    host = urlsplit(api).hostname or "The server"
    return PsaRefused(
        "not_a_psa_server",
        f"{host} answers, but not as a Kaseya BMS server.",
        "Type the address at which you sign in to BMS, such as https://bms.kaseya.com.",
    )
