"""The folders that the product writes to. Reading the settings alone makes none."""

from __future__ import annotations

from pathlib import Path

from django.conf import settings


def make_folders() -> None:
    """Make what is missing; called once when Django starts, in every process."""
    for folder in settings.PRIVATE_FOLDERS:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    Path(settings.STATIC_ROOT).mkdir(parents=True, exist_ok=True)
