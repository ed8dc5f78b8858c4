"""The walk-through beside a PSA's form, with settings filled in."""

from __future__ import annotations

from typing import Any

from django.conf import settings

from integrations.psa.contract import PsaInfo


def guide_of(info: PsaInfo) -> list[dict[str, Any]]:
    return [
        {
            "title": step.title,
            "text": step.text,
            "values": [(label, filled_in(value)) for label, value in step.values],
        }
        for step in info.guide
    ]


def filled_in(value: str) -> str:
    """A guide's literal value; names of settings in braces are filled in."""
    return value.replace("{help_email}", settings.HELP_EMAIL)
