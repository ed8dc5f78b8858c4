"""Much that is done at once, of which one that fails holds no other up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from django.db import InterfaceError, OperationalError, transaction

from audit_site.errors import DomainError

ItemT = TypeVar("ItemT")

log = logging.getLogger(__name__)

#: What is said of the one that met an error of ours.
OUR_FAULT: Final = DomainError(
    "internal_error",
    "Something went wrong on our side.",
    "Try it again; if it stays, tell us.",
)


def all_that_can(
    items: Sequence[ItemT],
    act: Callable[[Sequence[ItemT]], object],
    failed: Callable[[Sequence[ItemT], DomainError], object],
    of: str,
) -> None:
    """Do it with all of them in one savepoint. Where that fails, with each half, and so on: of
    those at fault alone `failed` is told, and nothing else is left of them.

    One of our rules that says no (DomainError) says it of all of them. `of`: what the log says that
    they are part of.
    """
    error = failure_of(lambda: act(items), of)
    if error is None:
        return
    if len(items) == 1 or error is not OUR_FAULT:
        failed(items, error)
        return
    half = len(items) // 2
    for some in (items[:half], items[half:]):
        all_that_can(some, act, failed, of)


def failure_of(act: Callable[[], object], of: str) -> DomainError | None:
    """Do it in a savepoint; why it could not be, None = it is done."""
    try:
        with transaction.atomic():
            act()
    except DomainError as error:
        return error
    except (OperationalError, InterfaceError):
        raise  # the database's own trouble, and nobody's fault: the work is taken up again
    except Exception:  # whatever `act` meets is its own: logged, rolled back and told
        log.exception("Part of %s could not be done", of)
        return OUR_FAULT
    return None
