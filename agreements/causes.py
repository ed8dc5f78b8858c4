"""Why a company's book changes, said once by whoever begins it: a run, a decision, a link."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Final, Literal, Self, get_args
from uuid import UUID

Kind = Literal[
    "sync",
    "import",
    "link",
    "unlink",
    "undo_link",
    "choice",
    "manual",
    "rules",
    "settings",
    "repair",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
MOST_NAME_LENGTH: Final = 255


@dataclass(frozen=True, slots=True)
class Cause:
    """Why: of which kind, by which run or person, and what it is called for people.

    `settings`: the tenant's currency or time zone. `repair`: stored figures were mended, or nobody
    said why.
    """

    kind: Kind = "repair"
    run: UUID | None = None
    user: UUID | None = None
    name: str = ""

    def as_json(self) -> dict[str, Any]:
        parts = {"run": self.run, "user": self.user}
        ids = {name: str(id_) for name, id_ in parts.items() if id_}
        return {"kind": self.kind, "name": self.name, **ids}

    @classmethod
    def of_json(cls, values: dict[str, Any]) -> Self:
        run, user = (UUID(values[name]) if name in values else None for name in ("run", "user"))
        return cls(values["kind"], run, user, values["name"])


NO_CAUSE: Final = Cause()
#: A release whose engine is another, or the first one that keeps books.
NEW_RULES: Final = Cause("rules")
_cause: ContextVar[Cause] = ContextVar("cause", default=NO_CAUSE)


def cause() -> Cause:
    """Why books change now."""
    return _cause.get()


@contextmanager
def caused_by(
    kind: Kind, *, run: UUID | None = None, actor: Any = None, name: str = ""
) -> Iterator[None]:
    """Within: books change for this reason. The outermost one counts.

    `actor`: the person who did it. `name`: what it is called for people; default: that person.
    """
    if _cause.get() is not NO_CAUSE:
        yield
        return
    said = name or (str(actor) if actor else "")
    token = _cause.set(
        Cause(kind, run, actor.pk if actor is not None else None, said[:MOST_NAME_LENGTH])
    )
    try:
        yield
    finally:
        _cause.reset(token)
