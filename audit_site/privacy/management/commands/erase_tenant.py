"""Erase a tenant with everything of theirs, and prove it."""

from __future__ import annotations

import getpass
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from audit_site.db.walls.owner_sign_in import signed_in_as_owner
from audit_site.privacy.asked_tenant import asked_tenant
from audit_site.privacy.models import Erasure
from audit_site.privacy.tenant_erasure import NotErased, begin_erasure, carry_out, erasure_of


class Command(BaseCommand):
    help = (
        "Erase a tenant with everything of theirs, and the people who are in no other tenant. May "
        "be stopped at any moment and run again. At its end it proves that nothing is left, and "
        "keeps when, by whom and how many rows; ends with 1 if something is left."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="its id")
        parser.add_argument("--confirm", metavar="NAME", required=True, help="the tenant's name")
        parser.add_argument("--by", default="", help="who does it; default: the user of the system")

    def handle(self, *args: Any, **options: Any) -> None:
        with signed_in_as_owner():
            self._erase(options)

    def _erase(self, options: dict[str, Any]) -> None:
        erasure = erasure_of(options["tenant"].lower())
        if erasure is None:
            erasure = self._begin(options)
        elif erasure.ended_at:
            self.stdout.write(_done(erasure))
            return
        else:
            self.stdout.write("Going on with an erasure that was stopped.")
        try:
            carry_out(erasure, self.stdout.write)
        except NotErased as left:
            self.stdout.write(f"Still there: {', '.join(left.places)}. Run this again.")
            raise SystemExit(1) from None
        self.stdout.write(_done(erasure))

    def _begin(self, options: dict[str, Any]) -> Erasure:
        tenant = asked_tenant(options["tenant"])
        if options["confirm"] != tenant.name:
            raise CommandError(f"--confirm must be its name, which is “{tenant.name}”.")
        return begin_erasure(tenant, options["by"] or getpass.getuser())


def _done(erasure: Erasure) -> str:
    rows = sum(erasure.counts.values())
    return (
        f"Erased and proved on {erasure.ended_at:%Y-%m-%d %H:%M} UTC by {erasure.by}: {rows} rows. "
        f"Kept as {erasure.pk}, sealed {erasure.seal}."
    )
