"""Every kind of word with what the three sandbox PSAs send: said, followed, and taken back."""

from __future__ import annotations

import pytest

from agreements.models import Agreement, AgreementLine, AgreementMrr, CompanyMrr
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration, PsaCompanyRecord
from integrations.sandbox.server import SandboxServer
from integrations.words.saying import say_word, undo_word
from tests.conftest import TODAY, connect
from tests.syncing import import_all, synced

PSAS = ("autotask", "connectwise", "kaseya_bms")


@pytest.fixture(params=PSAS)
def imported(request: pytest.FixtureRequest, tenant: Tenant, sandbox: SandboxServer) -> Integration:
    """A PSA of which everything that can be is imported. In BMS a contract in force is on hold."""
    if request.param == "kaseya_bms":
        companies = sandbox.psas["kaseya_bms"].truth(TODAY)["companies"].values()
        found = (one["agreements"] for one in companies if one["importable"] and one["mrr"])
        id_ = next(id_ for id_, one in next(found).items() if one["counts"])
        values = {"status": "On hold"}
        sandbox.psas["kaseya_bms"].change(
            {"do": "change", "kind": "contracts", "id": id_, "values": values}
        )
    integration = connect(tenant, sandbox, request.param)
    import_all(integration)
    return integration


def stored() -> list[tuple[str, str, str]]:
    rows = CompanyMrr.objects.order_by("company", "currency")
    return [
        (str(company), *rest) for company, *rest in rows.values_list("company", "currency", "exact")
    ]


def reasons(**chosen: str) -> set[str]:
    """Why agreements do not count, "" where they do."""
    rows = AgreementMrr.objects.filter(**{f"agreement__{name}": v for name, v in chosen.items()})
    return set(rows.values_list("reason", flat=True))


def test_a_type_is_left_out_and_counts_again(imported: Integration) -> None:
    before = stored()
    kind = Agreement.objects.filter(stored_mrr__included=True).values_list("type", flat=True)[0]

    word, _ = say_word(
        integration=imported, actor=None, kind="agreement_type", word=kind, meaning="leave_out"
    )
    left_out, after = reasons(type=kind), stored()
    synced(imported)
    still = stored()
    undo_word(word=word, actor=None)

    assert left_out == {"excluded_by_user"}
    assert (before, after == before) == (stored(), False)
    assert still == after


def test_a_product_is_billed_by_use(imported: Integration) -> None:
    counted = AgreementLine.objects.filter(agreement__stored_mrr__included=True)
    product = counted.exclude(product="").values_list("product", flat=True).first()
    if product is None:
        assert imported.psa == "kaseya_bms"  # its contracts have no lines
        return
    before = stored()

    word, _ = say_word(
        integration=imported, actor=None, kind="product", word=product.upper(), meaning="usage"
    )
    after = stored()
    undo_word(word=word, actor=None)

    assert after != before
    assert stored() == before


def test_a_status_means_active(imported: Integration) -> None:
    inactive = Agreement.objects.filter(active=False, stored_mrr__reason="inactive").first()
    if inactive is None:
        assert imported.psa == "connectwise"  # its dates decide
        return
    before = stored()

    word, _ = say_word(
        integration=imported, actor=None, kind="status", word=inactive.status, meaning="active"
    )
    after = reasons(status=inactive.status)
    undo_word(word=word, actor=None)

    assert "inactive" not in after
    assert reasons(status=inactive.status) >= {"inactive"}
    assert stored() == before


@pytest.mark.parametrize("psa", PSAS)
def test_a_type_of_company_makes_prospects(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    typed = PsaCompanyRecord.objects.filter(importable=True).exclude(type="")
    for kind in set(typed.values_list("type", flat=True)):
        say_word(
            integration=integration, actor=None, kind="company_type", word=kind, meaning="prospect"
        )

    import_all(integration)

    linked = Company.objects.filter(links__external_id__in=typed.values("external_id"))
    assert set(linked.values_list("type", flat=True)) == {"prospect"}
