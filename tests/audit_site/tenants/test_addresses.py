"""E-mail addresses: one form for each, and none that only looks like another."""

from __future__ import annotations

import pytest

from audit_site.errors import FieldErrors
from audit_site.tenants.addresses import clean_address

LOOKS_ALIKE = "has letters that look like others. Type it by hand, in letters of one alphabet."


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" Ada@Example.COM ", "ada@example.com"),
        ("\uff41da\uff20example.com", "ada@example.com"),
        ("a.b+c@müller.de", "a.b+c@xn--mller-kva.de"),
        ("a@straße.de", "a@xn--strae-oqa.de"),
        ("a@пример.рф", "a@xn--e1afmkfd.xn--p1ai"),
        ("a@日本ごカ.日", "a@xn--38jvjz72mncb.xn--wgv"),
    ],
)
def test_one_address_has_one_form(typed: str, kept: str) -> None:
    assert clean_address(typed) == kept
    assert clean_address(kept) == kept


@pytest.mark.parametrize(
    "typed",
    [
        "аda@example.com",  # noqa: RUF001  Cyrillic a
        "ada@exаmple.com",  # noqa: RUF001
        "ada@аррӏе.com",  # noqa: RUF001  all Cyrillic but for .com
        "ada@exαmple.com",  # noqa: RUF001  Greek
        "ada@exɑmple.com",  # noqa: RUF001  Latin alpha
        "ada@xn--exmple-4nf.com",  # Cyrillic again, as a browser sends it
        "adı@example.com",  # noqa: RUF001  dotless i
    ],
)
def test_what_looks_like_another_address_is_refused(typed: str) -> None:
    with pytest.raises(FieldErrors) as refused:
        clean_address(typed)

    (error,) = refused.value.errors
    assert error == {"field": "email", "code": "invalid", "message": f"“{typed}” {LOOKS_ALIKE}"}


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "nobody",
        "a@",
        "@b.example",
        "a b@c.example",
        "a@b@c.example",
        "a@-b.example",
        "a\0@b.example",
        "a@xn--0.example",
    ],
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(FieldErrors, match="another look") as refused:
        clean_address(typed)

    assert "is not an e-mail address." in refused.value.errors[0]["message"]


def test_ten_thousand_characters_are_refused_and_not_repeated() -> None:
    for typed in ("a" * 10_000 + "@example.com", "a@" + "b." * 150 + "example.com"):
        with pytest.raises(FieldErrors) as refused:
            clean_address(typed)
        assert len(refused.value.errors[0]["message"]) < 200
