"""Look at how this installation is set up, and say what to mend."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from audit_site.doctor.examination import examine
from audit_site.doctor.findings import Finding, Level, counted


class Command(BaseCommand):
    help = (
        "Look at settings, keys, database, broker, worker, mail and the way from outside: one line "
        "a check with what mends it. Changes nothing, shows no secret; ends with 1 if one fails."
    )
    #: What is broken is told here, and does not keep this from starting.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *args: Any, **options: Any) -> None:
        found = []
        for name, finding in examine():
            found.append((name, finding))
            if not options["json"]:
                self.stdout.write(_line(name, finding))
        if options["json"]:
            self.stdout.write(json.dumps([_entry(name, finding) for name, finding in found]))
        else:
            self.stdout.write(_summary(found))
        if any(finding.level == Level.FAILING for _, finding in found):
            raise SystemExit(1)


def _line(name: str, finding: Finding) -> str:
    return f"{finding.level:<8} {name:<24} {finding.says} {finding.mend}".rstrip()


def _entry(name: str, finding: Finding) -> dict[str, str]:
    return {
        "check": name,
        "level": finding.level.value,
        "says": finding.says,
        "mend": finding.mend,
    }


def _summary(found: list[tuple[str, Finding]]) -> str:
    levels = [finding.level for _, finding in found]
    return (
        f"{counted(len(found), 'check')}: {levels.count(Level.FAILING)} failing, "
        f"{counted(levels.count(Level.WARNING), 'warning')}."
    )
