"""The pages of the import list, in the order of names."""

from __future__ import annotations

from typing import Any

import pytest

from audit_site.db.counting import LIST_LIMIT, CappedCount, capped_count
from audit_site.tenants.models import Tenant
from integrations.importing.selectors import import_list_page, list_psa_companies
from integrations.models import Integration, PsaCompanyRecord
from tests.factories import make_integration, make_psa_company
from tests.integrations.importing.import_lists import add


@pytest.fixture
def alphabet(integration: Integration) -> Integration:
    add(integration, *(f"{letter} firm" for letter in "hcbadgfe"))
    return integration


def shown(integration: Integration, **where: Any) -> tuple[str, bool, bool]:
    """The first letters on a page of three, and whether there are pages before and after it."""
    page = import_list_page(integration, list_psa_companies(integration), size=3, **where)
    return "".join(row.name[0] for row in page.rows), page.previous != "", page.next != ""


def id_of(letter: str) -> str:
    return PsaCompanyRecord.objects.get(name=f"{letter} firm").external_id


def test_pages_follow_one_another_in_the_order_of_names(alphabet: Integration) -> None:
    assert shown(alphabet) == ("abc", False, True)
    assert shown(alphabet, after=id_of("c")) == ("def", True, True)
    assert shown(alphabet, after=id_of("f")) == ("gh", True, False)
    assert shown(alphabet, before=id_of("g")) == ("def", True, True)
    assert shown(alphabet, before=id_of("d")) == ("abc", False, True)


def test_a_page_ahead_of_too_few_rows_is_the_first_page(alphabet: Integration) -> None:
    assert shown(alphabet, before=id_of("b")) == ("abc", False, True)


def test_a_name_jumps_into_the_list_and_past_it_to_its_end(alphabet: Integration) -> None:
    assert shown(alphabet, start="É") == ("efg", True, True)
    assert shown(alphabet, start="zz") == ("fgh", True, False)


def test_a_row_that_is_gone_from_the_filter_still_marks_the_place(alphabet: Integration) -> None:
    PsaCompanyRecord.objects.filter(name="c firm").update(importable=False)
    rows = list_psa_companies(alphabet, importable=True)

    page = import_list_page(alphabet, rows, after=id_of("c"), size=2)

    assert [row.name for row in page.rows] == ["d firm", "e firm"]


def test_what_is_no_row_of_this_list_begins_it(alphabet: Integration, other_tenant: Tenant) -> None:
    foreign = make_psa_company(make_integration(other_tenant), name="f firm")

    assert shown(alphabet, after=foreign.external_id) == ("abc", False, True)
    assert shown(alphabet, before="nobody") == ("abc", False, True)
    assert shown(alphabet, after="\0", start="\0") == ("abc", False, True)


def test_equal_names_lose_no_row_between_pages(integration: Integration) -> None:
    for number in range(7):
        make_psa_company(integration, external_id=f"id{number}", search_text="the same")
    rows = list_psa_companies(integration)

    forward, after = [], ""
    while True:
        page = import_list_page(integration, rows, after=after, size=2)
        forward += [row.external_id for row in page.rows]
        if not page.next:
            break
        after = page.next
    back = import_list_page(integration, rows, before="id5", size=2)

    assert forward == [f"id{number}" for number in range(7)]
    assert [row.external_id for row in back.rows] == ["id3", "id4"]


def test_a_long_list_is_counted_up_to_a_limit(integration: Integration) -> None:
    add(integration, "One", "Two", "Three")
    rows = list_psa_companies(integration)

    assert str(capped_count(rows, 2)) == "2+"
    assert str(capped_count(rows, 3)) == "3"
    assert str(CappedCount(LIST_LIMIT + 1, LIST_LIMIT)) == "10,000+"
