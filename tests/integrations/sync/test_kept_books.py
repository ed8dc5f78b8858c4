"""What syncs of each PSA keep of books: why, by which run, and nothing where nothing changed."""

from __future__ import annotations

import pytest
from django.utils import timezone

from agreements.as_known import company_as_known
from agreements.figures import company_figure
from agreements.models import Agreement, BookPiece, BookVersion, CompanyMrr
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.links.linking import link_company, unlink_company
from integrations.models import CompanyLink, Integration, SyncRun
from integrations.sandbox.server import SandboxServer
from integrations.words.saying import say_word
from tests.conftest import connect
from tests.syncing import change, import_all, synced
from tests.worker import work_off

PSAS = ("connectwise", "autotask", "kaseya_bms")


@pytest.fixture(params=PSAS)
def imported(request: pytest.FixtureRequest, tenant: Tenant, sandbox: SandboxServer) -> Integration:
    integration = connect(tenant, sandbox, request.param)
    import_all(integration)
    return integration


def test_an_import_keeps_each_book_once_and_a_sync_without_changes_none(
    imported: Integration,
) -> None:
    run = SyncRun.objects.get(trigger="import")
    versions = BookVersion.objects.all()

    kept = set(versions.values_list("company", flat=True))
    assert kept >= set(CompanyMrr.objects.values_list("company", flat=True))
    assert len(kept) == versions.count() > 0
    assert set(versions.values_list("kind", "run", "name")) == {("import", run.pk, imported.name)}
    before = versions.count(), BookPiece.objects.count()

    synced(imported)

    assert (versions.count(), BookPiece.objects.count()) == before


def test_what_was_kept_is_what_is_answered(imported: Integration) -> None:
    later = timezone.now()

    for company in Company.objects.select_related("tenant"):
        known, now = company_as_known(company, later), company_figure(company)
        assert known.totals == now.totals
        assert [row.sentence for row in known.ledger] == [row.sentence for row in now.ledger]
        assert [str(row.line_ref) for row in known.ledger] == [
            str(row.line_ref) for row in now.ledger
        ]


def test_a_changed_agreement_is_a_version_of_its_company_alone(
    tenant: Tenant, sandbox: SandboxServer
) -> None:
    integration = connect(tenant, sandbox, "connectwise")
    import_all(integration)
    agreement = Agreement.objects.filter(stored_mrr__included=True).order_by("external_id")[0]
    before = BookVersion.objects.count()
    change(sandbox, "agreements", agreement.external_id, values={"billAmount": 4321.5})

    run = synced(integration)

    assert BookVersion.objects.count() == before + 1
    version = BookVersion.objects.get(run=run.pk)
    assert (version.kind, version.company_id) == ("sync", agreement.company_id)


def test_the_first_reading_of_a_link_is_the_links_doing(imported: Integration, alex: User) -> None:
    company = Agreement.objects.filter(stored_mrr__included=True).order_by("external_id")[0].company
    link = CompanyLink.objects.get(company=company)
    unlink_company(company=company, actor=alex)
    other = Company.objects.create(tenant=company.tenant, name="By hand")
    link_company(company=other, integration=imported, external_id=link.external_id, actor=alex)
    work_off()

    kinds = BookVersion.objects.filter(company=other).values_list("kind", flat=True)
    assert [*kinds] == ["link"]


def test_a_word_is_a_choice_with_its_name(
    tenant: Tenant, sandbox: SandboxServer, alex: User
) -> None:
    integration = connect(tenant, sandbox, "connectwise")
    import_all(integration)
    Agreement.objects.update(cycle={"unknown": "Odd"}, cycle_label="Odd")
    say_word(
        integration=integration, actor=alex, kind="cycle", word="Odd", meaning="annual", note="x"
    )

    versions = BookVersion.objects.filter(kind="choice")
    assert versions.count() > 0
    assert set(versions.values_list("user", "name")) == {(alex.pk, f'"Odd", {alex}')}
