"""Trying keys at a PSA that locks a user after some wrong ones."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Protocol

from integrations.psa.errors import KEYS
from integrations.psa.questions import OldPlaceError


class KeyTries(Protocol):
    """What all workers together know of the wrong keys of a user."""

    def trying(self, *, are_accepted: bool) -> AbstractContextManager[None]:
        """Entered around each request that a PSA answers by whether keys are right.

        `are_accepted`: they were, by an earlier request of this piece of work. Raises
        PsaCoolingDown, before anything is asked, when another wrong try might lock the user.
        """
        ...

    def must_be_proved(self) -> bool:
        """Whether a piece of work begins with a try of its keys, before it asks side by side."""
        ...

    def close(self) -> None:
        """The piece of work is over."""
        ...


class NobodyIsLocked:
    """Keys may be tried as often as one likes."""

    def trying(self, *, are_accepted: bool) -> AbstractContextManager[None]:
        return nullcontext()

    def must_be_proved(self) -> bool:
        return False

    def close(self) -> None:
        return


def were_refused(error: BaseException) -> bool:
    """Whether an answer says that keys are wrong, so that it may have been counted."""
    meant = error.meant if isinstance(error, OldPlaceError) else error
    return getattr(meant, "code", "") in KEYS
