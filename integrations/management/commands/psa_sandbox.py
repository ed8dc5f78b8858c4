"""Serve the sandbox PSAs."""

from __future__ import annotations

import signal
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from integrations.sandbox.server import SandboxServer


class Command(BaseCommand):
    help = "Serve the sandbox PSAs on loopback: believable data, and faults to switch on."
    requires_system_checks: list[str] = []
    requires_migrations_checks = False

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=8765, help="0 = any free port")
        parser.add_argument("--seed", type=int, default=1, help="the same seed gives the same data")
        parser.add_argument("--companies", type=int, default=60)
        parser.add_argument("--latency", type=float, default=0, help="milliseconds for each answer")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            server = SandboxServer(
                port=options["port"],
                seed=options["seed"],
                companies=options["companies"],
                latency_ms=options["latency"],
            )
        except OSError as error:
            raise CommandError(
                f"Port {options['port']} can't be used ({error.strerror}). "
                "Stop what listens there, or choose another with --port."
            ) from None
        except SystemExit:  # werkzeug's way of saying that the port is taken
            raise CommandError(
                f"Port {options['port']} is taken. Stop what listens there, or choose another "
                "with --port."
            ) from None
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        self.stdout.write(f"Sandbox PSAs on {server.url} (Ctrl-C ends them)")
        for key in server.psas:
            values = ", ".join(f"{name} {value}" for name, value in server.credentials(key).items())
            self.stdout.write(f"  {key}: {values}")
        self.stdout.write(
            f"Switch a fault on: curl {server.url}/_sandbox/faults "
            """-d '{"name": "rate_limited", "times": 3}'"""
        )
        self.stdout.flush()
        try:
            server.serve()
        except KeyboardInterrupt:
            self.stdout.write("Ended.")
