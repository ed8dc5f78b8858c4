"""What BMS's refusals mean. Its words are not documented, and never shown."""

from __future__ import annotations

from typing import Final

from integrations.adapters.kaseya_bms.guide import MENU_PATHS, NAME
from integrations.adapters.kaseya_bms.wire import Envelope, ErrorInfo
from integrations.psa.decoding import clean, decode_lowered
from integrations.psa.errors import PsaBadResponse, PsaRefused
from integrations.psa.http import PsaResponse
from integrations.psa.questions import OldPlaceError
from integrations.psa.refusals import (
    REPORT,
    RefusalRow,
    RefusalTable,
    RefusalWords,
    RefusedAnswer,
)

WORDS: Final = RefusalWords(
    psa=NAME,
    maker="Kaseya",
    user="The user",
    keys="this username, tenant and password",
    check_keys="Check all three, and that the server is the one of your region: elsewhere the "
    "tenant is unknown. Passwords expire after 180 days, and five wrong tries lock the user.",
    server="a Kaseya BMS server",
    server_fix="Type the address at which you sign in to BMS, such as https://bms.kaseya.com.",
    grant="Open Admin > Security > Roles, choose the user's role, and allow {path}.",
    menu_paths=MENU_PATHS,
    other_path="the special feature Has API Access",
    kinds={"read_agreements": "contracts"},
)
#: The code of "Security Error": the token is missing, wrong or has expired.
SECURITY_ERROR: Final = "978001"
#: Shapes of an answer, see `RefusedAnswer.shape`.
WEB_PAGE: Final = "a web page"
CUT_OFF: Final = "JSON that is cut off"
OTHER_TEXT: Final = "another text than JSON"


def session_refused(_: RefusedAnswer) -> OldPlaceError:
    """A token may end in the middle of a sync: a new one is taken, and the question asked again."""
    return OldPlaceError(
        PsaRefused(
            "invalid_credentials",
            "Kaseya BMS accepts the password, but not the session that it gave us for it.",
            "Check that the user's security role has the special feature Has API Access.",
        )
    )


def refused_question(_: RefusedAnswer) -> PsaBadResponse:
    return PsaBadResponse(f"{NAME} refused a question of ours.", REPORT)


def unreadable_sign_in(_: RefusedAnswer) -> PsaBadResponse:
    return PsaBadResponse(
        f"{NAME} sent an answer to our sign-in that can't be read.",
        "Try again in a few minutes; if it happens again, report it to us.",
    )


def second_factor_asked(_: RefusedAnswer) -> PsaRefused:
    return PsaRefused(
        "mfa_required",
        f"{NAME} asks this user for a second factor.",
        "Use a user of the type API Employee: those are exempt. A normal employee can't sign "
        "in by program.",
    )


def user_locked(_: RefusedAnswer) -> PsaRefused:
    return PsaRefused(
        "account_locked",
        f"{NAME} has locked this user.",
        "Wait 30 minutes, or let an admin unlock the user in BMS. Then check the password and "
        "test again.",
    )


RENEWED: Final = "asked once more with a new token"
#: Answers to every question but the sign-in; also a 200 that says `success: false`.
REFUSALS: Final[RefusalTable] = (
    RefusalRow(session_refused, status="401", note=RENEWED),
    RefusalRow(session_refused, code=SECURITY_ERROR, note=RENEWED),
    RefusalRow(session_refused, words=("security error",), note=RENEWED),
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(WORDS.other_server, shape=WEB_PAGE),
    RefusalRow(WORDS.other_server, status="404"),
    RefusalRow(WORDS.permission_denied, status="403"),
    RefusalRow(
        WORDS.permission_denied,
        words=(
            "permission",
            "access denied",
            "forbidden",
            "not allowed",
            "not authori[sz]ed",
            r"\brights?\b",
        ),
    ),
    RefusalRow(refused_question),
)
#: Answers to the question who we are without a token, which a BMS server refuses in its own words.
SERVER_REFUSALS: Final[RefusalTable] = (
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(WORDS.other_server),
)
#: Answers to a sign-in. Its status and code say nothing, so refusals are sorted by their words.
SIGN_IN_REFUSALS: Final[RefusalTable] = (
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(WORDS.other_server, shape=WEB_PAGE),
    RefusalRow(WORDS.other_server, status="404 405"),
    RefusalRow(unreadable_sign_in, shape=CUT_OFF),
    RefusalRow(WORDS.other_server, shape=OTHER_TEXT),
    RefusalRow(
        second_factor_asked,
        words=(r"\bmfa", "two.?factor", r"\botp\b", "authenticator", "verification code"),
    ),
    RefusalRow(user_locked, words=("lock", "disabled", "too many")),
    RefusalRow(WORDS.invalid_credentials),
)
TABLES: Final = {
    "Every question": REFUSALS,
    "Is it a BMS server": SERVER_REFUSALS,
    "Signing in": SIGN_IN_REFUSALS,
}


def envelope_of(response: PsaResponse) -> Envelope | None:
    """The answer's envelope; None when it is none."""
    try:
        return decode_lowered(response, Envelope, NAME)
    except PsaBadResponse:
        return None


def refused_answer(
    response: PsaResponse, *, right: str = "", host: str = "", is_sign_in: bool = False
) -> RefusedAnswer:
    """What the tables look at: the error in the envelope, or what the answer is like without."""
    envelope = envelope_of(response)
    shape = WEB_PAGE if response.is_html else ""
    if is_sign_in and not shape and envelope is None and response.status < 400:
        shape = CUT_OFF if response.content.lstrip().startswith(b"{") else OTHER_TEXT
    error = (envelope.error if envelope else None) or ErrorInfo()
    return RefusedAnswer(
        response.status,
        text=f"{clean(error.message)} {clean(error.details)}".casefold(),
        code=str(error.code or ""),
        shape=shape,
        right=right,
        host=host,
    )
