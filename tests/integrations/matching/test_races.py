"""Two people at the same moment."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from audit_site.errors import DomainError
from companies.models import Company
from integrations.links.linking import link_company, unlink_company
from integrations.links.undoing import undo_link
from integrations.matching.batches import carry_undo_out, undo_batch
from integrations.matching.bringing_back import bring_back
from integrations.matching.confirming import ConfirmResult, confirm_pairs
from integrations.matching.dismissing import dismiss_pairs
from integrations.matching.moving import propose_moves
from integrations.matching.pairs import AskedPair
from integrations.matching.suggesting import match_links
from integrations.models import (
    CompanyLink,
    Integration,
    LinkBatch,
    LinkMatching,
    LinkSuggestion,
    PsaCompanyRecord,
)
from tests.concurrency import at_once
from tests.factories import make_integration, make_link, make_psa_company, make_tenant
from tests.integrations.matching.suggestions import matched, pair

pytestmark = pytest.mark.django_db(transaction=True)


def asked(company: Company, record: PsaCompanyRecord) -> AskedPair:
    return AskedPair(str(company.pk), str(record.integration_id), record.external_id)


class Results(list[ConfirmResult]):
    def confirm(self, integration: Integration, *pairs: AskedPair) -> None:
        self.append(confirm_pairs(tenant=integration.tenant, pairs=pairs, actor=None))

    def codes(self) -> list[str]:
        return sorted(one.code for result in self for one in result.rejected)

    def linked(self) -> int:
        return sum(len(result.links) for result in self)


def test_two_who_confirm_the_same_pairs_in_another_order_link_each_once() -> None:
    integration = make_integration(make_tenant())
    other = make_integration(integration.tenant)
    pairs = [asked(*pair(integration, f"Number{n} Bakery")) for n in range(5)]
    pairs += [asked(*pair(other, f"Number{n} Roofing")) for n in range(5)]
    matched(integration.tenant)
    results = Results()

    at_once(
        lambda: results.confirm(integration, *pairs),
        lambda: results.confirm(integration, *reversed(pairs)),
    )

    assert len(results) == 2
    assert (results.linked(), results.codes()) == (10, ["already_linked"] * 10)
    assert CompanyLink.objects.in_force().count() == 10


def test_a_confirm_beside_a_link_by_hand_leaves_one_link() -> None:
    integration = make_integration(make_tenant())
    company, record = pair(integration, "Amber Vet")
    elsewhere = make_psa_company(integration, name="Somebody else")
    matched(integration.tenant)
    results = Results()

    def by_hand() -> None:
        link_company(
            company=company,
            integration=integration,
            external_id=elsewhere.external_id,
            actor=None,
        )

    at_once(lambda: results.confirm(integration, asked(company, record)), _quietly(by_hand))

    link = CompanyLink.objects.in_force().get(company=company)
    is_confirmed = link.external_id == record.external_id
    assert (results.linked(), results.codes()) == (
        (1, []) if is_confirmed else (0, ["already_linked"])
    )


def test_a_confirm_beside_a_dismissal_is_one_of_the_two() -> None:
    integration = make_integration(make_tenant())
    company, record = pair(integration, "Amber Vet")
    matched(integration.tenant)
    results = Results()

    at_once(
        lambda: results.confirm(integration, asked(company, record)),
        lambda: dismiss_pairs(
            tenant=integration.tenant, pairs=[asked(company, record)], actor=None
        ),
    )

    assert results.codes() in ([], ["not_suggested"])
    assert results.linked() == CompanyLink.objects.in_force().count()


def test_two_moves_and_an_undo_at_once_leave_one_link_in_force() -> None:
    integration = make_integration(make_tenant())
    target = make_integration(integration.tenant)
    company, record = pair(integration, "Amber Vet")
    link_company(
        company=company, integration=integration, external_id=record.external_id, actor=None
    )
    there = make_psa_company(target, name="Amber Vet")
    matching = propose_moves(source=integration, target=target, actor=None)
    match_links(tenant_id=str(company.tenant_id), matching_id=str(matching.pk))
    results = Results()

    at_once(
        lambda: results.confirm(integration, asked(company, there)),
        lambda: results.confirm(integration, asked(company, there)),
        _quietly(lambda: unlink_company(company=company, actor=None)),
    )

    assert CompanyLink.objects.in_force().filter(company=company).count() <= 1
    assert results.linked() <= 1
    moved = CompanyLink.objects.filter(company=company, integration=target)
    assert moved.count() == results.linked()


def test_an_undo_of_a_move_beside_a_link_of_the_former_company_takes_nothing_away() -> None:
    integration = make_integration(make_tenant())
    target = make_integration(integration.tenant)
    company, record = pair(integration, "Amber Vet")
    make_link(company, integration, external_id=record.external_id)
    there = make_psa_company(target, name="Amber Vet")
    matching = propose_moves(source=integration, target=target, actor=None)
    match_links(tenant_id=str(company.tenant_id), matching_id=str(matching.pk))
    Results().confirm(integration, asked(company, there))
    other, _ = pair(integration, "Another")

    at_once(
        lambda: undo_link(company=company, actor=None),
        _quietly(
            lambda: link_company(
                company=other,
                integration=integration,
                external_id=record.external_id,
                actor=None,
            )
        ),
    )

    (holder,) = CompanyLink.objects.in_force().filter(external_id=record.external_id)
    assert holder.company in {company, other}
    assert CompanyLink.objects.in_force().filter(integration=target).count() == 0


def test_two_workers_work_the_same_out_once() -> None:
    integration = make_integration(make_tenant())
    for number in range(5):
        pair(integration, f"Number{number} Bakery")
    at_once(*[lambda: matched(integration.tenant)] * 2)

    assert LinkSuggestion.objects.count() == 5
    assert LinkMatching.objects.count() == 1


def _quietly(act: Any) -> Any:
    """Who loses the race is told so, which other tests look at."""

    def do() -> None:
        with suppress(DomainError):
            act()

    return do


def undone_together(count: int) -> LinkBatch:
    """Links of two accounts that were confirmed together, all of them undone."""
    integration = make_integration(make_tenant())
    other = make_integration(integration.tenant)
    pairs = [asked(*pair(integration, f"Number{n} Bakery")) for n in range(count)]
    pairs += [asked(*pair(other, f"Number{n} Roofing")) for n in range(count)]
    matched(integration.tenant)
    batch = confirm_pairs(tenant=integration.tenant, pairs=pairs, actor=None).batch
    assert batch is not None
    undo_batch(batch=batch, actor=None)
    carry_undo_out(tenant_id=str(batch.tenant_id), batch_id=str(batch.pk))
    return batch


def test_of_two_who_bring_the_same_back_one_does_and_the_other_hears_it() -> None:
    batch, codes = undone_together(3), []

    def back() -> None:
        try:
            bring_back(batch=batch, actor=None)
        except DomainError as error:
            codes.append(error.code)

    at_once(back, back)

    assert codes == ["nothing_to_bring_back"]
    assert CompanyLink.objects.in_force().filter(batch=batch).count() == 6
    assert LinkBatch.objects.get().not_back == []


def test_bringing_back_beside_a_link_of_one_of_them_leaves_one_link_each() -> None:
    batch = undone_together(2)
    link = CompanyLink.objects.filter(batch=batch).select_related("company", "integration")[0]
    elsewhere = make_psa_company(link.integration, name="Somebody else")

    def by_hand() -> None:
        with suppress(DomainError):
            link_company(
                company=link.company, integration=link.integration,
                external_id=elsewhere.external_id, actor=None,
            )  # fmt: skip

    at_once(by_hand, lambda: bring_back(batch=batch, actor=None))

    links = CompanyLink.objects.in_force()
    assert links.count() == 4
    is_back = links.get(company=link.company).external_id == link.external_id
    assert links.filter(batch=batch).count() == (4 if is_back else 3)
