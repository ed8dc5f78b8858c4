"""This machine: its folders, its disk, and what it knows of time zones."""

from __future__ import annotations

import os
import shutil
import zoneinfo
from pathlib import Path
from typing import Final

from django.conf import settings

from audit_site.db import walls
from audit_site.doctor.findings import Finding, failing, ok, warning
from audit_site.tenants.models import Tenant

LEAST_FREE_BYTES: Final = 500_000_000
OTHERS: Final = 0o077


def folders() -> Finding:
    """The folders of this product's own: writable, and readable by nobody else."""
    for folder in map(Path, settings.PRIVATE_FOLDERS):
        if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
            return failing(
                f"{folder} can't be written to.",
                f"Make it a folder of the user that runs the processes, or set VAR_DIR: "
                f"`install -d -m 0700 {folder}`.",
            )
        if folder.stat().st_mode & OTHERS:
            return failing(
                f"Other users of this machine can look into {folder}.", f"`chmod 0700 {folder}`."
            )
    return ok("The product's folders are its own.")


def disk() -> Finding:
    free = shutil.disk_usage(settings.VAR_DIR).free
    if free < LEAST_FREE_BYTES:
        return warning(
            f"Only {free // 1_000_000} MB are free where {settings.VAR_DIR} is.",
            "Make room, or put VAR_DIR on a larger disk.",
        )
    return ok(f"{free // 1_000_000_000} GB are free where {settings.VAR_DIR} is.")


def time_zones() -> Finding:
    """Nights, months and charts follow the tenant's time zone."""
    known = zoneinfo.available_timezones()
    with walls.as_system("doctor"):
        used = set(Tenant.objects.order_by().values_list("timezone", flat=True).distinct())
    if unknown := sorted(used - known):
        return failing(
            f"Time zones that tenants chose are not known here: {', '.join(unknown[:5])}.",
            "Install the packages of requirements.txt again (tzdata), or choose others.",
        )
    return ok(f"{len(known)} time zones are known.")
