"""Statuses and types of a PSA's companies: import list, diagnosis, import and linked companies."""

from __future__ import annotations

import pytest

from audit_site.tenants.models import Tenant
from companies.models import Company
from companies.services import archive_company
from integrations.connecting.lifecycle import disconnect_integration
from integrations.importing.diagnosis import diagnose
from integrations.importing.import_companies import import_companies
from integrations.importing.import_rows import import_rows
from integrations.importing.selectors import list_psa_companies
from integrations.models import CompanyLink, Integration, PsaCompanyRecord
from integrations.sandbox.server import SandboxServer
from integrations.words.saying import say_word, undo_word
from tests.conftest import connect
from tests.factories import make_company, make_link, make_psa_company, make_psa_contact
from tests.syncing import change, open_causes, synced

RENAMED = {"status": {"id": 1, "name": "Active Client"}}
MESSAGE = "Its status in ConnectWise Manage, “Active Client”, does not count as Active."
FIX = (
    "Set its status to Active in ConnectWise Manage (ConnectWise: Company Finance, or Company Mass "
    "Maintenance for many at once), then press Sync Now. If “Active Client” means active, an admin "
    "can say so once for all of them."
)


def rename_statuses(sandbox: SandboxServer) -> list[str]:
    """Every company's status "Active" has another name from now on; their ids."""
    rows = PsaCompanyRecord.objects.filter(status="Active").order_by("external_id")
    ids = list(rows.values_list("external_id", flat=True))
    for id_ in ids:
        change(sandbox, "companies", id_, values=RENAMED)
    return ids


def listed(integration: Integration, external_id: str) -> tuple[bool, list[str]]:
    rows = list_psa_companies(integration).filter(external_id=external_id)
    (row,) = import_rows(rows.select_related("integration"), None)
    return row.is_active, [reason["code"] for reason in row.reasons]


def test_renamed_statuses_are_quoted_said_once_and_taken_back(
    connected: Integration, sandbox: SandboxServer
) -> None:
    importable = set(
        list_psa_companies(connected, importable=True).values_list("external_id", flat=True)
    )
    one = min(importable)
    rename_statuses(sandbox)
    synced(connected)
    renamed = diagnose(integration=connected, external_id=one)

    word, _ = say_word(
        integration=connected, actor=None, kind="status", word="active client", meaning="active"
    )

    said = list_psa_companies(connected, importable=True).values_list("external_id", flat=True)
    assert [(c["message"], c["fix"]) for c in renamed.checks if not c["ok"]] == [(MESSAGE, FIX)]
    assert set(said) == importable
    assert listed(connected, one) == (True, [])
    assert diagnose(integration=connected, external_id=one).importable
    synced(connected)  # a later sync uses it too
    assert list_psa_companies(connected, importable=True).count() == len(importable)
    undo_word(word=word, actor=None)
    assert not list_psa_companies(connected, importable=True).exists()
    refused = import_companies(integration=connected, external_ids=[one], actor=None).rejected
    assert [(r.code, r.message) for r in refused] == [("inactive", f"{MESSAGE} {FIX}")]


@pytest.mark.parametrize("psa", ["autotask", "connectwise", "kaseya_bms"])
def test_list_diagnosis_and_import_agree_whatever_was_said(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    for status, meaning in (("Inactive", "active"), ("Active", "not_active")):
        say_word(integration=integration, actor=None, kind="status", word=status, meaning=meaning)

    rows = list(list_psa_companies(integration).select_related("integration"))
    found = {row.record.external_id: not row.reasons for row in import_rows(rows, None)}
    diagnosed = {
        id_: diagnose(integration=integration, external_id=id_).importable for id_ in found
    }
    answer = import_companies(integration=integration, external_ids=list(found), actor=None)

    assert len(found) == 40
    assert diagnosed == found
    assert {one.external_id for one in answer.rejected} == {
        id_ for id_, ok in found.items() if not ok
    }


def test_a_linked_company_is_flagged_and_freed_with_its_issue(
    tenant: Tenant, integration: Integration
) -> None:
    record = make_psa_company(integration, status="Gold", is_active=True)
    make_psa_contact(integration, "p1", record.external_id)
    make_link(make_company(tenant), integration, external_id=record.external_id)

    word, _ = say_word(
        integration=integration, actor=None, kind="status", word="Gold", meaning="not_active"
    )
    flagged = (CompanyLink.objects.get().problem_codes, open_causes())
    undo_word(word=word, actor=None)

    assert flagged == (["inactive"], [("company", "inactive", record.external_id)])
    assert (CompanyLink.objects.get().problem_codes, open_causes()) == ([], [])


@pytest.mark.parametrize("of_whom", ["disconnected", "archived"])
def test_what_no_sync_brings_over_no_word_does_either(
    tenant: Tenant, integration: Integration, of_whom: str
) -> None:
    record = make_psa_company(integration, status="Gold", name="The PSA's")
    company = make_company(tenant, name="Ours")
    make_link(company, integration, external_id=record.external_id)
    if of_whom == "disconnected":
        disconnect_integration(integration=integration, actor=None)
    else:
        archive_company(company=company, actor=None)

    say_word(integration=integration, actor=None, kind="status", word="Gold", meaning="not_active")

    company.refresh_from_db()
    assert (company.name, CompanyLink.objects.get().problem_codes) == ("Ours", [])
    assert open_causes() == []


@pytest.mark.parametrize(
    ("psa_type", "said", "type_"),
    [
        ("Client", {}, "client"),
        ("", {}, "client"),
        ("Prospect", {}, "prospect"),
        ("Hot lead, Vendor", {}, "prospect"),
        ("Partner", {"partner": "prospect"}, "prospect"),
        ("Hot lead", {"Hot Lead": "client"}, "client"),
        ("Partner, Customer", {"Partner": "prospect", "Customer": "client"}, "client"),
        ("Partner, Vendor", {"Partner": "prospect"}, "prospect"),
    ],
)
def test_an_import_follows_the_psas_type_and_what_was_said_of_it(
    integration: Integration, psa_type: str, said: dict[str, str], type_: str
) -> None:
    record = make_psa_company(integration, type=psa_type)
    make_psa_contact(integration, "p1", record.external_id)
    for word, meaning in said.items():
        say_word(
            integration=integration, actor=None, kind="company_type", word=word, meaning=meaning
        )

    import_companies(integration=integration, external_ids=[record.external_id], actor=None)

    assert Company.objects.get().type == type_
