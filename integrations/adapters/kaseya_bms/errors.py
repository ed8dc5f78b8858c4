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
CUT_OFF: Final = "JSON that is cut off"


def session_refused(_: RefusedAnswer) -> OldPlaceError:
    """A token may end in the middle of a sync: a new one is taken, and the question asked again."""
    return OldPlaceError(
        PsaRefused(
            "invalid_credentials",
            "Kaseya BMS accepts the password, but not the session that it gave us for it.",
            "Check that the user's security role has the special feature Has API Access.",
        )
    )


def blocked_or_ended(answer: RefusedAnswer) -> OldPlaceError:
    """How a server of BMS's says that a token has ended is known of one release alone."""
    return OldPlaceError(WORDS.blocked(answer))


def refused_question(_: RefusedAnswer) -> PsaBadResponse:
    return PsaBadResponse(f"{NAME} refused a question of ours.", REPORT)


def unreadable_sign_in(_: RefusedAnswer) -> PsaBadResponse:
    return PsaBadResponse(
        f"{NAME} sent an answer to our sign-in that can't be read.",
        "Try again in a few minutes; if it happens again, report it to us.",
    )


def unknown_refusal(answer: RefusedAnswer) -> PsaRefused:
    """A sign-in that the server refused, and did not say why."""
    return PsaRefused(
        "invalid_credentials",
        f"{NAME} refused our sign-in in a form that can't be read (status {answer.status}).",
        f"{WORDS.check_keys} It is not tried again by itself, for that could lock the user; if all "
        "three are right, report it to us.",
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


def no_api_access(_: RefusedAnswer) -> PsaRefused:
    return PsaRefused(
        "permission_denied",
        f"{NAME} knows the user, but does not let it use the API.",
        "Open Admin > Security > Roles, choose the user's role, and give it the special feature "
        "Has API Access. The user type API Employee is made for that.",
    )


#: How BMS may say that something is not allowed; none of it is documented.
NOT_ALLOWED: Final = (
    "permission", "access denied", "access is denied", "forbidden", "not allowed", "not permitted",
    "not authori[sz]ed", r"\brights?\b",
)  # fmt: skip
#: How it may say that a user who is known may not sign in by program.
NO_API_ACCESS: Final = (
    r"\bapi\b.*\b(access|employee|feature|login|user|enabled?|disabled|allow)",
    r"\b(access|allowed|enabled|permitted|authori[sz]ed)\b.*\bapi\b",
)
RENEWED: Final = "asked once more with a new token"
#: Answers to every question but the sign-in; also a 200 that says `success: false`.
REFUSALS: Final[RefusalTable] = (
    RefusalRow(session_refused, code=SECURITY_ERROR, note=RENEWED),
    RefusalRow(session_refused, words=("security error",), note=RENEWED),
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(blocked_or_ended, status="401", is_foreign=True, note=RENEWED),
    RefusalRow(WORDS.blocked, is_foreign=True),
    RefusalRow(session_refused, status="401", note=RENEWED),
    RefusalRow(WORDS.other_server, status="404"),
    RefusalRow(WORDS.permission_denied, status="403"),
    RefusalRow(WORDS.permission_denied, words=NOT_ALLOWED),
    RefusalRow(refused_question),
)
#: Answers to the question who we are without a token, which a BMS server refuses in its own words.
SERVER_REFUSALS: Final[RefusalTable] = (
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(WORDS.other_server, status="2xx 404"),
    RefusalRow(WORDS.blocked, is_foreign=True),
    RefusalRow(WORDS.other_server),
)
#: Answers to a sign-in. Its status and code say nothing, so refusals are sorted by their words.
SIGN_IN_REFUSALS: Final[RefusalTable] = (
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(unreadable_sign_in, shape=CUT_OFF),
    RefusalRow(
        WORDS.blocked,
        is_foreign=True,
        note="JSON or text of a 4xx is refused keys instead if the server itself answers the "
        "question who we are",
    ),
    RefusalRow(WORDS.other_server, status="404 405"),
    RefusalRow(
        second_factor_asked,
        words=(r"\bmfa", "two.?factor", r"\botp\b", "authenticator", "verification code"),
    ),
    RefusalRow(no_api_access, words=NO_API_ACCESS),
    RefusalRow(user_locked, words=("lock", "disabled", "too many")),
    RefusalRow(no_api_access, words=NOT_ALLOWED),
    RefusalRow(no_api_access, status="403"),
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
    response: PsaResponse, *, right: str = "", is_sign_in: bool = False
) -> RefusedAnswer:
    """What the tables look at: the error in the envelope, or what the answer is like without.

    An answer without an envelope is foreign, unless it is empty. A good status with half of one is
    just an answer that can't be read.
    """
    envelope, content = envelope_of(response), response.content.strip()
    is_cut_off = is_sign_in and response.status < 400 and content.startswith(b"{")
    is_own = envelope is not None and (envelope.is_one or response.status < 300)
    error = (envelope.error if envelope else None) or ErrorInfo()
    return RefusedAnswer(
        response.status,
        text=f"{clean(error.message)} {clean(error.details)}".casefold(),
        code=str(error.code or ""),
        shape=CUT_OFF if is_cut_off and envelope is None else "",
        right=right,
        is_foreign=bool(content) and not is_own,
        response=response,
    )
