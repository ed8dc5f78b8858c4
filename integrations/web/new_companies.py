"""A visit to the import list in a browser: what is new stays marked while it lasts."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from audit_site.pages.views import PageRequest, tenant_of
from integrations.importing.last_viewed import looked_at_all, note_viewed
from integrations.models import Integration

SESSION_KEY = "import_list_visits"
#: A visit ends when its list was not opened for so long, in seconds.
LASTS = 30 * 60


def new_since(
    request: PageRequest, integrations: Sequence[Integration], *, is_opening: bool
) -> dict[UUID, datetime]:
    """From when on a company is new on the page that is asked for, by its integration.

    Opening the lists (all of them or one, or only what is new) moves the person's mark, so that the
    next visit counts from there; this visit goes on showing what was new when it began. Filters,
    other pages of it and fragments move nothing.
    """
    now, tenant = time.time(), tenant_of(request)
    kept: dict[str, dict[str, Any]] = request.session.get(SESSION_KEY, {})
    running = {pk: visit for pk, visit in kept.items() if visit["until"] > now}
    during = {UUID(pk): datetime.fromisoformat(visit["since"]) for pk, visit in running.items()}
    if is_opening:
        before = note_viewed(tenant=tenant, integrations=integrations, user=request.user)
    else:
        before = looked_at_all(tenant, integrations, request.user)
    since = {**before, **{one.pk: during[one.pk] for one in integrations if one.pk in during}}
    if is_opening and since:
        opened = {
            str(pk): {"since": at.isoformat(), "until": now + LASTS} for pk, at in since.items()
        }
        request.session[SESSION_KEY] = {**running, **opened}
    return since
