"""Work in threads of its own, each with a database connection of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from django.db import connections

from audit_site.db import walls


def in_a_thread(work: Callable[[], Any]) -> Callable[[], None]:
    """Work for a thread of its own, which leaves no connection open."""

    def do() -> None:
        try:
            work()
        finally:
            connections.close_all()

    return walls.carried(do)


def at_once(*acts: Callable[[], object]) -> None:
    """Carry acts out side by side, and wait for all of them."""
    threads = [threading.Thread(target=in_a_thread(act)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
