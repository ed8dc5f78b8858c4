"""PSA companies that are put aside: by page and REST, in every number, and through syncs."""

from __future__ import annotations

import re
from typing import Any

import pytest

from audit_site.errors import DomainError
from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.importing.ignoring import ignore_company, unignore_company
from integrations.importing.import_companies import import_companies
from integrations.importing.list_counts import list_counts
from integrations.importing.selectors import list_psa_companies
from integrations.links.linking import link_company
from integrations.models import Integration, PsaCompanyRecord
from tests.clients import api_of, browser, page_text, problem, text
from tests.factories import make_company, make_link, make_psa_company, make_psa_contact
from tests.syncing import synced

V1 = "/api/v1"
NOBODY: dict[str, Any] = {"importable": False, "rule_codes": ["no_contact"]}


@pytest.fixture
def listed(integration: Integration) -> Integration:
    """Three companies that can be added, and one that can't."""
    for external_id, name in (("1", "Amber"), ("2", "Birch"), ("3", "Cedar")):
        make_psa_company(integration, external_id=external_id, name=name, importable=True)
        make_psa_contact(integration, f"9{external_id}", external_id)
    make_psa_company(integration, external_id="4", name="Dune", **NOBODY)
    return integration


def address_of(integration: Integration, external_id: str, verb: str) -> str:
    return f"{V1}/integrations/{integration.pk}/psa-companies/{external_id}/{verb}/"


def row_of(external_id: str, verb: str) -> str:
    """Where a row of the import list is changed on pages."""
    return f"/import/{PsaCompanyRecord.objects.get(external_id=external_id).pk}/{verb}/"


