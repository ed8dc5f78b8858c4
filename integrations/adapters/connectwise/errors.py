"""What ConnectWise's refusals mean. Bodies are not always JSON there."""

from __future__ import annotations

from typing import Final

import msgspec

from integrations.adapters.connectwise.guide import CLIENT_ID, MENU_PATHS, NAME, TABLES_PATH
from integrations.adapters.connectwise.wire import ErrorBody
from integrations.psa.decoding import clean
from integrations.psa.errors import PsaRefused
from integrations.psa.http import PsaResponse
from integrations.psa.questions import OldPlaceError
from integrations.psa.refusals import RefusalRow, RefusalTable, RefusalWords, RefusedAnswer

WORDS: Final = RefusalWords(
    psa=NAME.removesuffix(" Manage"),
    maker="ConnectWise",
    user="The API member",
    keys="these keys for this Company ID",
    check_keys="Check Company ID, public and private key. A private key can't be shown again: make "
    "new keys under System > Members > API Members > the member > API Keys if need be.",
    server="a ConnectWise server",
    server_fix="Type the address you see when you sign in to ConnectWise, such as "
    "na.myconnectwise.net.",
    grant="Open System > Security Roles, choose the API member's role, and allow {path}.",
    menu_paths=MENU_PATHS,
    other_path=TABLES_PATH,
    kinds={"read_lines": "additions"},
)
#: Shapes of an answer, see `RefusedAnswer.shape`.
NO_CLIENT_ID: Final = "we sent no client ID"
NULL: Final = "`null`"
WITH_MESSAGE: Final = "with a message in JSON"


def client_id_refused(_: RefusedAnswer) -> PsaRefused:
    return PsaRefused(
        "client_id_refused",
        "ConnectWise does not accept audIT's client ID.",
        f"This is ours to mend: whoever runs audIT sets {CLIENT_ID.name} to a registered one.",
    )


def other_host(answer: RefusedAnswer) -> OldPlaceError:
    """The cloud's answer under a host that is not the API's: companyinfo may name the right one."""
    return OldPlaceError(WORDS.other_server(answer))


def unknown_company(_: RefusedAnswer) -> PsaRefused:
    return PsaRefused(
        "invalid_credentials",
        "ConnectWise knows no company with this Company ID.",
        "Type the Company ID as on ConnectWise's sign-in page; capitals may matter.",
    )


#: Answers to every question but the one for the codebase.
REFUSALS: Final[RefusalTable] = (
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(
        other_host, words=("ssl is required",), note="asked again where ConnectWise says it is"
    ),
    RefusalRow(client_id_refused, words=("clientid",)),
    RefusalRow(WORDS.permission_denied, code="security"),
    RefusalRow(WORDS.invalid_credentials, words=("cannot route", "usernotauthenticated")),
    RefusalRow(WORDS.blocked, is_foreign=True),
    RefusalRow(client_id_refused, status="403", shape=NO_CLIENT_ID),
    RefusalRow(WORDS.permission_denied, status="403"),
    RefusalRow(WORDS.invalid_credentials, status="401", note="asked once more after a moment"),
    RefusalRow(
        WORDS.invalid_credentials,
        status="404",
        note="the cloud may answer refused keys so; asked again under a new release",
    ),
    RefusalRow(WORDS.refused_question),
)
#: Answers to `/login/companyinfo/`, which names the codebase and looks at no keys.
CODEBASE_REFUSALS: Final[RefusalTable] = (
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(unknown_company, status="200", shape=NULL),
    RefusalRow(unknown_company, status="404", shape=WITH_MESSAGE),
    RefusalRow(WORDS.other_server, status="200 404"),
    RefusalRow(WORDS.blocked, is_foreign=True),
    RefusalRow(WORDS.other_server),
)
TABLES: Final = {"Every question": REFUSALS, "Which codebase": CODEBASE_REFUSALS}


def error_body(response: PsaResponse) -> ErrorBody:
    """The error's code and message, as far as the body is one."""
    try:
        body = msgspec.json.decode(response.content, type=ErrorBody)
    except msgspec.DecodeError:
        body = ErrorBody()
    return ErrorBody(code=clean(body.code), message=clean(body.message))


def refused_answer(response: PsaResponse, *, right: str, has_client_id: bool) -> RefusedAnswer:
    """What the table of refusals looks at: message and body, however the body is written."""
    body = error_body(response)
    text = f"{body.message} {response.content[:500].decode(errors='replace')}"
    return RefusedAnswer(
        response.status,
        text="" if response.is_html else text.casefold(),
        code=(body.code or "").casefold(),
        shape="" if has_client_id else NO_CLIENT_ID,
        right=right,
        is_foreign=is_foreign(response),
        response=response,
    )


def is_foreign(response: PsaResponse) -> bool:
    """Whether an error is none of ConnectWise's: a web page, or JSON without a code in words.

    An empty one may be its own, and so may a plain text that refuses keys: neither is documented.
    """
    body, text = error_body(response), response.content.strip()
    is_plain = not response.is_html and not text.startswith((b"{", b"["))
    may_be_own = not text or (is_plain and response.status == 401)
    return not may_be_own and not body.code
