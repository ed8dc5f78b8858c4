"""What undoing a link does to agreements."""

from __future__ import annotations

from agreements.models import Agreement
from agreements.stored_values import differing
from agreements.typed import set_aside_for
from integrations.links.kept import moment_of
from integrations.links.shown_later import shows_agreement
from integrations.links.undo_plan import UndoPlan, before_of, was_there


def plan_agreements(plan: UndoPlan) -> None:
    """What the link brought leaves for every day; what it ended goes on as before, and what was
    typed and set aside for it counts again.
    """
    if plan.next_link is None:
        plan.typed_again = list(set_aside_for(plan.link))
    before = before_of(plan.link)["agreements"]
    ours = Agreement.objects.for_tenant(plan.company.tenant).filter(company=plan.company)
    rows = list(ours.from_psas().order_by("id"))
    for row in rows:
        id_ = str(row.pk)
        if not was_there(plan, "agreements", id_):
            continue
        if id_ in before:
            if plan.next_link is None and row.gone_at != moment_of(before[id_]):
                plan.gone[row.pk] = moment_of(before[id_])
            elif plan.next_link is not None and _ended_by_link(plan, row):
                is_read = plan.next_link.read_at is not None
                plan.gone[row.pk] = plan.next_link.linked_at if is_read else None
            continue
        plan.brought.add(id_)
        shown_by = next((one for one in plan.later if shows_agreement(plan.link, one, row)), None)
        if shown_by is None:
            plan.leaving.append(row)
        else:
            plan.shown_by[id_] = shown_by
    _plan_values(plan, rows)


def _ended_by_link(plan: UndoPlan, row: Agreement) -> bool:
    """Whether it ended as the link took the place of an earlier one, and another one that of it.

    Then the latter ends it, as of its own day: once it is read, as without the link.
    """
    return plan.is_followed and row.gone_at == plan.link.linked_at


def _plan_values(plan: UndoPlan, rows: list[Agreement]) -> None:
    """What was here before and was read again says what it said, unless a later link has read it.

    Then it is the later link's own undo that leads back to that.
    """
    kept = before_of(plan.link).get("values", {})
    ours = [
        row
        for row in rows
        if str(row.pk) in kept
        and not any(shows_agreement(plan.link, one, row) for one in plan.later)
    ]
    plan.restored = differing(plan.company.tenant, kept, ours)
