"""A person asks what a link would change; a worker works it out (`preview_work`)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.utils import timezone

from audit_site import limits
from audit_site.db.slices import delete_everywhere
from audit_site.tenants.models import User
from companies.models import Company
from integrations.links.linking import refuse_pair
from integrations.models import Integration, LinkPreview
from integrations.runs import dispatching

#: For so long a preview is kept, and tells what its PSA had shown.
KEPT: Final = timedelta(days=1)


@transaction.atomic
def start_preview(
    *, company: Company, integration: Integration, external_id: str, actor: User | None
) -> LinkPreview:
    """Have a worker compare an audITee with a record of a PSA: the preview under way, or a new one.

    Raises the DomainErrors that the link itself would raise: `already_linked`, `unknown_company`,
    and that of an integration that is disconnected. A paused one is asked, since a person wants it.
    """
    integration.refuse_disconnected()
    refuse_pair(integration, company, external_id)
    same = LinkPreview.objects.of(integration).filter(company=company, external_id=external_id)
    under_way = same.exclude(state=LinkPreview.State.DONE).first()
    if under_way is not None:
        return under_way
    limits.spend(company.tenant, limits.LOOKUPS)
    preview = LinkPreview.objects.create(
        tenant=company.tenant,
        integration=integration,
        company=company,
        external_id=external_id,
        asked_by=actor,
        dispatched_at=timezone.now(),
    )
    dispatching.dispatch(preview)
    return preview


def expires_at(preview: LinkPreview) -> datetime:
    return preview.queued_at + KEPT


def forget_previews() -> None:
    """Delete previews that are too old to tell anything. May run at any time."""
    old = LinkPreview.objects.filter(queued_at__lt=timezone.now() - KEPT)
    delete_everywhere(old, "forget_previews")
