"""Look whether the audit trail is whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit_site.db import walls
from audit_site.tenants.audit_chain import Verdict, hash_at, verify
from audit_site.tenants.models import Tenant


class Command(BaseCommand):
    help = (
        "Look at each tenant's audit trail: one line of JSON a tenant, with the number of events "
        "and the hash of the last one. Ends with 1 at a changed, removed or slipped-in event. Keep "
        "what it prints somewhere else: with --expect-head, an end that was cut off shows too."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", metavar="ID", help="left out, all of them")
        parser.add_argument(
            "--expect-head",
            metavar="FILE",
            help="what this command printed earlier: all of it must still be there",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        expected = _read_heads(options["expect_head"])
        tenants = _tenants(options["tenant"])
        missing = expected.keys() - {str(tenant.pk) for tenant in tenants}
        faults = 0
        for tenant in tenants:
            with walls.within(tenant.pk):
                verdict = verify(tenant)
                lost = _lost(tenant, expected.get(str(tenant.pk)))
            self.stdout.write(json.dumps(_line(tenant, verdict, lost)))
            faults += bool(verdict.broken or lost)
        if not options["tenant"]:
            for pk in sorted(missing):
                self.stdout.write(json.dumps({"tenant": pk, "broken": {"what": "It is gone."}}))
                faults += 1
        if faults:
            raise CommandError(f"The audit trail of {faults} tenant(s) is not whole.")


def _tenants(wanted: str | None) -> list[Tenant]:
    try:
        with walls.as_system("verify_audit"):
            rows = Tenant.objects.order_by("id")
            return list(rows) if wanted is None else [rows.get(pk=UUID(wanted))]
    except (ValueError, Tenant.DoesNotExist):
        raise CommandError("There is no tenant with this id.") from None


def _read_heads(file: str | None) -> dict[str, tuple[int, str]]:
    """Number and hash of the last event by the tenant's id, as this command printed them."""
    if file is None:
        return {}
    try:
        lines = [json.loads(line) for line in Path(file).read_text().splitlines() if line.strip()]
        return {line["tenant"]: (int(line["events"]), str(line["head"])) for line in lines}
    except (OSError, ValueError, KeyError, TypeError):
        message = f"{file} does not hold what this command prints, a line a tenant."
        raise CommandError(message) from None


def _lost(tenant: Tenant, expected: tuple[int, str] | None) -> str:
    """What is missing against an earlier head; "" = nothing is, or none was given."""
    if expected is None:
        return ""
    number, head = expected
    found = hash_at(tenant, number)
    if found is None:
        return f"Event {number}, which was there, is gone: the end was cut off."
    return "" if found == head else f"Event {number} is another one than was there."


def _line(tenant: Tenant, verdict: Verdict, lost: str) -> dict[str, Any]:
    line: dict[str, Any] = {
        "tenant": str(tenant.pk),
        "events": verdict.count,
        "head": verdict.head,
    }
    if broken := verdict.broken:
        line["broken"] = {
            "what": broken.what,
            "number": broken.number,
            "at": broken.at.isoformat() if broken.at else None,
            "event": broken.event_id,
        }
    elif lost:
        line["broken"] = {"what": lost}
    return line
