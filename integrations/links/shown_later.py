"""What the links that followed a link have shown of what came with it."""

from __future__ import annotations

from datetime import datetime

from agreements.models import Agreement
from companies.models import Contact
from integrations.models import CompanyLink


def later_links(link: CompanyLink) -> list[CompanyLink]:
    """The links of the same audITee that followed it and stand, in their order."""
    rows = CompanyLink.objects.for_tenant(link.tenant).standing().with_before()
    rows = rows.filter(company=link.company_id, linked_at__gt=link.linked_at)
    return list(rows.select_related("integration").order_by("linked_at", "id"))


def _same_record_shown(link: CompanyLink, later: CompanyLink, gone_at: datetime | None) -> bool:
    """Whether a later link to the same PSA company shows, or did until its end, what came with it.

    One in force that was not read yet will show it.
    """
    if (later.integration_id, later.external_id) != (link.integration_id, link.external_id):
        return False
    if gone_at is None:
        return later.is_in_force or later.read_at is not None
    ended = later.unlinked_at
    return later.read_at is not None and ended is not None and gone_at >= ended


def shows_person(link: CompanyLink, later: CompanyLink, person: Contact) -> bool:
    if _same_record_shown(link, later, person.gone_at):
        return True
    is_current = later.is_in_force and later.read_at is not None and person.gone_at is None
    return is_current and later.integration_id == link.integration_id


def shows_agreement(link: CompanyLink, later: CompanyLink, row: Agreement) -> bool:
    """Of another PSA company only what was stored by its own reading."""
    if later.integration_id != row.integration_id:
        return False
    if _same_record_shown(link, later, row.gone_at):
        return True
    until = later.unlinked_at
    is_in_time = later.linked_at <= row.synced_at and (until is None or row.synced_at <= until)
    return later.read_at is not None and is_in_time
