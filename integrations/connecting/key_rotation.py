"""Encrypting the keys of connections again: those in use, and new ones that are being tested."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from audit_site.db import walls
from audit_site.key_rotation import SealedRow, SealedRows
from integrations import crypto
from integrations.models import Integration


class ConnectionKeys(SealedRows):
    """What `rotate_credentials` seals again of connections."""

    title = "keys of connections"

    def after(self, last: Any, size: int) -> list[SealedRow]:
        rows = Integration.objects.only(
            "pk", "tenant_id", "psa", "credentials", "candidate"
        ).order_by("pk")
        if last is not None:
            rows = rows.filter(pk__gt=last)
        with walls.as_system("rotate_credentials"):
            return [SealedRow(row.pk, _sealed(row), row.tenant_id) for row in rows[:size]]

    def reseal(self, row: SealedRow) -> None:
        if row.tenant_id is None:
            return
        with walls.within(row.tenant_id), transaction.atomic():
            rows = Integration.objects.filter(tenant=row.tenant_id, pk=row.pk)
            locked = rows.select_for_update(no_key=True).first()
            if locked is None:
                return
            candidate = locked.candidate
            if candidate:
                sealed = _resealed(locked, candidate["credentials"])
                candidate = {**candidate, "credentials": sealed}
            rows.update(credentials=_resealed(locked, locked.credentials), candidate=candidate)


def _sealed(row: Integration) -> list[str]:
    places = [row.credentials, (row.candidate or {}).get("credentials", {})]
    secrets = row.psa_info.secret_fields
    return [value for place in places for name, value in place.items() if name in secrets]


def _resealed(row: Integration, values: Mapping[str, str]) -> dict[str, str]:
    secrets = row.psa_info.secret_fields
    return {
        name: crypto.reencrypt_secret(
            value, tenant_id=row.tenant_id, integration_id=row.pk, field=name
        )
        if name in secrets
        else value
        for name, value in values.items()
    }
