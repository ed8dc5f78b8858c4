"""What a page says about a figure besides the amount."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.utils import timezone

from agreements import stored_mrr
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from companies.services import archive_company
from integrations.connecting.lifecycle import disconnect_integration
from integrations.issues.inbox import IssueReport, raise_issues
from integrations.links.linking import unlink_company
from tests.clients import browser, text
from tests.factories import make_agreement, make_company, make_integration, make_link


def test_a_figure_says_that_its_source_is_lost(alex: User, company: Company) -> None:
    link, client = company.links.get(), browser(alex)
    name, one = link.integration.name, f"/companies/{company.pk}/mrr/"
    sentences = {
        "deleted": (
            f"{name} no longer has this company: an agreement that is gone as well counts through "
            "the day before it was found gone."
        ),
        "merged": (
            f"{name} has merged this company into another one: what moved there no longer counts "
            "here."
        ),
        "disconnected": f"{name} is disconnected: this stays as it was last read on 3 Nov 2026.",
        "unlinked": (
            f"It is no longer linked to {name}: agreements stay as they were last read on "
            "3 Nov 2026."
        ),
        "archived": (
            "It is archived: it does not count in the sum of all audITees, and no sync reads its "
            "agreements."
        ),
    }

    def told() -> list[str]:
        page = text(client.get(one))
        return [state for state, sentence in sentences.items() if sentence in page]

    assert "<h1>MRR of =HYPERLINK(evil)</h1>" in text(client.get(one))
    assert told() == []
    read = datetime(2026, 11, 3, 12, tzinfo=UTC)
    company.links.update(problem_codes=["deleted", "no_contact"], last_synced_at=read)
    assert told() == ["deleted"]
    company.links.update(problem_codes=["merged"])
    assert told() == ["merged"]
    company.links.update(problem_codes=[])
    disconnect_integration(integration=link.integration, actor=None)
    assert told() == ["disconnected"]
    assert f'{name} <span class="mark warn">Disconnected</span>' in text(client.get("/mrr/"))
    unlink_company(company=company, actor=None)
    assert told() == ["unlinked"]
    archive_company(company=company, actor=None)
    assert told() == ["unlinked", "archived"]


def test_one_that_was_never_linked_or_read_says_nothing_wrong(alex: User, tenant: Tenant) -> None:
    by_hand = make_company(tenant)
    link = make_link(make_company(tenant), make_integration(tenant))
    disconnect_integration(integration=link.integration, actor=None)
    client = browser(alex)

    assert "no longer linked" not in text(client.get(f"/companies/{by_hand.pk}/mrr/"))
    assert (
        f"{link.integration.name} is disconnected: this stays as it was before any sync."
        in text(client.get(f"/companies/{link.company_id}/mrr/"))
    )


@pytest.mark.parametrize("page", ["", "mrr/"])
def test_a_figure_that_is_old_says_how_old(alex: User, company: Company, page: str) -> None:
    client, name = browser(alex), company.links.get().integration.name
    said = f"{name} was last read on"

    def shown(hours: int | None) -> str:
        at = None if hours is None else timezone.now() - timedelta(hours=hours)
        company.links.update(last_synced_at=at)
        return text(client.get(f"/companies/{company.pk}/{page}"))

    assert said not in shown(47)
    assert said in shown(49)
    assert f"No sync has read it from {name} yet." in shown(None)


@pytest.mark.parametrize("page", ["", "mrr/"])
@pytest.mark.parametrize(
    ("about", "is_said"),
    [("agreements", True), ("read_agreements", True), ("read_lines", True), ("contacts", False)],
)
def test_a_figure_says_that_its_agreements_are_kept_back(
    alex: User, company: Company, about: str, is_said: bool, page: str
) -> None:
    report = IssueReport("integration", "permission_denied", "It says no.", "Do this.", about)
    company.links.update(last_synced_at=timezone.now())
    raise_issues(company.links.get().integration, [report])

    shown = text(browser(alex).get(f"/companies/{company.pk}/{page}"))

    assert ("not all agreements can be read. It says no." in shown) is is_said


@pytest.mark.parametrize("page", ["", "mrr/"])
def test_a_figure_below_zero_and_one_in_several_currencies_say_so(
    alex: User, company: Company, page: str
) -> None:
    integration = company.links.get().integration
    make_agreement(company, integration, amount="-2000")
    make_agreement(company, integration, amount="10", currency="EUR")
    stored_mrr.verify([company.tenant_id], mend=True)

    shown = text(browser(alex).get(f"/companies/{company.pk}/{page}"))

    assert "It is below zero in USD: credits come to more than what is charged." in shown
    assert "It is in 2 currencies, which are never added up: EUR, USD." in shown
