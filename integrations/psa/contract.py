"""What every PSA adapter takes and gives. Framework-free: no Django, no settings, no models.

An adapter reads one PSA and yields pages of the records below. It never saves, counts, matches
or decides what is importable: that is written once, above this contract. Nor does it cut a text:
ids and names that are too long are rejected (`decoding`), all else is cut when it is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, Protocol, TypeVar

from integrations.kinds import LINES, RIGHTS, KindName, Right

if TYPE_CHECKING:
    from integrations.psa.errors import PsaRefused
    from integrations.psa.http import PsaHttp

FieldType = Literal["text", "url", "secret"]
LineKind = Literal["addition", "service", "bundle"]
#: A billing cycle: a canonical name of the MRR definition, a structure such as
#: `{"every": 18, "unit": "month"}`, or `unknown_cycle` of the PSA's word: never the bare word, for
#: the engine could take it for one of its own. `None` = the PSA gives none.
Cycle = str | Mapping[str, int | str] | None


def unknown_cycle(word: str) -> Cycle:
    """A cycle that the PSA's documents do not list: a person may say what it means."""
    return {"unknown": word} if word else None


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One input of the Integration Settings form.

    A `secret` is encrypted, write-only and redacted everywhere. `identifies` marks the fields that
    distinguish two accounts of this PSA (the same values twice = the same account). `is_password`:
    a person chose it, so no character in it is forgiven; all else is made by a PSA.
    `says_where_or_who`: the value decides to which host the secrets are sent or which account they
    open, so that they are typed again when it changes. Only a field that does neither may say
    False.
    """

    name: str
    label: str
    type: FieldType = "text"
    required: bool = True
    default: str = ""
    help: str = ""
    identifies: bool = False
    is_password: bool = False
    says_where_or_who: bool = True


@dataclass(frozen=True, slots=True)
class GuideStep:
    """One step of the walk-through beside the form.

    `values` are literal values to type in the PSA as (label, value); each gets a copy button.
    A value in braces, such as `{help_email}`, names a setting that is filled in when shown.
    """

    title: str
    text: str
    values: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessSetting:
    """An environment variable that an adapter needs: one value for all accounts of its PSA.

    The settings read every one that is declared; `help` is what .env.example says about it.
    """

    name: str
    help: str
    default: str = ""


@dataclass(frozen=True, slots=True)
class UserLock:
    """After how many wrong keys, within how many minutes, a PSA locks which user.

    `words` say so to people ("locks a user after …"). `fields` are the credentials that name the
    user (none = all that are no secrets). `signs_in`: keys are sent once, when a piece of work
    begins, and not with each request. Where the PSA leaves the numbers to its customers, they are
    what is safe.
    """

    tries: int = 5
    minutes: int = 30
    words: str = "a few wrong keys"
    fields: tuple[str, ...] = ()
    signs_in: bool = False


@dataclass(frozen=True, slots=True)
class PsaInfo:
    """What a PSA is called, asks for, and how it behaves where rules above differ by PSA.

    `settings` are the process settings that the adapter needs. `only_active_importable`: a company
    must have the status Active. `bills_when_inactive`: an inactive agreement may be billed until
    its end date all the same, and MRR warns of it. `fixes`: by the code of a reason why a
    company can't be imported, where in this PSA it is put right; shown in brackets in the fix.

    `parallel_requests`: how many requests one piece of work may make at once; `account_requests`:
    how many all workers together may make to an account (0 = as many as one piece),
    `endpoint_requests`: to one endpoint of it (0 = no such limit). `grows`: these are what it
    begins with, and while the PSA answers as quickly as at first, more are made (`psa.growth`).
    `company_batch`: how many
    companies one `agreements` call may ask for. `locks_users`: refused keys are never tried again
    by program, since repeated refusals lock the user out; elsewhere the adapter itself asks once
    more, and the next automatic run may try again. `user_lock`: when it locks whom; the adapter
    asks what proves its keys within `PsaHttp.trying_keys`. `new_user_minutes`: for so long the keys
    of a new user may be refused. `logo` is a file below `static/integrations/`, `agreement_word`
    the PSA's word for an agreement, `line_words` its word for their lines ("" = it has none there),
    `recurring_type` its name of the one type of agreement that recurs ("" = types say nothing about
    that). `help_url` is the page of the vendor's own help about API users ("" = none that is
    public). `inactive_words`: statuses that its documents list for what is not active; nobody has
    to say what they mean. `menu_paths`: by right, where it is granted in this PSA; `line_rights`
    are the PSA's words for what the right to read lines is granted for one by one.
    """

    key: str
    name: str
    fields: tuple[CredentialField, ...]
    guide: tuple[GuideStep, ...]
    settings: tuple[ProcessSetting, ...] = ()
    only_active_importable: bool = False
    bills_when_inactive: bool = False
    fixes: Mapping[str, str] = field(default_factory=dict)
    parallel_requests: int = 4
    account_requests: int = 0
    endpoint_requests: int = 0
    grows: bool = False
    company_batch: int = 100
    locks_users: bool = True
    user_lock: UserLock = UserLock()
    new_user_minutes: int = 0
    logo: str = ""
    agreement_word: str = "agreement"
    line_words: str = "lines"
    recurring_type: str = ""
    help_url: str = ""
    inactive_words: tuple[str, ...] = ()
    menu_paths: Mapping[str, str] = field(default_factory=dict)
    line_rights: tuple[str, ...] = ()

    @property
    def secret_fields(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields if field.type == "secret")

    @property
    def rights(self) -> tuple[Right, ...]:
        """The rights that a connection test probes, in order."""
        return tuple(right for right in RIGHTS if self.line_words or right != LINES.right)


@dataclass(frozen=True, slots=True)
class PsaCompany:
    """A company as the PSA shows it, imported or not.

    `status` and `type` are the PSA's own words. `is_active` is the PSA's flag or status read by the
    adapter; `is_own` marks the MSP's own record where it must not be offered. `url` opens it
    in the PSA's own pages ("" = unknown).
    """

    external_id: str
    name: str
    status: str = ""
    type: str = ""
    is_active: bool = True
    is_deleted: bool = False
    is_merged: bool = False
    is_own: bool = False
    default_contact_id: str = ""
    url: str = ""
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PsaContact:
    """A person at a company. `company_id` is "" when the PSA names none.

    `email` and `phone` are what `integrations.psa.contact_methods` finds in the PSA's fields: ""
    for a text that reaches nobody.
    """

    external_id: str
    company_id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    phone: str = ""
    is_active: bool = True
    is_default: bool = False
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class PsaUnits:
    """A stretch of a line's unit history.

    `amount` = all its units for a full cycle; it wins over units.
    """

    start_date: date
    end_date: date | None = None
    units: Decimal | None = None
    unit_price: Decimal | None = None
    amount: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PsaAgreementLine:
    """A priced row of an agreement; amounts are per cycle, before tax.

    `bill` is `billable`, `do_not_bill`, `no_charge` or the PSA's own word. `start_date` and
    `end_date` are the first and last day in force. `one_time`: True = billed once, None = unknown.
    `units` is the line's unit history where the PSA keeps one (empty = it holds no row).
    """

    external_id: str
    kind: LineKind = "addition"
    description: str = ""
    product: str = ""
    quantity: Decimal | None = None
    unit_price: Decimal | None = None
    less_included: Decimal | None = None
    bill: str = "billable"
    start_date: date | None = None
    end_date: date | None = None
    cycle: Cycle = None
    one_time: bool | None = None
    units: tuple[PsaUnits, ...] | None = None


@dataclass(frozen=True, slots=True)
class PsaAgreement:
    """A contract with its lines, recurring or not. Three-valued facts are None when the PSA doesn't
    say.

    `recurring` is False for a type that does not recur; then no lines are read. `currency` is a
    code of ISO 4217, or the PSA's word where it is none that we know; "" = the PSA gives none.
    `cancelled_date` and `end_date` are last days in force. `amount` is the flat amount per cycle
    before tax, None = none given. `incomplete`: some of its lines could not be read; `withheld`:
    because a right is missing. `is_claim`: nothing but this company's own list says whose it is, so
    that it does not move here from a company that has it; `claimed_by`: ids of other companies that
    are known to have it too.
    """

    external_id: str
    company_id: str
    name: str = ""
    type: str = ""
    status: str = ""
    currency: str = ""
    start_date: date | None = None
    end_date: date | None = None
    no_end: bool = False
    cancelled: bool | None = None
    cancelled_date: date | None = None
    recurring: bool | None = None
    active: bool | None = None
    cycle: Cycle = None
    cycle_label: str = ""
    amount: Decimal | None = None
    parent_id: str = ""
    renews: tuple[str, ...] = ()
    incomplete: bool = False
    withheld: bool = False
    is_claim: bool = False
    claimed_by: tuple[str, ...] = ()
    changed_at: datetime | None = None
    lines: tuple[PsaAgreementLine, ...] = ()


@dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that can't be used: its id ("" when it has none), a code and a sentence, no values.

    Codes: `invalid_record` (wrong type, or a required member is missing), `missing_id`, `too_long`.
    A second line of the message is a technical detail. `is_line`: among agreements, it was one of
    their lines. `can_mend`: a person can put it right in the PSA.
    """

    external_id: str
    code: str
    message: str
    is_line: bool = False
    can_mend: bool = False


