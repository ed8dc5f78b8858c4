"""What Autotask's refusals mean. A 500 is often the asker's mistake there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from integrations.adapters.autotask.guide import INFO, LEVEL, MENU_PATHS, NAME
from integrations.psa.errors import ASK_LATER, PsaError, PsaRateLimited, PsaRefused
from integrations.psa.http import PsaResponse
from integrations.psa.questions import OldPlaceError
from integrations.psa.refusals import RefusalRow, RefusalTable, RefusalWords, RefusedAnswer

WORDS: Final = RefusalWords(
    psa=NAME,
    maker=NAME,
    user="The API user",
    keys="this Username (Key) and Password (Secret)",
    check_keys="Check both under Admin > Resources (Users) > the API user: it must be Active, not "
    "Locked, and an API User. A user that was made a moment ago may be refused for up to five "
    "minutes: test again then. After that, generate a new secret if need be.",
    grant="Give the API user the security level API User (system), or open "
    f"{LEVEL}, edit its own level, and allow {{path}}.",
    menu_paths=MENU_PATHS,
    other_path="System > all of it: View",
    kinds={
        "read_agreements": "contracts",
        "read_lines": "services, bundles and their units",
    },
)


def too_many_at_once(_: RefusedAnswer) -> PsaRateLimited:
    return PsaRateLimited(
        f"{NAME} says: too many requests at once.",
        ASK_LATER,
    )


def refused_or_new(answer: RefusedAnswer) -> PsaRefused:
    """A user that was made a moment ago is refused like a wrong one, for up to five minutes."""
    error = WORDS.invalid_credentials(answer)
    return PsaRefused(error.code, error.message, error.fix, may_pass=True)


def tracking_identifier_refused(_: RefusedAnswer) -> PsaRefused:
    return PsaRefused(
        "invalid_credentials",
        "Autotask does not accept this tracking identifier.",
        "Copy the identifier from Admin > Resources (Users) > the API user > API Tracking "
        "Identifier; it belongs to that user.",
    )


def unknown_user(_: RefusedAnswer) -> PsaRefused:
    return PsaRefused(
        "invalid_credentials",
        "Autotask knows no API user with this Username (Key).",
        "Copy the Username (Key) again from Admin > Resources (Users) > the API user > "
        "Credentials.",
    )


def odd_character(field: str) -> PsaRefused:
    label = next(one.label for one in INFO.fields if one.name == field)
    return PsaRefused(
        "invalid_credentials",
        f"The {label} holds a character that no key has.",
        f"Copy the {label} again from Admin > Resources (Users) > the API user, and nothing with "
        "it: programs like to turn a hyphen into a dash, and dots into an ellipsis.",
    )


def no_zone_server(_: RefusedAnswer) -> PsaRefused:
    return PsaRefused(
        "not_a_psa_server",
        "The server that tells Autotask's zones answers, but not as Autotask does.",
        "Try again; if it happens again, report it to us.",
    )


def unless_moved(
    meaning: Callable[[RefusedAnswer], PsaError],
) -> Callable[[RefusedAnswer], OldPlaceError]:
    """The error that the answer means, unless the tenant lives in another zone now."""
    return lambda answer: OldPlaceError(meaning(answer))


ASKED_AGAIN: Final = "asked once more if the tenant has moved to another zone"
#: "Too many at once" is a 429, but other statuses were seen with the same words.
TOO_MANY: Final = RefusalRow(too_many_at_once, words=("thread threshold", "itgenatr005"))
#: Answers to every question but the one for the zone.
REFUSALS: Final[RefusalTable] = (
    TOO_MANY,
    RefusalRow(tracking_identifier_refused, words=("integrationcode", "integration code")),
    RefusalRow(WORDS.permission_denied, words=("permission",)),
    RefusalRow(
        unless_moved(WORDS.invalid_credentials), words=("zone information",), note=ASKED_AGAIN
    ),
    RefusalRow(unless_moved(refused_or_new), status="401", note=ASKED_AGAIN),
    RefusalRow(unless_moved(WORDS.blocked), status="404", is_foreign=True, note=ASKED_AGAIN),
    RefusalRow(WORDS.blocked, is_foreign=True),
    RefusalRow(WORDS.permission_denied, status="403"),
    RefusalRow(unless_moved(WORDS.refused_question), status="404", note=ASKED_AGAIN),
    RefusalRow(
        WORDS.refused_question,
        words=("unable to find", "invalid query", "maxcountofrecords", "'or' conditions"),
    ),
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(WORDS.refused_question),
)
#: Answers to `zoneInformation`, which looks at no keys; an unknown user is a 500 that names it.
ZONE_REFUSALS: Final[RefusalTable] = (
    TOO_MANY,
    RefusalRow(unknown_user, words=("zone information",)),
    RefusalRow(WORDS.blocked, is_foreign=True),
    RefusalRow(unknown_user, status="401 404"),
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(no_zone_server),
)
TABLES: Final = {"Every question": REFUSALS, "Which zone": ZONE_REFUSALS}


def is_refusal(response: PsaResponse) -> bool:
    """Whether an answer is no good one; a 200 may hold nothing but errors."""
    return response.status != 200 or response.content.lstrip()[:12].startswith(b'{"errors"')


def refused_answer(response: PsaResponse, right: str = "") -> RefusedAnswer:
    """What the tables look at. An answer is Autotask's own if it is JSON with `errors` or with
    `Message`, or plain text, as long as that does not stand for a missing right or record.
    """
    text, content = error_text(response), response.content.lstrip()
    is_plain = not response.is_html and not content.startswith((b"{", b"["))
    may_be_own = is_plain and not (content and response.status in {403, 404})
    is_foreign = text is None and not may_be_own
    plain = response.content[:2000].decode(errors="replace").casefold() if is_plain else ""
    return RefusedAnswer(
        response.status, text or plain, right=right, is_foreign=is_foreign, response=response
    )


def error_text(response: PsaResponse) -> str | None:
    """All words of an error body, lower case: `errors` (texts or objects) and `Message`; None if it
    has neither.
    """
    try:
        body = msgspec.json.decode(response.content)
    except msgspec.DecodeError:
        return None
    found = body.items() if isinstance(body, dict) else ()
    told = [value for name, value in found if name.casefold() in {"errors", "message"}]
    words = [
        str(item.get("message", "")) if isinstance(item, dict) else str(item)
        for value in told
        for item in (value if isinstance(value, list) else [value])
    ]
    return " ".join(words).casefold() if told else None
