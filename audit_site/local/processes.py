"""Starting processes, and ending every one of them with their children."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 8.0


class SetupError(Exception):
    """Something a person has to change first; the text says what."""


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(port: int, host: str = "127.0.0.1") -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def _die_with_parent() -> None:
    """Linux: end this child when its parent is killed outright."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class Child:
    """A process of ours, in a group of its own, with its log."""

    name: str
    command: Sequence[str]
    log: Path
    env: Mapping[str, str]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # nosec B603 # commands of our own
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=dict(self.env),
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509  one system call
            )

    @property
    def is_up(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def last_words(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join(f"    {line}" for line in lines[-15:])

    def signal(self, number: int) -> None:
        if self.process is None:
            return
        try:
            os.killpg(self.process.pid, number)
        except ProcessLookupError:
            return


@dataclass
class Children:
    """All processes of ours, started in order and ended together."""

    children: list[Child] = field(default_factory=list)

    def start(self, child: Child) -> Child:
        child.start()
        self.children.append(child)
        return child

    def end(self) -> None:
        """Ask each process group to end, wait a little, and make sure."""
        for child in reversed(self.children):
            child.signal(signal.SIGTERM)
        until = time.monotonic() + GRACE_SECONDS
        while any(child.is_up for child in self.children) and time.monotonic() < until:
            time.sleep(0.05)
        for child in self.children:
            child.signal(signal.SIGKILL)
            if child.process is not None:
                child.process.wait()


def wait_until_up(child: Child, port: int, seconds: float = 30) -> None:
    """Wait until a process answers on its port; its last words if it does not."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if not child.is_up:
            raise SetupError(
                f"The {child.name} ended at its start. Its last words:\n{child.last_words()}"
            )
        if answers(port):
            return
        time.sleep(0.1)
    raise SetupError(f"The {child.name} does not answer on port {port}. See {child.log}.")
