"""The books and the movement that a page's address asks for: as known now, or at other moments."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from agreements.as_known import known_books, movement_as_known
from agreements.figures import Part, movement_of, tenant_parts
from agreements.restated import restated_movement
from agreements.web.asked_days import Days
from agreements.web.charts import AnyMovement
from audit_site.tenants.models import Tenant


def parts_as_asked(tenant: Tenant, days: Days, company_id: UUID | None = None) -> list[Part]:
    """The books of one company or of all, each with its engine."""
    if days.known_at is None:
        return tenant_parts(tenant, company_id=company_id)
    return known_books(tenant, days.known_at, company_id).parts


def movement_as_asked(
    tenant: Tenant,
    days: Days,
    company_id: UUID | None = None,
    parts: Sequence[Part] | None = None,
) -> Sequence[AnyMovement]:
    """From day to day; where it opens as known at another moment, with what became known since.

    `parts` are the books as asked, for whoever has read them already.
    """
    if days.opens_at is None and parts is not None:
        return movement_of(parts, days.start, days.end)
    if days.known_at is None and days.opens_at is None:
        return movement_of(tenant_parts(tenant, company_id=company_id), days.start, days.end)
    after = known_books(tenant, days.known_at, company_id)
    if days.opens_at is None:
        return movement_as_known(after, days.start, days.end)
    before = known_books(tenant, days.opens_at, company_id)
    return restated_movement(tenant, before, after, days.start, days.end)
