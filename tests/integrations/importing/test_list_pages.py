"""The pages of the import list, in the order of names."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest

from audit_site.db.counting import LIST_LIMIT, CappedCount, capped_count
from audit_site.tenants.models import Tenant
from integrations.importing.table import Filters, Tab, TablePage, condition, page_of, rows_of
from integrations.models import Integration, PsaCompanyRecord
from tests.factories import make_integration, make_psa_company
from tests.integrations.importing.import_lists import add


@pytest.fixture
def alphabet(integration: Integration) -> Integration:
    """Eight companies, in two lists of one tenant."""
    other = make_integration(integration.tenant)
    for number, letter in enumerate("hcbadgfe"):
        add((integration, other)[number % 2], f"{letter} firm")
    return integration


def page(integration: Integration, tab: Tab = Tab.ALL, **where: Any) -> TablePage:
    tenant = integration.tenant
    rows = rows_of(tenant, Integration.objects.for_tenant(tenant)).filter(condition(Filters(tab)))
    return page_of(tenant, rows, **where)


def shown(integration: Integration, **where: Any) -> tuple[str, bool, bool]:
    """The first letters on a page of three, and whether there are pages before and after it."""
    found = page(integration, size=3, **where)
    letters = "".join(row.name[0] for row in found.rows)
    return letters, found.previous is not None, found.next is not None


def id_of(letter: str) -> UUID:
    return PsaCompanyRecord.objects.get(name=f"{letter} firm").pk


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

    found = page(alphabet, Tab.ADD, after=id_of("c"), size=2)

    assert [row.name for row in found.rows] == ["d firm", "e firm"]


def test_what_is_no_row_of_this_list_begins_it(alphabet: Integration, other_tenant: Tenant) -> None:
    foreign = make_psa_company(make_integration(other_tenant), name="f firm")

    assert shown(alphabet, after=foreign.pk) == ("abc", False, True)
    assert shown(alphabet, before=UUID(int=0)) == ("abc", False, True)
    assert shown(alphabet, start="\0") == ("abc", False, True)


def test_equal_names_lose_no_row_between_pages(integration: Integration) -> None:
    for number in range(7):
        make_psa_company(integration, external_id=f"id{number}", search_text="the same")
    ids = list(integration.psa_companies.order_by("id").values_list("pk", flat=True))

    forward: list[UUID] = []
    following = page(integration, size=2)
    while True:
        forward += [row.pk for row in following.rows]
        if following.next is None:
            break
        following = page(integration, after=following.next, size=2)
    back = page(integration, before=ids[5], size=2)

    assert forward == ids
    assert [row.pk for row in back.rows] == ids[3:5]


def test_a_long_list_is_counted_up_to_a_limit(integration: Integration) -> None:
    add(integration, "One", "Two", "Three")
    rows = integration.psa_companies.all()

    assert str(capped_count(rows, 2)) == "2+"
    assert str(capped_count(rows, 3)) == "3"
    assert str(CappedCount(LIST_LIMIT + 1, LIST_LIMIT)) == "10,000+"
