"""All checks, in the order in which what they find is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from django.db import Error as DatabaseFailure

from audit_site.doctor import (
    database,
    keys,
    machine,
    mail,
    public_address,
    settings_checks,
    workers,
)
from audit_site.doctor.findings import Finding, failing

CHECKS: Final[dict[str, Callable[[], Finding]]] = {
    "settings.debug": settings_checks.debug,
    "settings.secret_key": settings_checks.secret_key,
    "settings.public_url": settings_checks.public_url,
    "settings.allowed_hosts": settings_checks.allowed_hosts,
    "settings.private_psas": settings_checks.private_psas,
    "settings.deployment": settings_checks.deployment,
    "keys.ring": keys.ring,
    "keys.stored": keys.stored_secrets,
    "database.reachable": database.reachable,
    "database.migrations": database.migrations,
    "database.version": database.version,
    "database.role": database.role,
    "database.policies": database.policies,
    "database.clock": database.clock,
    "broker": workers.broker,
    "worker": workers.worker,
    "mail": mail.mail,
    "public_address": public_address.public_address,
    "machine.folders": machine.folders,
    "machine.disk": machine.disk,
    "machine.time_zones": machine.time_zones,
}


def examine() -> Iterator[tuple[str, Finding]]:
    """Carry out every check; one that can't be is told as well, and stops no other."""
    for name, check in CHECKS.items():
        yield name, _carried_out(check)


def _carried_out(check: Callable[[], Finding]) -> Finding:
    try:
        return check()
    except DatabaseFailure:  # its text may hold what was asked of it
        return failing(
            "The database does not answer this.",
            "See that it runs, that DATABASE_URL names it, and that migrations are applied.",
        )
    except Exception as error:  # noqa: BLE001  the other checks are still of use
        return failing(
            f"This could not be looked at ({type(error).__name__}).",
            "If the other checks are well, report it (SECURITY.md says where).",
        )
