"""The rule for two companies; its table of cases is that of docs/matching.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.matching.contact_points import domain_of, is_free_mail, number_of
from integrations.matching.names import read_name
from integrations.matching.rule import (
    MESSAGES,
    NAME_POINTS,
    OTHER_POINTS,
    Profile,
    Shared,
    compare,
    profile_of,
    sentence,
)

PAGE = Path("docs/matching.md").read_text()


def cases() -> list[tuple[str, str, int, str]]:
    rows = PAGE.split("<!-- cases -->")[1].split("<!-- /cases -->")[0].strip().splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return [(ours, theirs, int(score), why) for ours, theirs, score, why in cells]


def profile(text: str) -> Profile:
    name, email, phone = ([part.strip() for part in text.split(";")] + [""] * 2)[:3]
    return profile_of(name, [email], [phone])


@pytest.mark.parametrize(("ours", "theirs", "score", "why"), cases())
def test_the_published_cases(ours: str, theirs: str, score: int, why: str) -> None:
    match = compare(profile(ours), profile(theirs))

    assert (match.score, ", ".join(match.codes)) == (score, why)


def test_the_page_has_all_of_the_cases() -> None:
    assert len(cases()) == 50


texts = st.text(max_size=40) | st.sampled_from(
    ["Acme Corp", "Amber Vet", "Weber GmbH & Co. KG", "🦊"]
)
profiles = st.builds(
    profile_of, texts, st.lists(st.emails(), max_size=2), st.lists(texts, max_size=2)
)


@given(profiles, profiles)
def test_both_ways_are_the_same_and_each_reason_has_its_sentence(
    one: Profile, other: Profile
) -> None:
    match = compare(one, other)

    assert compare(other, one) == match
    assert 0 <= match.score <= 100
    for code, value in match.reasons:
        assert sentence(code, value).endswith(".")
        assert "{" not in sentence(code, value)


def test_each_code_has_points_and_a_sentence() -> None:
    assert set(MESSAGES) == {*NAME_POINTS, *OTHER_POINTS}


def test_what_others_have_as_well_tells_less() -> None:
    ours = profile("Amber Vet; a@ambervet.com; 2125550142")
    theirs = profile("Amber Vet; b@ambervet.com; 2125550142")
    shared = Shared(domains={"ambervet.com"}, numbers={"125550142"})

    match = compare(ours, theirs, shared)

    assert (match.score, match.codes) == (87, ["same_name", "shared_domain", "shared_phone"])


@pytest.mark.parametrize(
    ("text", "score"),
    [
        *((nothing, 0) for nothing in ("", " ", "🦊", "—", "\0")),
        *((short, 55) for short in ("A", "Z.", "株", "q 🦊")),
        *((long, 80) for long in ("x" * 300, "abc " * 100, "株" * 300, "🦊 Acme " * 40)),
    ],
)
def test_odd_names_are_compared_like_others(text: str, score: int) -> None:
    assert len(read_name(text).words) <= 40
    assert compare(profile_of(text), profile_of(text)).score == score


def test_names_that_say_little_are_not_suggested_to_each_other() -> None:
    """None comes to the 60 points of a suggestion."""
    odd = ["", "🦊", "A", "B", "株", "x" * 300, "y" * 300]

    scores = {compare(profile_of(a), profile_of(b)).score for a in odd for b in odd if a != b}

    assert scores == {0}


@pytest.mark.parametrize(
    ("email", "domain"),
    [
        ("ada@acme.com", "acme.com"),
        ("Ada@ACME.com ", "acme.com"),
        ("ada@mail.acme.com", "acme.com"),
        ("ada@mail.com", ""),
        ("ada@gmail.com", ""),
        ("ada@yahoo.co.uk", ""),
        ("ada@yahoo.com", ""),
        ("ada@hotmail.fr", ""),
        ("ada@outlook.com.br", ""),
        ("ada@yahoo.acme.com", "yahoo.acme.com"),
        ("ada@gmx.de", ""),
        ("ada@example.com", ""),
        ("ada@acme.invalid", ""),
        ("ada@acme.example", "acme.example"),
        ("no address", ""),
        ("", ""),
    ],
)
def test_domains(email: str, domain: str) -> None:
    assert domain_of(email) == domain


def test_free_mail_names_are_no_part_of_others() -> None:
    assert not is_free_mail("webshop.com")
    assert not is_free_mail("live.acme.com")


@pytest.mark.parametrize(
    ("phone", "digits"),
    [
        ("+1 (212) 555-0142", "125550142"),
        ("212.555.0142 x12", "125550142"),
        ("212 555 0142 ext. 4", "125550142"),
        ("555-0142", "5550142"),
        ("12345", ""),
        ("000 000 0000", ""),
        ("", ""),
        ("n/a", ""),
    ],
)
def test_numbers(phone: str, digits: str) -> None:
    assert number_of(phone) == digits
