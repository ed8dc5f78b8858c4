"""An import list in numbers: each is what the list shows on the tab of that name."""

from __future__ import annotations

from django.utils import timezone

from audit_site.tenants.models import Tenant
from integrations.importing.facets import facets_of
from integrations.importing.list_counts import list_counts
from integrations.importing.selectors import list_psa_companies
from integrations.importing.table import Filters, Tab, rows_of
from integrations.models import Integration, LinkSuggestion, PsaCompanyRecord
from tests.factories import make_company, make_integration, make_link, make_psa_company
from tests.queries import queries


def add(integration: Integration, *codes: str, linked: bool = False) -> None:
    record = make_psa_company(integration, importable=not codes, rule_codes=list(codes))
    if linked:
        company = make_company(integration.tenant)
        make_link(company, integration, external_id=record.external_id)


def fill(integration: Integration) -> None:
    for codes in ([], [], ["inactive"], ["no_contact"], ["inactive", "no_contact"]):
        add(integration, *codes)
    add(integration, linked=True)
    add(integration, "inactive", linked=True)


def test_each_company_is_counted_once(tenant: Tenant, integration: Integration) -> None:
    fill(integration)
    make_psa_company(integration, importable=False, rule_codes=["deleted"], gone_at=timezone.now())
    make_psa_company(integration, importable=False, rule_codes=[])

    counts = list_counts(tenant, [integration])[integration.pk]

    assert (counts.found, counts.importable, counts.linked, counts.ignored) == (9, 2, 2, 0)
    assert list(counts.hidden.items()) == [
        ("inactive", 2),
        ("deleted", 1),
        ("no_contact", 1),
        ("unchecked", 1),
    ]


def test_a_suggested_one_is_on_that_tab_alone_and_breaks_the_rules_that_it_breaks(
    tenant: Tenant, integration: Integration
) -> None:
    fill(integration)
    for record in PsaCompanyRecord.objects.filter(rule_codes__in=[[], ["no_contact"]])[:4]:
        company = make_company(tenant)
        LinkSuggestion.objects.create(
            tenant=tenant, company=company, record=record, score=92, mark="m"
        )

    counts = list_counts(tenant, [integration])[integration.pk]

    assert (counts.found, counts.addable, counts.linked, counts.ignored) == (7, 0, 2, 0)
    assert (counts.suggested, counts.hidden) == ({"": 2, "no_contact": 1}, {"inactive": 2})
    assert (counts.importable, counts.by_rule) == (2, {"inactive": 2, "no_contact": 1})
    tabs = facets_of(rows_of(tenant, [integration]), Filters(Tab.SUGGESTED)).tabs
    assert list(tabs.values()) == [0, 3, 2, 2, 0, 7]


def test_they_are_those_of_the_list(tenant: Tenant, integration: Integration) -> None:
    fill(integration)

    counts = list_counts(tenant, [integration])[integration.pk]

    assert counts.found == list_psa_companies(integration).count()
    assert counts.importable == list_psa_companies(integration, importable=True).count()
    assert counts.linked == list_psa_companies(integration, linked=True).count()
    hidden = list_psa_companies(integration, importable=False, linked=False)
    assert counts.hidden.total() == hidden.count()


def test_a_link_that_was_ended_counts_no_more(tenant: Tenant, integration: Integration) -> None:
    record = make_psa_company(integration)
    make_link(
        make_company(tenant),
        integration,
        external_id=record.external_id,
        unlinked_at=timezone.now(),
    )

    counts = list_counts(tenant, [integration])[integration.pk]

    assert (counts.importable, counts.linked) == (1, 0)


def test_each_integration_has_its_own_and_another_tenants_are_not_counted(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    first, second = make_integration(tenant), make_integration(tenant)
    fill(first)
    stranger = make_integration(other_tenant)
    fill(stranger)

    counts = list_counts(tenant, [first, second])

    assert {pk: found.found for pk, found in counts.items()} == {first.pk: 7, second.pk: 0}
    assert list_counts(tenant, [stranger])[stranger.pk].found == 0


def test_they_cost_two_statements_however_many_there_are(tenant: Tenant) -> None:
    integrations = [make_integration(tenant) for _ in range(4)]
    for integration in integrations:
        fill(integration)

    assert queries(lambda: list_counts(tenant, integrations)) == 2
