"""Each sandbox reports what its own records come to; the product must come to the same."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from agreements.figures import company_figure, company_totals
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.importing.import_companies import import_companies
from integrations.models import PsaCompanyRecord
from integrations.sandbox.server import SandboxServer, sandbox_psas
from tests.conftest import TODAY, connect
from tests.factories import make_tenant
from tests.worker import work_off

PSAS = sorted(sandbox_psas())

#: What the last of sixty companies show of how agreements are practised, in the demo too.
PRACTISED = {
    "connectwise": {
        "single_cycle", "part_of_cycle", "negative_agreement", "possible_overlap", "expired",
    },
    "autotask": {"not_started", None},
    "kaseya_bms": {"expired", None},
}  # fmt: skip


def compare(tenant: Tenant, sandbox: SandboxServer, psa: str, *, every: int = 1) -> dict[str, Any]:
    """Import whatever can be imported and compare, to the cent.

    Totals of all companies, and the agreements of each `every`th one.
    """
    integration = connect(tenant, sandbox, psa)
    truth = sandbox.psas[psa].truth(TODAY)["companies"]
    records = PsaCompanyRecord.objects.filter(integration=integration)
    reasons = {record.external_id: record.rule_codes for record in records}
    assert reasons == {id_: company["reasons"] for id_, company in truth.items()}

    ids = [id_ for id_, company in truth.items() if company["importable"]]
    for start in range(0, len(ids), 500):  # the most that one import takes
        chosen = ids[start : start + 500]
        import_companies(integration=integration, external_ids=chosen, actor=None)
    work_off()

    companies = {
        company.links.all()[0].external_id: company
        for company in Company.objects.for_tenant(tenant)
        .select_related("tenant")
        .prefetch_related("links")
    }
    assert sorted(companies) == sorted(ids)
    totals = company_totals(tenant, [company.pk for company in companies.values()], TODAY)
    assert {id_: totals[company.pk] for id_, company in companies.items()} == {
        id_: [{k: t[k] for k in ("currency", "amount")} for t in truth[id_]["mrr"]] for id_ in ids
    }
    for id_ in ids[::every]:
        figure = company_figure(companies[id_], TODAY)
        assert {row.agreement.external_id: row.summary.mrr for row in figure.agreements} == {
            agreement_id: agreement["amount"]
            for agreement_id, agreement in truth[id_]["agreements"].items()
        }
    return truth


@pytest.fixture(autouse=True)
def day_of_the_sandbox(time_machine: Any) -> None:
    """What is read depends on the day: an inactive contract that ran out is left to its dates."""
    time_machine.move_to(datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC))


@pytest.mark.parametrize("psa", PSAS)
def test_the_product_comes_to_the_sandboxs_own_truth(
    tenant: Tenant, settings: Any, psa: str
) -> None:
    with SandboxServer(seed=1, companies=60, today=TODAY, only=psa) as sandbox:
        for name, value in sandbox.settings().items():
            setattr(settings, name, value)
        truth = compare(tenant, sandbox, psa)

    counted = [c for c in truth.values() if c["importable"] and c["mrr"]]
    assert len(counted) > 15  # or the comparison proves nothing
    assert said_of(tenant, list(truth)[50:]) >= PRACTISED[psa]


def said_of(tenant: Tenant, ids: list[str]) -> set[str | None]:
    """The reasons and warnings of what these PSA companies came with."""
    companies = Company.objects.filter(tenant=tenant, links__external_id__in=ids)
    rows = [row for company in companies for row in company_figure(company, TODAY).ledger]
    return {code for row in rows for code in (row.reason, *row.warnings)}


@pytest.mark.parametrize("seed", [11, 12, 13])
@pytest.mark.parametrize("psa", PSAS)
@pytest.mark.once
@pytest.mark.django_db
def test_a_thousand_companies_come_to_the_sandboxs_own_truth(
    settings: Any, psa: str, seed: int
) -> None:
    tenant = make_tenant(company_limit=1000)
    with SandboxServer(seed=seed, companies=1000, today=TODAY, only=psa) as sandbox:
        for name, value in sandbox.settings().items():
            setattr(settings, name, value)
        compare(tenant, sandbox, psa, every=10)
