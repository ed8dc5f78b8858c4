from __future__ import annotations

import pytest

from integrations.psa.contact_methods import email_in, first_email, first_phone, phone_in


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("ada@example.com", "ada@example.com"),
        (" Ada <ada.l@mail.example.co.uk> ", "ada.l@mail.example.co.uk"),
        ("ada@example.com; bob@example.com", "ada@example.com"),
        ("mailto:ada@example.com", "ada@example.com"),
        ("e-mail: ada+psa@example.com (work)", "ada+psa@example.com"),
        ("ada@example.com.", "ada@example.com"),
        ("\u200bada@example.com\ufeff", "ada@example.com"),
        ("ada\uff20example.com", "ada@example.com"),
        ("jürgen@müller.example", "jürgen@müller.example"),
        ("o'brien@example.ie", "o'brien@example.ie"),
        ("n/a, ask bob@example.com", "bob@example.com"),
    ],
)
def test_one_address_is_found_in_what_people_type(text: str, address: str) -> None:
    assert email_in(text) == address


@pytest.mark.parametrize(
    "text",
    [None, "", " ", "n/a", "noemail", "-", "none", "@", "ada@", "@example.com", "ada@example",
     "ada at example.com", "ada@@example", "ada@-.com", "ada@1.2", "x" * 250 + "@example.com",
     "http://example.com", "ada@example."],
)  # fmt: skip
def test_what_is_no_address_is_none(text: str | None) -> None:
    assert email_in(text) == ""


@pytest.mark.parametrize("text", ["910-555-0143", "+44 (0)20 7946 0000 x12", "911", " 555 0100 "])
def test_a_number_stays_as_it_is_written(text: str) -> None:
    assert phone_in(text) == text.strip()


@pytest.mark.parametrize("text", [None, "", "-", "n/a", "none", "x", "call Bob", "ext", "12"])
def test_what_has_hardly_a_digit_is_no_number(text: str | None) -> None:
    assert phone_in(text) == ""


def test_the_first_that_is_one_is_taken() -> None:
    assert first_email(["n/a", None, "noemail", "real@example.com", "b@example.com"]) == (
        "real@example.com"
    )
    assert first_phone([None, "-", "555-0100", "555-0101"]) == "555-0100"
    assert first_email([]) == first_phone(["-"]) == ""
