"""Everything of a tenant as files: a JSON line for each row, CSV for people, and a manifest.

Read and written a slice at a time, whatever the size. No secret is in it: what opens something
(keys of PSAs, hashes of tokens and passwords) is left out, and the manifest says so.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import IO, Any, Final

from django.core.serializers.json import DjangoJSONEncoder
from django.db import models
from django.utils import timezone

from agreements.known.texts import opened
from agreements.models import Agreement, AgreementLine, BookPiece, CompanyMrr
from audit_site.db.slices import SLICE
from audit_site.pages.downloads import MARK, safe_cell
from audit_site.privacy.owned import owned_models
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from companies.models import Company, Contact
from integrations.connecting.credentials import open_fields
from integrations.models import Integration

#: The form of the files; it rises when a reader would have to know.
FORMAT: Final = 1
#: Parts of a column's name by which it opens something, or proves that somebody could.
SECRET_PARTS: Final = (
    "password",
    "secret_hash",
    "token_hash",
    "key_hash",
    "request_hash",
    "salt",
)
#: Tables that are written as CSV as well.
FOR_PEOPLE: Final = (Company, Contact, Agreement, AgreementLine, CompanyMrr)
#: What is told of the people of a tenant.
OF_PEOPLE: Final = ("id", "email", "name", "date_joined")


class Files(ABC):
    """Where the files go."""

    @abstractmethod
    def open(self, name: str) -> AbstractContextManager[IO[bytes]]:
        """A file to write, within the export."""


class Folder(Files):
    """A folder of files."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.mkdir(mode=0o700, parents=True)

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        path = self._path / name
        path.parent.mkdir(exist_ok=True, mode=0o700)
        with path.open("wb") as file:
            path.chmod(0o600)
            yield file


class Zip(Files):
    """A ZIP archive; `target` need not know where it is."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextmanager
    def open(self, name: str) -> Iterator[IO[bytes]]:
        with self._archive.open(name, "w", force_zip64=True) as file:
            yield file


class _Outgoing(io.RawIOBase):
    """What a ZIP archive is written to, to be sent on in parts: it only ever goes forward."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self._parts.append(bytes(data))
        return len(data)

    def taken(self) -> bytes:
        """What was written since the last time."""
        parts, self._parts = self._parts, []
        return b"".join(parts)


def export_stream(tenant: Tenant) -> Iterator[bytes]:
    """The export as the bytes of a ZIP archive, made while it is sent: nothing of it is kept."""
    outgoing = _Outgoing()
    with zipfile.ZipFile(outgoing, "w", zipfile.ZIP_DEFLATED) as archive:
        for _ in export_tenant(tenant, Zip(archive)):
            if data := outgoing.taken():
                yield data
    yield outgoing.taken()


class _Counted:
    """Writes into a file, and remembers how much and its hash."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._hash = file, hashlib.sha256()
        self.rows = self.bytes = 0

    def write(self, text: str, *, rows: int) -> None:
        data = text.encode()
        self._file.write(data)
        self._hash.update(data)
        self.bytes += len(data)
        self.rows += rows

    def entry(self, name: str) -> dict[str, Any]:
        return {
            "name": name,
            "rows": self.rows,
            "bytes": self.bytes,
            "sha256": self._hash.hexdigest(),
        }


def record_export(tenant: Tenant, actor: User | None) -> None:
    """Write into the audit trail that everything is taken away, before the first row is."""
    record_audit(
        tenant=tenant,
        actor=actor,
        action="tenant.exported",
        subject=tenant,
    )


def export_tenant(tenant: Tenant, files: Files) -> Iterator[int]:
    """Write everything; yields after each slice how many rows that were, so that it can be watched
    and handed on in parts. The manifest comes last: an export without one is not whole.
    """
    entries: list[dict[str, Any]] = []
    left_out: dict[str, list[str]] = {}
    for model, rows in _tables(tenant):
        columns = _columns(model)
        hidden = sorted({field.attname for field in model._meta.concrete_fields} - set(columns))
        if hidden:
            left_out[model._meta.db_table] = hidden
        yield from _write_lines(model, rows, columns, files, entries)
        if model in FOR_PEOPLE:
            yield from _write_csv(model, rows, columns, files, entries)
    left_out[Integration._meta.db_table] = ["secrets in credentials and candidate"]
    manifest = {
        "format": FORMAT,
        "made_at": timezone.now(),
        "tenant": {"id": tenant.pk, "name": tenant.name},
        "files": entries,
        "left_out": left_out,
    }
    with files.open("manifest.json") as file:
        file.write(json.dumps(manifest, cls=DjangoJSONEncoder, indent=1).encode())
    yield 0


def _tables(tenant: Tenant) -> Iterator[tuple[type[models.Model], models.QuerySet[Any]]]:
    """Tenant, people, and every table with a tenant, those last that point to others."""
    yield Tenant, Tenant.objects.filter(pk=tenant.pk)
    yield User, User.objects.filter(memberships__tenant=tenant).distinct()
    for model in reversed([model for model in owned_models() if model.is_told]):
        yield model, model._base_manager.filter(tenant=tenant)


def _columns(model: type[models.Model]) -> list[str]:
    names = [field.attname for field in model._meta.concrete_fields]
    if model is User:
        return [name for name in names if name in OF_PEOPLE]
    return [name for name in names if not any(part in name for part in SECRET_PARTS)]


def _slices(
    model: type[models.Model], rows: models.QuerySet[Any], columns: list[str]
) -> Iterator[list[dict[str, Any]]]:
    ordered = rows.order_by("pk").values(*columns)
    found = list(ordered[:SLICE])
    while found:
        last = found[-1]["id"]
        yield opened(found) if model is BookPiece else [_opened(model, row) for row in found]
        found = list(ordered.filter(pk__gt=last)[:SLICE])


def _opened(model: type[models.Model], row: dict[str, Any]) -> dict[str, Any]:
    """A row without secrets in its values."""
    if model is not Integration:
        return row
    info = Integration(psa=row["psa"]).psa_info
    candidate = row["candidate"]
    if candidate:
        shown = open_fields(info, candidate["credentials"])
        candidate = {**candidate, "credentials": shown}
    return {**row, "credentials": open_fields(info, row["credentials"]), "candidate": candidate}


def _write_lines(
    model: type[models.Model],
    rows: models.QuerySet[Any],
    columns: list[str],
    files: Files,
    entries: list[dict[str, Any]],
) -> Iterator[int]:
    name = f"tables/{model._meta.db_table}.jsonl"
    with files.open(name) as file:
        counted = _Counted(file)
        for found in _slices(model, rows, columns):
            lines = [json.dumps(row, cls=DjangoJSONEncoder, ensure_ascii=False) for row in found]
            counted.write("\n".join(lines) + "\n", rows=len(found))
            yield len(found)
    entries.append(counted.entry(name))


def _write_csv(
    model: type[models.Model],
    rows: models.QuerySet[Any],
    columns: list[str],
    files: Files,
    entries: list[dict[str, Any]],
) -> Iterator[int]:
    name = f"{str(model._meta.verbose_name_plural).replace(' ', '-')}.csv"
    with files.open(name) as file:
        counted = _Counted(file)
        counted.write(MARK + _csv_text([columns]), rows=0)
        for found in _slices(model, rows, columns):
            cells = [[safe_cell(row[column]) for column in columns] for row in found]
            counted.write(_csv_text(cells), rows=len(found))
            yield 0
    entries.append(counted.entry(name))


def _csv_text(rows: list[list[str]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()
