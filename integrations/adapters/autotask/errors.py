"""What Autotask's refusals mean. A 500 is often the asker's mistake there."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from integrations.adapters.autotask.guide import LEVEL, MENU_PATHS, NAME
from integrations.psa.errors import PsaError, PsaRateLimited, PsaRefused
from integrations.psa.http import PsaResponse
from integrations.psa.questions import OldPlaceError
from integrations.psa.refusals import RefusalRow, RefusalTable, RefusalWords, RefusedAnswer

WORDS: Final = RefusalWords(
    psa=NAME,
    maker=NAME,
    user="The API user",
    keys="this Username (Key) and Password (Secret)",
    check_keys="Check both under Admin > Resources (Users) > the API user: it must be Active, not "
    "Locked, and an API User. Generate a new secret if need be.",
    grant="Give the API user the security level API User (system), or open "
    f"{LEVEL}, edit its own level, and allow {{path}}.",
    menu_paths=MENU_PATHS,
    other_path="System > all of it: View",
    kinds={"read_agreements": "recurring service contracts and their units"},
)


def too_many_at_once(_: RefusedAnswer) -> PsaRateLimited:
    return PsaRateLimited(
        f"{NAME} says: too many requests at once.",
        "Nothing to do: the work goes on by itself after the wait.",
    )


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
    RefusalRow(WORDS.permission_denied, status="403"),
    RefusalRow(WORDS.permission_denied, words=("permission",)),
    RefusalRow(unless_moved(WORDS.invalid_credentials), status="401", note=ASKED_AGAIN),
    RefusalRow(
        unless_moved(WORDS.invalid_credentials), words=("zone information",), note=ASKED_AGAIN
    ),
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
    RefusalRow(unknown_user, status="401 404"),
    RefusalRow(unknown_user, words=("zone information",)),
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(no_zone_server),
)
TABLES: Final = {"Every question": REFUSALS, "Which zone": ZONE_REFUSALS}


def is_refusal(response: PsaResponse) -> bool:
    """Whether an answer is no good one; a 200 may hold nothing but errors."""
    return response.status != 200 or response.content.lstrip()[:12].startswith(b'{"errors"')


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
