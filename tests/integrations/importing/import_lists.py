"""Rows of an import list, and what its page shows of them."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

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


def add(integration: Integration, *named: str, **over: Any) -> None:
    for name in named:
        make_psa_company(integration, name=name, **over)
