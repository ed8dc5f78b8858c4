"""When a person last looked at an import list, and what is new since."""

from __future__ import annotations

from django.utils import timezone

from audit_site.db.counting import CappedCount
from audit_site.tenants.models import Membership, Tenant, User
from integrations.importing.selectors import new_company_counts
from integrations.models import Integration
from tests.clients import browser
from tests.factories import make_integration
from tests.integrations.importing.import_lists import EARLY, add, look


def test_looking_is_each_persons_own(
    alex: User, mia: User, vic: User, tenant: Tenant, integration: Integration
) -> None:
    add(integration, "Anvil", first_seen_at=EARLY)
    ada, ben, cleo = alex, mia, vic
    for user in (ada, ben):
        look(integration, user)
    add(integration, "Birch", "Cedar")
    browser(ada).get("/import/")

    assert new_company_counts(tenant, ada, [integration]) == {integration.pk: CappedCount(0, 1000)}
    assert new_company_counts(tenant, ben, [integration]) == {integration.pk: CappedCount(2, 1000)}
    assert new_company_counts(tenant, cleo, [integration]) == {}


def test_looking_is_of_one_tenant(
    alex: User, tenant: Tenant, other_tenant: Tenant, integration: Integration
) -> None:
    theirs = make_integration(other_tenant)
    add(integration, "Anvil", first_seen_at=EARLY)
    add(theirs, "Anvil", first_seen_at=EARLY)
    Membership.objects.create(tenant=other_tenant, user=alex, role="viewer")
    look(integration, alex)
    look(theirs, alex)
    add(theirs, "Birch", "Cedar")

    assert new_company_counts(tenant, alex, [integration, theirs]) == {
        integration.pk: CappedCount(0, 1000)
    }
    assert new_company_counts(other_tenant, alex, [theirs]) == {theirs.pk: CappedCount(2, 1000)}


def test_what_a_sync_was_writing_during_the_look_is_new_the_next_time(
    alex: User, tenant: Tenant, integration: Integration
) -> None:
    """A row's time is set before it can be seen; the clock would miss it."""
    add(integration, "Anvil", first_seen_at=EARLY)
    being_written = timezone.now()
    look(integration, alex)

    add(integration, "Birch", first_seen_at=being_written)

    assert new_company_counts(tenant, alex, [integration]) == {integration.pk: CappedCount(1, 1000)}
