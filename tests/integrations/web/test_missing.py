"""Is one missing? Which company is meant, and that nobody is picked silently."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from audit_site.tenants.models import Tenant, User
from integrations.importing.selectors import company_meant
from integrations.models import Integration, PsaCompanyRecord
from integrations.sandbox.server import SandboxServer
from tests.clients import browser, text
from tests.factories import make_company, make_integration, make_link, make_psa_company


@pytest.fixture
def integration(tenant: Tenant) -> Integration:
    integration = make_integration(tenant)
    for external_id, name in (
        ("20006", "Harbor Clinic"),
        ("20007", "Rosewood Clinic Co."),
        ("20008", "Clinic"),
        ("20009", "Gärtner Realty"),
        ("20010", "Gartner Realty"),
        ("20011", "1984"),
    ):
        make_psa_company(integration, external_id=external_id, name=name)
    return integration


def meant(integration: Integration, typed: str, **over: Any) -> tuple[str, list[str], bool]:
    found = company_meant(integration, typed, **over)
    return found.external_id, [row.external_id for row in found.choices], found.has_more


ALL = ["20011", "20008", "20009", "20010", "20006", "20007"]


@pytest.mark.parametrize(
    ("typed", "external_id", "choices"),
    [
        ("20006", "20006", []),  # an id
        (" rosewood clinic CO. ", "20007", []),  # a whole name
        ("clinic", "20008", []),  # a whole name that is a part of others
        ("1984", "20011", []),  # a name that looks like an id
        ("harbor", "20006", []),  # a part of one
        ("gartner realty", "", ["20009", "20010"]),  # a whole name of two
        ("clin", "", ["20008", "20006", "20007"]),  # a part of several
        ("2000", "2000", ["20008", "20009", "20006", "20007"]),  # an id, or a part of some
        ("77", "77", []),  # an id that the list doesn't have
        ("Nobody", "Nobody", []),
        ("", "", []),
    ],
)
def test_what_is_typed_means(
    integration: Integration, typed: str, external_id: str, choices: list[str]
) -> None:
    assert meant(integration, typed) == (external_id, choices, False)


def test_the_choices_are_bounded(integration: Integration) -> None:
    assert meant(integration, "200", most=6) == ("200", ALL, False)
    assert meant(integration, "200", most=5) == ("200", ALL[:5], True)


@pytest.fixture
def page(vic: User, connected: Integration, sandbox: SandboxServer) -> Callable[[str], str]:
    client = browser(vic)
    address = f"/integrations/{connected.pk}/companies/missing/"
    return lambda typed: text(client.get(address, {"external_id": typed}))


def heading(shown: str) -> str:
    found = re.search(r"<h2>(.*?)<span", shown, re.DOTALL)
    return found[1].strip() if found else ""


def test_a_number_is_asked_for_as_an_id(page: Callable[[str], str]) -> None:
    shown = page("2000")

    assert heading(shown) == "Company 2000"
    assert "ConnectWise Manage showed no company with this id." in shown
    assert "Or do you mean one of these?" in shown
    assert '<a href="?external_id=20006">' in shown
    assert heading(page("20006")) == PsaCompanyRecord.objects.get(external_id="20006").name


def test_who_needs_no_place_hears_nothing_of_the_licence(
    tenant: Tenant, connected: Integration, page: Callable[[str], str]
) -> None:
    record = PsaCompanyRecord.objects.filter(importable=True).order_by("external_id")[0]
    make_link(make_company(tenant), connected, external_id=record.external_id)
    Tenant.objects.update(company_limit=0)

    shown = page(record.external_id)

    assert ">Linked</a>" in shown
    assert "licence" not in shown.partition('aria-live="polite"')[2]
    assert "room for it" not in page("987654321")


def test_several_are_to_choose_from_and_none_says_so(page: Callable[[str], str]) -> None:
    PsaCompanyRecord.objects.filter(external_id__in=["20001", "20002"]).update(
        search_text="of the same kind"
    )

    several, none = page("same kind"), page("Nobody & Sons")

    assert "Which one do you mean?" in several
    assert several.count('<a href="?external_id=') == 2
    assert heading(several) == ""
    assert "No company in the list has “Nobody &amp; Sons” in its name or id" in none
    assert "do you mean" not in none


def test_a_psa_that_is_down_is_said_on_the_page(
    page: Callable[[str], str], sandbox: SandboxServer
) -> None:
    sandbox.faults.switch_on("server_error")

    shown = page("20001")

    assert 'value="20001"' in shown
    assert "ConnectWise Manage" in shown[shown.index('class="alert alert-danger"') :]