def test_a_stranger_puts_nothing_aside(otto: User, listed: Integration) -> None:
    api, client = api_of(otto), browser(otto)

    answers = [
        api.post(address_of(listed, "1", "ignore")),
        api.post(address_of(listed, "1", "unignore")),
        client.post(row_of("1", "ignore")),
        client.post(row_of("1", "unignore")),
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert not PsaCompanyRecord.objects.exclude(ignored_at=None).exists()


def test_a_viewer_may_not(vic: User, listed: Integration) -> None:
    refused = api_of(vic).post(address_of(listed, "1", "ignore"))
    page = browser(vic).get("/import/")

    assert problem(refused)[0] == 403
    assert "Ignore<span" not in page_text(page)


def test_what_is_put_aside_is_in_no_other_number(
    mia: User, tenant: Tenant, listed: Integration
) -> None:
    api = api_of(mia)

    ignored = api.post(address_of(listed, "2", "ignore"))
    again = api.post(address_of(listed, "2", "ignore"))
    api.post(address_of(listed, "4", "ignore"))
    counts = list_counts(tenant, [listed])[listed.pk]

    assert (ignored.status_code, again.status_code) == (200, 200)
    row = ignored.json()
    assert row["ignored"]["by"] == "Mia Member"
    assert again.json()["ignored"] == row["ignored"]
    assert (row["importable"], row["reasons"]) == (False, [])
    assert row["can"] == ["link", "unignore", "diagnosis"]
    assert (counts.importable, counts.linked, counts.ignored) == (2, 0, 2)
    assert (dict(counts.hidden), counts.found) == ({}, 4)
    body = api.get(f"{V1}/integrations/{listed.pk}/").json()["companies"]
    assert (body["importable"], body["ignored"]) == (2, 2)
    events = AuditEvent.objects.filter(action="psa_company.ignored")
    assert sorted(events.values_list("object_name", flat=True)) == ["Birch", "Dune"]


@pytest.mark.parametrize(
    ("asked", "names"),
    [
        ("", ["Amber", "Birch", "Cedar", "Dune"]),
        ("?ignored=true", ["Birch"]),
        ("?ignored=false", ["Amber", "Cedar", "Dune"]),
        ("?importable=true", ["Amber", "Cedar"]),
        ("?importable=false", ["Birch", "Dune"]),
        ("?suggested=true", []),
        ("?suggested=false", ["Amber", "Birch", "Cedar", "Dune"]),
    ],
)
def test_rest_filters_by_it(vic: User, listed: Integration, asked: str, names: list[str]) -> None:
    ignore_company(integration=listed, external_id="2", actor=None)

    answer = api_of(vic).get(f"{V1}/integrations/{listed.pk}/psa-companies/{asked}")

    assert [row["name"] for row in answer.json()["results"]] == names


def test_the_page_hides_them_until_they_are_asked_for(mia: User, listed: Integration) -> None:
    client, address = browser(mia), "/import/"
    send: dict[str, Any] = {"follow": True, "HTTP_REFERER": address}

    said = text(client.post(row_of("2", "ignore"), **send))
    whole, asked = page_text(client.get(address)), page_text(client.get(f"{address}?tab=ignored"))
    taken_back = text(client.post(row_of("2", "unignore"), **send))

    assert "“Birch” is ignored. Under Ignored you can take that back." in said
    assert "<strong>Birch</strong>" not in whole
    assert re.search(r'Ignored <span class="num" id="rows-ignored" ?>1</span>', whole)
    assert "<strong>Birch</strong>" in asked
    assert "Ignored by Mia Member" in asked
    assert "<strong>Amber</strong>" not in asked
    assert "“Birch” is not ignored any more." in taken_back
    assert "<strong>Birch</strong>" in page_text(client.get(address))


def tab_numbers(part: str) -> dict[str, str]:
    return dict(re.findall(r'id="rows-(\w+)" hx-swap-oob="true">(\d+)', part))


def test_with_a_script_its_row_and_what_counts_it_changes(
    mia: User, tenant: Tenant, listed: Integration
) -> None:
    client, script = browser(mia), {"HTTP_HX_REQUEST": "true"}
    linked = make_psa_company(listed, external_id="5", name="Elm")
    make_link(make_company(tenant), listed, external_id="5")

    ignored = page_text(client.post(row_of("2", "ignore"), **script))
    back = page_text(client.post(row_of("2", "unignore"), **script))
    refused = client.post(f"/import/{linked.pk}/ignore/", **script)

    assert (ignored.count("<tr>"), back.count("<tr>")) == (1, 1)
    assert "Ignored by Mia Member" in ignored
    assert [tab_numbers(ignored), tab_numbers(back)] == [
        {"add": "2", "suggested": "0", "hidden": "1", "linked": "1", "ignored": "1", "all": "5"},
        {"add": "3", "suggested": "0", "hidden": "1", "linked": "1", "ignored": "0", "all": "5"},
    ]
    assert "Select all 2 that match" in ignored
    assert f'hx-post="{row_of("2", "unignore")}"' in ignored
    assert f'hx-post="{row_of("2", "ignore")}"' in back
    assert refused["HX-Refresh"] == "true"
    assert "“Elm” is linked to an audITee." in page_text(client.get("/import/"))


def test_what_becomes_an_auditee_is_ignored_no_more(tenant: Tenant, listed: Integration) -> None:
    for external_id in ("1", "2"):
        ignore_company(integration=listed, external_id=external_id, actor=None)

    import_companies(integration=listed, external_ids=["1"], actor=None)
    link_company(company=make_company(tenant), integration=listed, external_id="2", actor=None)

    assert not PsaCompanyRecord.objects.exclude(ignored_at=None).exists()
    assert list_counts(tenant, [listed])[listed.pk].linked == 2


def test_what_is_linked_is_not_put_aside(mia: User, tenant: Tenant, listed: Integration) -> None:
    make_link(make_company(tenant), listed, external_id="1")

    refused = api_of(mia).post(address_of(listed, "1", "ignore"))
    unknown = api_of(mia).post(address_of(listed, "nobody", "ignore"))

    assert problem(refused) == (409, "already_linked")
    assert problem(unknown) == (404, "unknown_company")
    with pytest.raises(DomainError, match="showed no company with this id"):
        unignore_company(integration=listed, external_id="nobody\0", actor=None)


def test_a_sync_leaves_it_put_aside(connected: Integration) -> None:
    record = PsaCompanyRecord.objects.filter(importable=True).order_by("external_id")[0]
    ignore_company(integration=connected, external_id=record.external_id, actor=None)
    PsaCompanyRecord.objects.filter(pk=record.pk).update(fingerprint="other")

    synced(connected, "manual")

    rows = list_psa_companies(connected, ignored=True)
    assert list(rows.values_list("external_id", flat=True)) == [record.external_id]
