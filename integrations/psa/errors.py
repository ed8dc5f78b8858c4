"""What can go wrong with a PSA, sorted by what the caller must do next.

    PsaError
    ├── PsaUnavailable          try again later, more slowly each time
    │   └── PsaRateLimited      try again, but not before the PSA says so
    │       └── PsaCoolingDown  … nor before another wrong try can lock nobody
    ├── PsaRefused              a person must act; never tried again by itself
    └── PsaBadResponse          report it; tried again only if it `may_pass`
        └── PsaAnswerTooLarge   ask for less at once

A record that can't be used is no error: it is a `RejectedRecord` of its page (psa/contract.py).
No error ever holds a URL's query, a header, a body or a credential: they are shown to people,
stored with runs and written to logs.
"""

from __future__ import annotations

from math import ceil
from typing import Final

from audit_site.errors import Explained

#: What to do about a PSA that asks us to wait, wherever a person reads it: in a run that waits, in
#: one that has given up, in a connection test, or in an answer that was wanted at once.
ASK_LATER: Final = (
    "Try again in a few minutes. If it stays so, see which other programs use up what your PSA "
    "allows."
)


#: Code of keys that are not tried for a while.
COOLING_DOWN: Final = "cooling_down"


class PsaError(Explained):
    """A PSA could not be used.

    `code` is one of `CODES`. `right` names the kind of data that was refused, where that is known
    (`read_companies` …).
    """

    status = 502

    def __init__(self, code: str, message: str, fix: str = "", *, right: str = "") -> None:
        super().__init__(code, message, fix)
        self.right = right


class PsaUnavailable(PsaError):
    """The PSA can't be reached or is down: try again later."""


class PsaRateLimited(PsaUnavailable):
    """The PSA asks us to wait: `retry_after` seconds, None when it does not say how long."""

    def __init__(self, message: str, fix: str = "", *, retry_after: float | None = None) -> None:
        super().__init__("rate_limited", message, fix)
        self.retry_after = retry_after
        if retry_after is not None:
            self.headers = {"Retry-After": str(ceil(retry_after))}


class PsaCoolingDown(PsaRateLimited):
    """Keys are not tried before so many seconds: one more wrong try might lock the user."""

    def __init__(self, message: str, fix: str, *, retry_after: float) -> None:
        super().__init__(message, fix, retry_after=retry_after)
        self.code = COOLING_DOWN


class PsaRefused(PsaError):
    """A person must act (keys, rights, address): never retried by itself.

    `may_pass`: keys that are refused so may be those of a user who is too new
    (`PsaInfo.new_user_minutes`): a connection test tries them again after a while, a few times.
    """

    def __init__(
        self, code: str, message: str, fix: str = "", *, right: str = "", may_pass: bool = False
    ) -> None:
        super().__init__(code, message, fix, right=right)
        self.may_pass = may_pass


class PsaBadResponse(PsaError):
    """The PSA answered with something we can't read: reported.

    `may_pass`: the next try may well be readable (a cut-off answer, a maintenance page).
    """

    def __init__(self, message: str, fix: str = "", *, may_pass: bool = False) -> None:
        super().__init__("bad_response", message, fix)
        self.may_pass = may_pass


class PsaAnswerTooLarge(PsaBadResponse):
    """An answer is larger than we read. `beginning` is its first part."""

    def __init__(self, message: str, fix: str, *, beginning: bytes = b"") -> None:
        super().__init__(message, fix)
        self.beginning = beginning


#: Every code that a connection check or a failed run can carry (beside `ok`), and its kind.
CODES: Final[dict[str, type[PsaError]]] = {
    "invalid_credentials": PsaRefused,
    "permission_denied": PsaRefused,
    "not_a_psa_server": PsaRefused,
    "tls_error": PsaRefused,
    "blocked_address": PsaRefused,
    "mfa_required": PsaRefused,
    "account_locked": PsaRefused,
    "client_id_refused": PsaRefused,
    "dns_failure": PsaUnavailable,
    "connection_refused": PsaUnavailable,
    "timeout": PsaUnavailable,
    "psa_unavailable": PsaUnavailable,
    "rate_limited": PsaRateLimited,
    "bad_response": PsaBadResponse,
    "key_missing": PsaUnavailable,
    "cooling_down": PsaCoolingDown,
}

#: The stored keys can't be opened, so that no PSA is asked: a key of ours is missing.
KEY_MISSING: Final = "key_missing"
#: After these the stored keys are known not to work: a person must act.
KEYS: Final = frozenset(
    {"invalid_credentials", "account_locked", "mfa_required", "client_id_refused"}
)
#: While these last the PSA can't be read; when they end, the work goes on by itself.
OUTAGES: Final = frozenset(
    {
        "psa_unavailable",
        "timeout",
        "connection_refused",
        "dns_failure",
        "blocked_address",
        "tls_error",
        "rate_limited",
        "bad_response",
        "not_a_psa_server",
        KEY_MISSING,
    }
)
#: After these the PSA is left alone for a while before it is asked again.
LEFT_ALONE: Final = frozenset(
    code
    for code, kind in CODES.items()
    if issubclass(kind, PsaUnavailable | PsaBadResponse) and code != COOLING_DOWN
)
#: What may be wrong with one list while all else can be read (`internal_error` = our own mistake).
IN_LISTS: Final = frozenset({"bad_response", "internal_error"})
