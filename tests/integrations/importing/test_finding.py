"""Where is a company? The PSA is asked right now, by name and by id."""

from __future__ import annotations

import pytest

from audit_site.tenants.models import Tenant
from integrations.importing import finding
from integrations.importing.finding import Hit, find_companies
from integrations.models import Integration, PsaCompanyRecord
from integrations.psa import registry
from integrations.psa.errors import PsaUnavailable
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.factories import make_company, make_link
from tests.integrations.adapters.contract.adapters import COMPANY_KINDS, NAMES

PSAS = sorted(registry.adapters())


def rename(sandbox: SandboxServer, psa: str, external_id: str, name: str) -> None:
    kind = COMPANY_KINDS.get(psa, "companies")
    values = {NAMES[psa]: name}
    sandbox.psas[psa].change({"do": "change", "kind": kind, "id": external_id, "values": values})


def found(integration: Integration, text: str) -> list[Hit]:
    return find_companies(integration=integration, text=text).hits


@pytest.mark.parametrize("psa", PSAS)
def test_a_name_that_no_sync_has_seen_is_found(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    record = integration.psa_companies.filter(importable=True).order_by("external_id")[0]
    rename(sandbox, psa, record.external_id, "Zebra Légal")
    record.delete()

    hits = found(integration, "zebra légal")

    assert [(hit.external_id, hit.name, hit.is_listed) for hit in hits] == [
        (record.external_id, "Zebra Légal", False)
    ]
    assert hits[0].diagnosis.importable is True


@pytest.mark.parametrize("psa", PSAS)
def test_an_id_comes_before_names_and_comes_once(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    by_id, other = integration.psa_companies.filter(importable=True).order_by("external_id")[:2]
    for external_id in (by_id.external_id, other.external_id):
        rename(sandbox, psa, external_id, f"Unit {by_id.external_id} of {external_id}")

    hits = found(integration, f" {by_id.external_id} ")

    assert [hit.external_id for hit in hits] == [by_id.external_id, other.external_id]
    assert all(hit.is_listed and hit.diagnosis.importable for hit in hits)


def test_a_hit_says_what_it_needs_and_whether_it_is_linked(
    tenant: Tenant, connected: Integration, sandbox: SandboxServer
) -> None:
    records = connected.psa_companies.order_by("external_id")
    ready, hidden = records.filter(importable=True)[0], records.filter(rule_codes=["inactive"])[0]
    company = make_company(tenant, name="Ours")
    make_link(company, connected, external_id=ready.external_id)

    (linked,), (inactive,) = (found(connected, r.external_id) for r in (ready, hidden))

    assert linked.row is not None
    assert linked.row.linked is not None
    assert linked.row.linked.id == company.pk
    failed = [check["code"] for check in inactive.diagnosis.checks if not check["ok"]]
    assert failed == ["inactive"]


def test_only_some_are_shown_and_more_are_said(
    connected: Integration, sandbox: SandboxServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ids = list(
        PsaCompanyRecord.objects.order_by("external_id").values_list("external_id", flat=True)
    )
    for external_id in ids[:11]:
        rename(sandbox, "connectwise", external_id, f"Herd {external_id}")

    eleven = find_companies(integration=connected, text="herd")
    rename(sandbox, "connectwise", ids[0], "Alone")
    ten = find_companies(integration=connected, text="herd")

    assert (len(eleven.hits), eleven.has_more) == (10, True)
    assert (len(ten.hits), ten.has_more) == (10, False)
    assert finding.MOST_HITS == 10


def test_a_name_that_gives_way_to_an_id_is_said(
    connected: Integration, sandbox: SandboxServer
) -> None:
    ids = list(
        PsaCompanyRecord.objects.order_by("external_id").values_list("external_id", flat=True)
    )
    by_id = ids[10]
    for external_id in ids[:10]:
        rename(sandbox, "connectwise", external_id, f"Herd of {by_id}")

    found = find_companies(integration=connected, text=by_id)

    assert (len(found.hits), found.hits[0].external_id, found.has_more) == (10, by_id, True)


def test_nothing_typed_asks_nothing(connected: Integration, sandbox: SandboxServer) -> None:
    sandbox.forget_requests()

    assert found(connected, "  ") == []
    assert found(connected, "\u200b\ufeff") == []
    assert found(connected, "Nobody & Sons") == []
    assert len(sandbox.requests()) == 1


def test_a_psa_that_is_down_raises(connected: Integration, sandbox: SandboxServer) -> None:
    sandbox.faults.switch_on("server_error")

    with pytest.raises(PsaUnavailable):
        found(connected, "zebra")