RecordT = TypeVar("RecordT")
#: Asked of an agreement before its lines are read: whether it is wanted now.
Wanted = Callable[[PsaAgreement], bool]


@dataclass(frozen=True, slots=True)
class PsaPage(Generic[RecordT]):
    """A page of records, in the PSA's order.

    `cursor` is an opaque text with which the same listing goes on after this page, also in another
    process; None = this was the last page. `total` = how many there are in all, if the PSA says so.
    `refused`: the refusal of what is `withheld` of some records. `unsure`: fields of
    agreements (`currency`, `cycle`) whose table could not be read: what was stored knows better.
    `again`: the list moved while it was read, and is read from its beginning once more. `short`:
    how many records came of how many that the PSA itself had counted, when the list ended before
    that; then a nameless record is `rejected` too, for nothing is gone that did not come. `left`:
    ids of agreements that are there and were not wanted.
    """

    records: tuple[RecordT, ...]
    rejected: tuple[RejectedRecord, ...] = ()
    cursor: str | None = None
    total: int | None = None
    refused: PsaRefused | None = None
    unsure: frozenset[str] = frozenset()
    again: bool = False
    short: tuple[int, int] | None = None
    left: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class FoundRecord:
    """A record that is there. `company_id`: the company it belongs to ("" = the PSA names none)."""

    company_id: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a probe found although nothing was refused: a sentence about what works only in part.

    `seen`: how many records of the kind are shown, of lines how many were tried; None = the PSA
    does not say. `sees_nothing`: not one is, as when a right is missing silently.
    """

    message: str = ""
    seen: int | None = None
    sees_nothing: bool = False


class PsaAdapter(Protocol):
    """Speaks one PSA's API. A new one is made for each piece of work, used by one thread at a time.

    `settings` holds the values of `info.settings` by name. `memory` is what the adapter wants to
    remember about this account between pieces of work (a resolved host, a zone); the one that made
    the adapter stores it afterwards. No secrets in it.

    What each may raise, of `integrations.psa.errors` (a generator raises between two pages):

    | Method            | Unavailable, RateLimited | BadResponse | Refused, with these codes       |
    |-------------------|--------------------------|-------------|---------------------------------|
    | `__init__`        | no                       | no          | none: nothing is asked          |
    | `account_key`     | no                       | no          | none, whatever was typed        |
    | `reach`           | yes                      | yes         | of the address; of the keys, if |
    |                   |                          |             | they say where the account is   |
    | `authenticate`    | yes                      | yes         | any but `permission_denied`     |
    | `probe`           | yes                      | yes         | any; a `permission_denied` with |
    |                   |                          |             | the `right` asked about         |
    | `companies`,      | yes                      | yes         | any                             |
    | `companies_named`,|                          |             |                                 |
    | `company`,        |                          |             |                                 |
    | `contacts`        |                          |             |                                 |
    | `agreements`      | yes                      | yes         | any; where lines alone are      |
    |                   |                          |             | refused the page says it        |
    | `find`            | yes                      | yes         | any; a `permission_denied` is   |
    |                   |                          |             | about this one record           |

    A record that can't be used raises nothing: it stands among the page's `rejected`.
    """

    info: ClassVar[PsaInfo]

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
    ) -> None: ...

    @staticmethod
    def account_key(credentials: Mapping[str, str]) -> str:
        """A text that is the same for two spellings of the same account, and holds no secret."""
        ...

    def reach(self) -> None:
        """Find the PSA's API at the given address, without proving the keys."""
        ...

    def authenticate(self) -> None:
        """Prove that the keys are accepted."""
        ...

    def probe(self, right: Right) -> Finding:
        """Prove one of `info.rights`: to read one kind of data; a refusal names its menu path."""
        ...

    def companies(
        self, *, cursor: str | None = None, changed_since: datetime | None = None
    ) -> Iterator[PsaPage[PsaCompany]]:
        """All companies, page by page, in a stable order."""
        ...

    def company(self, external_id: str) -> PsaCompany | RejectedRecord | None:
        """One company as the PSA has it right now; None when it has no such id, a rejected record
        when it is there and can't be used.
        """
        ...

    def companies_named(self, text: str) -> Iterator[PsaPage[PsaCompany]]:
        """The companies whose name holds a text, by the PSA's own search. One that does not know
        the search may yield others, or all: look at their names.
        """
        ...

    def contacts(
        self,
        *,
        cursor: str | None = None,
        company_ids: Collection[str] | None = None,
        changed_since: datetime | None = None,
    ) -> Iterator[PsaPage[PsaContact]]:
        """All contacts, or those of some companies."""
        ...

    def agreements(
        self, *, company_ids: Sequence[str], wanted: Wanted | None = None
    ) -> Iterator[PsaPage[PsaAgreement]]:
        """The agreements of some companies (at most `info.company_batch`), lines included.

        Those that are not `wanted` are `left`, and their lines are not asked for.
        """
        ...

    def find(self, kind: KindName, external_id: str, *, parent_id: str = "") -> FoundRecord | None:
        """Ask for one record by its id, right now. `parent_id` is the agreement of a line.

        None when it is gone: the PSA says that it has no such record (any more), or that it was
        deleted. A record that is refused is not gone, and neither is one in whose place something
        answers that is no answer of the PSA.
        """
        ...
