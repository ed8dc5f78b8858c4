"""Rows of an import list, and what its page shows of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

from audit_site.tenants.models import User
from integrations.importing.last_viewed import note_viewed
from integrations.models import Integration
from tests.clients import page_text
from tests.factories import make_psa_company

EARLY = datetime(2026, 11, 1, tzinfo=UTC)


def names(answer: Any) -> list[str]:
    """The companies on a page of the import list."""
    body = re.search("<tbody>.*</tbody>", page_text(answer), re.DOTALL)
    return re.findall("<td><strong>([^<]*)</strong>", body[0] if body else "")


def marked(answer: Any) -> list[str]:
    """Those of them that are marked as new."""
    return re.findall(
        '<td><strong>([^<]*)</strong> <span class="mark busy">New</span>', page_text(answer)
    )


def look(integration: Integration, user: User) -> None:
    """A person looks at one import list."""
    note_viewed(tenant=integration.tenant, integrations=[integration], user=user)


def address_of(integration: Integration) -> str:
    """The page of the import list with the companies of one connection."""
    return f"/import/?connection={integration.pk}"


def add(integration: Integration, *named: str, **over: Any) -> None:
    for name in named:
        make_psa_company(integration, name=name, **over)
