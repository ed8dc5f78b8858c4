from __future__ import annotations

import pytest

from integrations.psa.http import PsaResponse
from integrations.psa.refusals import (
    RefusalRow,
    RefusalTable,
    RefusalWords,
    RefusedAnswer,
    find_refusal,
)

WORDS = RefusalWords(
    psa="Tidewater",
    maker="Tide & Co",
    user="The sailor",
    keys="this key",
    check_keys="Ask the harbour master.",
    server="a Tidewater server",
    server_fix="Type the harbour's address.",
    grant="Open Berths, and allow {path}.",
    menu_paths={"read_companies": "Clients: View"},
    other_path="everything",
    kinds={"read_agreements": "deals"},
)
TABLE: RefusalTable = (
    RefusalRow(WORDS.unavailable, status="5xx"),
    RefusalRow(WORDS.permission_denied, status="403", words=("no right", r"\bberths?\b")),
    RefusalRow(WORDS.other_server, shape="a web page"),
    RefusalRow(WORDS.invalid_credentials, status="401 404"),
    RefusalRow(WORDS.invalid_credentials, code="e7"),
    RefusalRow(WORDS.refused_question),
)


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (RefusedAnswer(500), "psa_unavailable"),
        (RefusedAnswer(503, text="no right"), "psa_unavailable"),
        (RefusedAnswer(403, text="you have no right"), "permission_denied"),
        (RefusedAnswer(403, text="berth 7 is taken"), "permission_denied"),
        (RefusedAnswer(403, text="berthing"), "bad_response"),
        (RefusedAnswer(200, shape="a web page"), "not_a_psa_server"),
        (RefusedAnswer(401), "invalid_credentials"),
        (RefusedAnswer(404), "invalid_credentials"),
        (RefusedAnswer(400, code="e7"), "invalid_credentials"),
        (RefusedAnswer(400, code="e8"), "bad_response"),
    ],
)
def test_the_first_row_that_fits_says_what_an_answer_means(
    answer: RefusedAnswer, code: str
) -> None:
    assert find_refusal(TABLE, answer).code == code


def test_the_sentences_are_made_of_the_psas_own_words() -> None:
    response = PsaResponse(418, {}, b"{}", host="sea.example")
    answer = RefusedAnswer(418, right="read_agreements", response=response)

    sentences = [
        WORDS.unavailable(answer).sentence,
        WORDS.invalid_credentials(answer).sentence,
        WORDS.permission_denied(answer).sentence,
        WORDS.other_server(answer).sentence,
        WORDS.refused_question(answer).sentence,
    ]

    assert sentences == [
        "Tidewater had an error of its own (status 418). Try again in a few minutes; Tide & Co's "
        "status page says whether there is an outage.",
        "Tidewater does not accept this key. Ask the harbour master.",
        "The sailor may not read deals in Tidewater. Open Berths, and allow everything.",
        "sea.example answers, but not as a Tidewater server. Type the harbour's address.",
        "Tidewater refused a question of ours (status 418). Report it to us.",
    ]


@pytest.mark.parametrize(
    ("right", "what"),
    [("read_companies", "companies"), ("read_agreements", "deals"), ("", "this")],
)
def test_what_a_right_reads_has_the_psas_word(right: str, what: str) -> None:
    assert WORDS.kind_of(right) == what
