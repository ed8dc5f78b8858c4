"""Trying something out: it is done for real in a transaction, read, and rolled back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import transaction


@contextmanager
def dry_run(*, is_dry: bool = True) -> Iterator[None]:
    """Roll back whatever is written inside, unless `is_dry` is false.

    Messages to workers and mails wait for a commit that never comes, and what limits have counted
    is given back. Read the answer inside: outside of it nothing of it is there any more. Ask no PSA
    in it.
    """
    if not is_dry:
        yield
        return
    with transaction.atomic():
        yield
        transaction.set_rollback(True)
