"""Encrypt every stored secret again with the newest key of CREDENTIAL_KEYS."""

from __future__ import annotations

from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

from audit_site import key_ring
from audit_site.key_rotation import KeyUse, Rotation, SealedRows, count_use, rotate
from audit_site.tenants.two_factor_secrets import TwoFactorSecrets
from integrations.connecting.key_rotation import ConnectionKeys

KINDS: Final[list[SealedRows]] = [ConnectionKeys(), TwoFactorSecrets()]


class Command(BaseCommand):
    help = (
        "Encrypt every stored secret again with the newest key (the first of CREDENTIAL_KEYS), "
        "while everything goes on, and say which older keys are needed no more. May be stopped at "
        "any moment and run again. Ends with 1 if something is not protected by the newest key."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--check", action="store_true", help="tell, but change nothing")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["check"]:
            for kind in KINDS:
                self._rotate(kind)
        use = count_use(KINDS)
        for sentence in sentences(use):
            self.stdout.write(sentence)
        if not use.is_done:
            raise SystemExit(1)

    def _rotate(self, kind: SealedRows) -> None:
        def say(done: Rotation) -> None:
            self.stdout.write(f"{kind.title}: {done.resealed} encrypted again …")
            self.stdout.flush()

        done = rotate(kind, say)
        self.stdout.write(f"{kind.title}: {done.resealed} encrypted again.")
        if done.unreadable:
            self.stdout.write(f"{kind.title}: {done.unreadable} can't be opened, and stay so.")


def sentences(use: KeyUse) -> list[str]:
    """What each key protects, and which ones may be dropped."""
    newest, *older = key_ring.key_ids()
    said = [f"Key “{newest}”, the newest, protects {_secrets(use.counts[newest])}."]
    said += [
        f"Key “{key_id}” still protects {_secrets(use.counts[key_id])}."
        for key_id in older
        if use.counts[key_id]
    ]
    said += [
        f"Key “{key_id}” protects nothing any more. You may remove it from CREDENTIAL_KEYS once "
        f"every process was restarted with “{newest}” in front, and once no backup from before is "
        "of use."
        for key_id in use.unused
    ]
    said += [
        f"Key “{key_id}” is missing, and protects {_secrets(use.counts[key_id])}: bring it back, "
        "or have them typed in again."
        for key_id in use.missing
    ]
    if use.counts[""]:
        said.append(f"No key protects {_secrets(use.counts[''])}.")
    return said


def _secrets(number: int) -> str:
    return f"{number} secret{'' if number == 1 else 's'}"
