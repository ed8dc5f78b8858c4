"""A visit to an import list in a browser: what is new stays marked while it lasts."""

from __future__ import annotations

import time
from datetime import datetime
from typing import Any

from audit_site.pages.views import PageRequest
from integrations.importing import last_viewed
from integrations.importing.selectors import looked_at
from integrations.models import Integration

SESSION_KEY = "import_list_visits"
#: A visit ends when its list was not opened for so long, in seconds.
LASTS = 30 * 60


def new_since(request: PageRequest, integration: Integration) -> datetime | None:
    """From when on a company is new on the page that is asked for; None = nothing is.

    Opening the list (all of it, or only what is new) moves the person's mark, so that the next
    visit counts from there; this visit goes on showing what was new when it began. Filters, other
    pages of it and fragments move nothing.
    """
    now = time.time()
    running = {
        pk: visit
        for pk, visit in request.session.get(SESSION_KEY, {}).items()
        if visit["until"] > now
    }
    visit: dict[str, Any] | None = running.get(str(integration.pk))
    if not is_opening(request):
        if visit is not None:
            return datetime.fromisoformat(visit["since"])
        return looked_at(integration, request.user)
    before = last_viewed.note_viewed(integration=integration, user=request.user)
    since = datetime.fromisoformat(visit["since"]) if visit is not None else before
    if since is not None:
        running[str(integration.pk)] = {"since": since.isoformat(), "until": now + LASTS}
        request.session[SESSION_KEY] = running
    return since


def is_opening(request: PageRequest) -> bool:
    """Whether this opens the list, and does not only filter it or turn its pages."""
    narrowed = any(value for name, value in request.GET.items() if name != "new")
    return not request.htmx and not narrowed
