"""An audITee that is linked to one company of a PSA after another: each counts in its own time."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from agreements.figures import Part, company_figure, totals_of
from agreements.history import shown_versions, versions_of
from agreements.models import Agreement
from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.links.linking import link_company, unlink_company
from integrations.links.plan_undo import link_to_undo, plan_undo
from integrations.links.previewing import start_preview
from integrations.links.undoing import undo_link
from integrations.matching.moving import move_many
from integrations.models import CompanyLink, Integration
from integrations.sandbox.server import SandboxServer
from integrations.sync.agreements_phase import AgreementsPhase
from tests.conftest import connect
from tests.factories import make_tenant
from tests.integrations.links.stories import again, by_hand, linked, records_with_money
from tests.worker import work_off

pytestmark = pytest.mark.django_db

#: Of each stretch the first day, the day before it and another one, and days of long ago.
DAYS = (0, 5, 10, 11, 15, 20, 21, 25, 40, 200, 400)
#: How many days ago the audITee came to the second and the third company.
CAME = (4000, 20, 10)


@dataclass
class Place:
    """A company of a PSA, and what an audITee that was always linked to it comes to, by day."""

    integration: Integration
    record: str
    figures: dict[int, Any] = field(default_factory=dict)


def figures_of(company: Company, days: tuple[int, ...] = DAYS) -> dict[int, Any]:
    today, part = company.tenant.today(), company_figure(again(company)).part
    return {ago: totals(part, today - timedelta(ago)) for ago in days}


def totals(part: Part, day: date) -> list[str]:
    return [f"{total['amount']} {total['currency']}" for total in totals_of([part], day)]


def place(integration: Integration, record: str) -> Place:
    """What it comes to is seen on an audITee whose link is undone then."""
    company = linked(by_hand(integration.tenant), integration, record)
    found = Place(integration, record, figures_of(company))
    undo_link(company=again(company), actor=None)
    assert Agreement.objects.filter(company=company).count() == 0
    return found


#: Of how many companies of a PSA it is told once for all tests what they come to.
OF_EACH = {"connectwise": 2, "autotask": 3, "kaseya_bms": 2}
Places = dict[str, list[Place]]


@pytest.fixture(scope="module")
def tenant(rows_for_all: None) -> Tenant:
    return make_tenant(company_limit=100)


@pytest.fixture(scope="module")
def places(tenant: Tenant, sandbox_for_all: SandboxServer) -> Places:
    found = {}
    for psa, many in OF_EACH.items():
        account = connect(tenant, sandbox_for_all, psa)
        records = records_with_money(sandbox_for_all, psa)[:many]
        found[psa] = [place(account, record) for record in records]
    return found


def three(places: Places, *psas: str) -> list[Place]:
    """Companies of these PSAs, of each PSA the next one."""
    following = {psa: iter(places[psa]) for psa in places}
    return [next(following[psa]) for psa in psas]


def go(company: Company, to: Place, days_ago: int = 0, *, moves: bool = False) -> None:
    """Link an audITee elsewhere, so many days ago, and read it."""
    link = CompanyLink.objects.in_force().filter(company=company).first()
    if moves and link is not None:
        with transaction.atomic():
            pairs = [(again(company), to.record)]
            made = move_many(
                source=link.integration, target=to.integration, pairs=pairs, actor=None
            )
        assert not made.rejected
    else:
        if link is not None:
            unlink_company(company=again(company), actor=None)
        link_company(
            company=again(company), integration=to.integration, external_id=to.record, actor=None
        )
    at = timezone.now() - timedelta(days_ago)
    new = CompanyLink.objects.in_force().filter(company=company)
    if days_ago:
        new.update(linked_at=at)
        day = company.tenant.today(at)
        new.filter(counts_from=company.tenant.today()).update(counts_from=day)
        if link is not None:
            CompanyLink.objects.filter(pk=link.pk).update(unlinked_at=at)
    before = timezone.now()
    work_off()
    rows = Agreement.objects.filter(company=company, synced_at__gte=before, gone_at=None)
    rows.update(synced_at=at)


def expected(*stretches: tuple[Place, int]) -> dict[int, Any]:
    """Of each day what the company came to that the audITee was linked to on it, the last first."""
    return {
        ago: next(place.figures[ago] for place, came in stretches if ago <= came) for ago in DAYS
    }


PAIRS = [
    ("connectwise", "autotask"),
    ("autotask", "kaseya_bms"),
    ("kaseya_bms", "connectwise"),
    ("connectwise", "connectwise"),
    ("autotask", "autotask"),
    ("kaseya_bms", "kaseya_bms"),
]


@pytest.mark.parametrize("psas", PAIRS, ids="-".join)
@pytest.mark.parametrize("many_books", [1, 100])
def test_both_never_count_together(
    tenant: Tenant,
    places: Places,
    monkeypatch: pytest.MonkeyPatch,
    psas: tuple[str, str],
    many_books: int,
) -> None:
    monkeypatch.setattr(AgreementsPhase, "many_books", many_books)
    first, second = three(places, *psas)
    company = by_hand(tenant)
    go(company, first)
    unlink_company(company=again(company), actor=None)
    assert figures_of(company) == first.figures, "what a person unlinked keeps its last values"
    preview = start_preview(
        company=again(company),
        integration=second.integration,
        external_id=second.record,
        actor=None,
    )
    work_off()

    go(company, second)

    assert figures_of(company) == expected((second, 0), (first, CAME[0]))
    shown = shown_versions(company, list(versions_of(company)))
    after = [[f"{one['amount']} {one['currency']}" for one in row.mrr_after] for row in shown]
    assert after == [second.figures[0], first.figures[0]]
    preview.refresh_from_db()
    assert preview.found is not None
    assert preview.found["mrr"]["after"] == company_figure(again(company)).totals
    undo_link(company=again(company), actor=None)
    work_off()
    assert figures_of(company) == first.figures
    assert not CompanyLink.objects.in_force().filter(company=company).exists()


@pytest.mark.parametrize(
    "psas",
    [
        ("connectwise", "autotask", "kaseya_bms"),
        ("kaseya_bms", "connectwise", "autotask"),
        ("autotask", "autotask", "autotask"),
    ],
    ids="-".join,
)
def test_links_of_a_chain_are_undone_in_any_order(
    tenant: Tenant, places: Places, psas: tuple[str, str, str]
) -> None:
    a, b, c = three(places, *psas)
    whole = expected((c, CAME[2]), (b, CAME[1]), (a, CAME[0]))
    ways = [False] if len({*psas}) < 3 else [False, True]
    for moves in ways:
        for second_first in (True, False):
            company = by_hand(tenant)
            for to, days_ago in zip((a, b, c), CAME, strict=True):
                go(company, to, days_ago, moves=moves)
            assert figures_of(company) == whole
            links = list(CompanyLink.objects.filter(company=company).order_by("linked_at"))
            links.sort(key=lambda link: [a, b, c].index(_of(link, a, b, c)))

            wanted = (
                expected((c, CAME[2]), (a, CAME[0]))
                if second_first
                else expected((b, CAME[1]), (a, CAME[0]))
            )
            order = [links[1], links[2]] if second_first else [links[2], links[1]]
            undone(company, order[0], wanted)
            in_force = CompanyLink.objects.in_force().filter(company=company)
            if not second_first:
                assert [link.pk for link in in_force] == ([links[1].pk] if moves else [])
            undone(company, order[1], a.figures)
            assert [link.pk for link in in_force.all()] == ([links[0].pk] if moves else [])
            undone(company, links[0], {ago: [] for ago in DAYS})


def _of(link: CompanyLink, *places: Place) -> Place:
    return next(one for one in places if link.record == (one.integration.pk, one.record))


def undone(company: Company, link: CompanyLink, wanted: dict[int, Any]) -> None:
    """Undo a link: the page said what it comes to, and it does, also once all was read again."""
    plan = plan_undo(again(company), link_to_undo(again(company), link.pk))
    said = [f"{one['amount']} {one['currency']}" for one in plan.mrr_after]
    undo_link(company=again(company), actor=None, link_id=link.pk)
    assert figures_of(company) == wanted
    assert said == wanted[0]
    work_off()
    assert figures_of(company) == wanted


def test_the_link_in_between_is_undone_before_the_last_one_was_read(
    tenant: Tenant, places: Places
) -> None:
    a, b, c = three(places, "connectwise", "autotask", "kaseya_bms")
    company = by_hand(tenant)
    go(company, a, CAME[0])
    go(company, b, 20)
    unlink_company(company=again(company), actor=None)
    link_company(
        company=again(company), integration=c.integration, external_id=c.record, actor=None
    )

    link = CompanyLink.objects.get(company=company, external_id=b.record)
    undo_link(company=again(company), actor=None, link_id=link.pk)

    assert figures_of(company) == a.figures
    work_off()
    assert figures_of(company) == expected((c, 0), (a, CAME[0]))


def test_linked_to_the_same_company_again_it_goes_on_where_it_was(
    tenant: Tenant, places: Places
) -> None:
    a, b = three(places, "connectwise", "autotask")
    company = by_hand(tenant)
    go(company, a, CAME[0])
    go(company, b, 20)
    go(company, b, 10)
    wanted = expected((b, 20), (a, CAME[0]))
    assert figures_of(company) == wanted
    links = CompanyLink.objects.filter(company=company, external_id=b.record)
    assert {*links.values_list("counts_from")} == {(tenant.today() - timedelta(20),)}

    with pytest.raises(DomainError) as refused:
        go(company, a)
    assert refused.value.code == "moved_before"
    assert "Undo that later link" in refused.value.fix

    undone(company, links.order_by("linked_at")[0], expected((b, 10), (a, CAME[0])))
    undone(company, links.order_by("linked_at")[1], a.figures)
    go(company, a)
    assert figures_of(company) == a.figures


def test_where_nothing_was_brought_before_it_counts_on_all_days(
    tenant: Tenant, places: Places
) -> None:
    a, b = three(places, "connectwise", "autotask")
    company = by_hand(tenant)
    link_company(
        company=again(company), integration=a.integration, external_id=a.record, actor=None
    )
    unlink_company(company=again(company), actor=None)

    go(company, b)

    assert figures_of(company) == b.figures
    assert CompanyLink.objects.in_force().get(company=company).moved_from is None
