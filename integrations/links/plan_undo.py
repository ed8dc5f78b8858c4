"""Which link is undone, and what that would do now."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from audit_site.errors import DomainError
from companies.models import Company, Contact
from integrations.links.shown_later import later_links
from integrations.links.undo_plan import UndoPlan
from integrations.links.undone_agreements import plan_agreements
from integrations.links.undone_people import plan_own_fields, plan_people
from integrations.models import CompanyLink

#: So many ended links are shown.
MOST_EARLIER: Final = 20


def link_to_undo(company: Company, link_id: UUID | None = None) -> CompanyLink:
    """The link that was asked for, else the newest one of the audITee, in force or ended.

    DomainError when there is none, when it is undone already, or when nobody knows what was before
    it.
    """
    rows = CompanyLink.objects.for_tenant(company.tenant).filter(company=company).with_before()
    rows = rows.select_related("integration__tenant", "moved_from__integration__tenant")
    chosen = rows.filter(pk=link_id) if link_id else rows
    link = chosen.order_by("-linked_at", "-id").first()
    if link is None:
        raise DomainError("not_linked", "This audITee has not been linked to a PSA.")
    if link.undone_at is not None:
        raise DomainError(
            "already_undone",
            f"The link of “{company.name}” to {link.integration.name} is undone already.",
            "Load the audITee again to see it as it is now.",
        )
    if link.before is None:
        raise DomainError(
            "nothing_to_undo",
            f"Nothing is known of what “{company.name}” was before this link: the import made it, "
            "or the link is older than what is kept.",
            "Unlink it, or archive it.",
        )
    return link


def earlier_links(company: Company) -> list[CompanyLink]:
    """Ended links of an audITee that can still be undone, the newest first."""
    rows = CompanyLink.objects.for_tenant(company.tenant).filter(company=company)
    ended = rows.undoable_first().filter(can_undo=True).exclude(pk__in=rows.in_force())
    return list(ended.select_related("integration")[:MOST_EARLIER])


def plan_undo(company: Company, link: CompanyLink) -> UndoPlan:
    """What undoing this link would do now. Six statements at the most."""
    people = Contact.objects.for_tenant(company.tenant).filter(company=company).order_by("id")
    plan = UndoPlan(company, link, later_links(link), {str(person.pk): person for person in people})
    plan_people(plan)
    plan_own_fields(plan)
    plan_agreements(plan)
    return plan
