"""Undoing the link that an audITee has moved away from."""

from __future__ import annotations

from typing import Any

from integrations.links.plan_undo import link_to_undo, plan_undo
from integrations.links.undoing import undo_link
from integrations.models import CompanyLink
from tests.integrations.links.stories import again
from tests.integrations.matching.moves import Story
from tests.worker import work_off

#: What a person had typed in before the link; an import keeps nothing of that.
BY_HAND: dict[str, Any] = {
    "name": "Acme",
    "type": "client",
    "primary": None,
    "choice": None,
    "contacts": [],
    "agreements": {},
}


def test_what_followed_the_move_counts_on_all_days(story: Story) -> None:
    story.move()
    work_off()
    former = CompanyLink.objects.get(company=story.company, integration=story.old)
    CompanyLink.objects.filter(pk=former.pk).update(before=BY_HAND)
    wanted = [story.wanted_on(days) for days in (0, 1, 2, 40, 200, 400)]
    assert wanted[3] != []
    assert story.series()[1:] != wanted[1:]

    company = again(story.company)
    plan = plan_undo(company, link_to_undo(company, former.pk))
    assert [(one["currency"], one["amount"]) for one in plan.mrr_after] == wanted[0]
    undo_link(company=company, actor=None, link_id=former.pk)

    assert story.series() == wanted
    work_off()
    assert story.series() == wanted
    assert CompanyLink.objects.in_force().get(company=story.company).moved_from is None


def test_a_move_that_was_not_read_yet_counts_on_all_days_too(story: Story) -> None:
    story.move()
    former = CompanyLink.objects.get(company=story.company, integration=story.old)
    CompanyLink.objects.filter(pk=former.pk).update(before=BY_HAND)

    undo_link(company=again(story.company), actor=None, link_id=former.pk)
    work_off()

    assert story.series() == [story.wanted_on(days) for days in (0, 1, 2, 40, 200, 400)]
