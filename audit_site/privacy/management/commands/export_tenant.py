"""Write everything of a tenant into files."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit_site.db import walls
from audit_site.privacy.asked_tenant import asked_tenant
from audit_site.privacy.tenant_export import Folder, Zip, export_tenant, record_export


class Command(BaseCommand):
    help = (
        "Write everything of a tenant into files: a JSON line for each row, CSV of audITees, "
        "contacts and agreements, and a manifest with counts and hashes. No secret is in it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its id")
        parser.add_argument("--to", required=True, metavar="FOLDER|FILE.zip", help="must be new")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant, path = asked_tenant(options["tenant"]), Path(options["to"])
        if path.exists():
            raise CommandError(f"{path} is there already. Name another one.")
        with walls.within(tenant.pk):
            record_export(tenant, None)
            if path.suffix == ".zip":
                number = _into_zip(tenant, path)
            else:
                number = sum(export_tenant(tenant, Folder(path)))
        self.stdout.write(f"{number} rows of {tenant.name} are in {path}.")


def _into_zip(tenant: Any, path: Path) -> int:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with (
        os.fdopen(handle, "wb") as file,
        zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        return sum(export_tenant(tenant, Zip(archive)))
