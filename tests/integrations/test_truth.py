"""Each sandbox tells what its own records come to; the product must come to the same."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection

from agreements.selectors import company_figure
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import PsaCompanyRecord
from integrations.sandbox.server import SandboxServer, sandbox_psas
from integrations.services.importing import import_companies
from tests.conftest import TODAY, connect
from tests.factories import make_tenant
from tests.worker import work_off

PSAS = sorted(sandbox_psas())


def compare(tenant: Tenant, sandbox: SandboxServer, psa: str) -> dict[str, Any]:
    """Import whatever can be imported and compare every company and agreement, to the cent."""
    integration = connect(tenant, sandbox, psa)
    truth = sandbox.psas[psa].truth(TODAY)["companies"]
    records = PsaCompanyRecord.objects.filter(integration=integration)
    reasons = {record.external_id: record.rule_codes for record in records}
    assert reasons == {id_: company["reasons"] for id_, company in truth.items()}

    ids = [id_ for id_, company in truth.items() if company["importable"]]
    for start in range(0, len(ids), 200):
        import_companies(integration=integration, external_ids=ids[start : start + 200], actor=None)
    work_off()

    companies = Company.objects.for_tenant(tenant).select_related("tenant")
    assert companies.count() == len(ids)
    for company in companies.prefetch_related("links"):
        expected = truth[company.links.all()[0].external_id]
        figure = company_figure(company, TODAY)
        ours = [{k: t[k] for k in ("currency", "amount")} for t in figure.totals]
        assert ours == [{k: t[k] for k in ("currency", "amount")} for t in expected["mrr"]]
        assert {row.agreement.external_id: row.summary.mrr for row in figure.agreements} == {
            id_: agreement["amount"] for id_, agreement in expected["agreements"].items()
        }
    return truth


@pytest.mark.parametrize("psa", PSAS)
def test_the_product_comes_to_the_sandboxs_own_truth(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    truth = compare(tenant, sandbox, psa)

    counted = [c for c in truth.values() if c["importable"] and c["mrr"]]
    assert len(counted) > 15  # or the comparison proves nothing


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("psa", PSAS)
@pytest.mark.django_db
def test_a_thousand_companies_come_to_the_sandboxs_own_truth(
    settings: Any, psa: str, seed: int
) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("runs once, on PostgreSQL")
    tenant = make_tenant(company_limit=1000)
    with SandboxServer(seed=seed, companies=1000, today=TODAY) as sandbox:
        for name, value in sandbox.settings().items():
            setattr(settings, name, value)
        compare(tenant, sandbox, psa)
