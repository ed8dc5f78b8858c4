"""The inbox of an integration: its address, and its words."""

from __future__ import annotations

import re
from typing import Any

from integrations.models import Integration
from tests.clients import text


def words(answer: Any) -> str:
    """What a person reads of the content of a page, each run of white space one blank."""
    content = text(answer).split("<main")[1].split("</main>")[0]
    return " ".join(re.sub(r"<[^>]+>", " ", content).split())


def inbox_of(integration: Integration) -> str:
    return f"/integrations/{integration.pk}/issues/"
