"""Links that are made, undone and made again at the same moment."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from audit_site.errors import DomainError
from companies.models import Company
from integrations.links.linking import link_company, unlink_company
from integrations.links.undoing import undo_link
from integrations.models import CompanyLink, Integration
from tests.concurrency import at_once
from tests.factories import make_company, make_integration, make_psa_company, make_tenant

pytestmark = pytest.mark.django_db(transaction=True)


def noting(codes: list[str], act: Callable[[], object]) -> Callable[[], None]:
    """The act, which notes how it ended."""

    def do() -> None:
        try:
            act()
        except DomainError as error:
            codes.append(error.code)
        else:
            codes.append("done")

    return do


def linking(company: Company, integration: Integration, external_id: str) -> Callable[[], object]:
    return lambda: link_company(
        company=company, integration=integration, external_id=external_id, actor=None
    )


def test_of_two_who_link_the_same_pair_one_wins_and_the_other_hears_who_has_it() -> None:
    integration = make_integration(make_tenant())
    record = make_psa_company(integration)
    companies = [make_company(integration.tenant) for _ in range(3)]
    codes: list[str] = []

    at_once(*(noting(codes, linking(one, integration, record.external_id)) for one in companies))

    assert sorted(codes) == ["already_linked", "already_linked", "done"]
    assert CompanyLink.objects.in_force().count() == 1


def test_two_accounts_at_once_link_an_auditee_once() -> None:
    tenant = make_tenant()
    company = make_company(tenant)
    codes: list[str] = []
    acts = []
    for _ in range(3):
        integration = make_integration(tenant)
        record = make_psa_company(integration)
        acts.append(noting(codes, linking(company, integration, record.external_id)))

    at_once(*acts)

    assert sorted(codes) == ["already_linked", "already_linked", "done"]


def test_a_link_beside_the_undo_of_another_leads_back_to_the_time_before_both() -> None:
    integration = make_integration(make_tenant())
    second = make_integration(integration.tenant)
    company = make_company(integration.tenant, name="Acme")
    wrong, right = make_psa_company(integration), make_psa_company(second)
    linking(company, integration, wrong.external_id)()
    Company.objects.update(name="Wrong")
    CompanyLink.objects.update(given_name="Wrong")
    unlink_company(company=company, actor=None)
    codes: list[str] = []
    earlier = CompanyLink.objects.get()

    at_once(
        noting(codes, lambda: undo_link(company=company, actor=None, link_id=earlier.pk)),
        noting(codes, linking(company, second, right.external_id)),
    )

    assert codes == ["done", "done"]
    undo_link(company=company, actor=None)
    assert Company.objects.get().name == "Acme"


def test_of_an_undo_and_an_unlink_at_once_the_undo_has_the_last_word() -> None:
    integration = make_integration(make_tenant())
    company, record = make_company(integration.tenant, name="Acme"), make_psa_company(integration)
    linking(company, integration, record.external_id)()
    Company.objects.update(name="Wrong")
    CompanyLink.objects.update(given_name="Wrong")
    codes: list[str] = []

    at_once(
        noting(codes, lambda: undo_link(company=company, actor=None)),
        noting(codes, lambda: unlink_company(company=company, actor=None)),
    )

    assert sorted(codes) in (["done", "done"], ["done", "not_linked"])
    assert Company.objects.get().name == "Acme"
    assert CompanyLink.objects.get().undone_at is not None
