"""Who asks the database: a tenant, a person, who holds a secret, the system, or nobody."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar, copy_context
from dataclasses import dataclass
from functools import partial, wraps
from typing import Final, ParamSpec, TypeVar, cast
from uuid import UUID

P = ParamSpec("P")
ResultT = TypeVar("ResultT")

HASH: Final = re.compile(r"[0-9a-f]{64}")
REASON: Final = re.compile(r"[a-z_]+")


@dataclass(frozen=True, slots=True)
class Asker:
    """For whom a statement runs; what it may see follows from that (`policies`).

    `tenant`: its rows, to read and to write. `tenants`: so of each of these, in the few tables that
    the clock works through for many at once (`worked_together`). `person`: to read, their
    memberships and the tenants of these. `secret`: to read, the row that keeps this hash. `system`:
    why work for no single tenant looks for what is due: to read the tenants, and few tables, each
    for its own reasons.
    `everything`: the owner's own work, such as migrations.
    """

    tenant: UUID | None = None
    tenants: tuple[UUID, ...] = ()
    person: UUID | None = None
    secret: str = ""
    system: str = ""
    everything: bool = False

    def settings(self) -> dict[str, str]:
        """What PostgreSQL is told; policies read these. Safe to write between quotes."""
        return {
            "audit.tenant": str(self.tenant or ""),
            "audit.tenants": f"{{{','.join(map(str, self.tenants))}}}" if self.tenants else "",
            "audit.person": str(self.person or ""),
            "audit.secret": self.secret,
            "audit.system": self.system,
            "audit.everything": "on" if self.everything else "",
        }


#: Sees no row of any tenant. What enters by no door is nobody.
NOBODY: Final = Asker()
_asker: ContextVar[Asker] = ContextVar("asker", default=NOBODY)


def asker() -> Asker:
    """Who asks now."""
    return _asker.get()


def enter(who: Asker) -> None:
    """Ask as this one until the `door` around it closes."""
    _asker.set(who)


@contextmanager
def _asking(who: Asker) -> Iterator[None]:
    before = _asker.set(who)
    try:
        yield
    finally:
        _asker.reset(before)


def door() -> AbstractContextManager[None]:
    """Around a piece of work from outside: it begins as nobody, and leaves nobody behind."""
    return _asking(NOBODY)


def within(tenant: UUID | str) -> AbstractContextManager[None]:
    """Around work for one tenant, by its id. Who the person is stays known."""
    return _asking(Asker(tenant=UUID(str(tenant)), person=_asker.get().person))


def together(tenants: Iterable[UUID]) -> AbstractContextManager[None]:
    """Around the clock's own work for several tenants in one statement, in few tables."""
    return _asking(Asker(tenants=tuple(sorted(tenants))))


def as_person(person: UUID) -> AbstractContextManager[None]:
    """Around a look at which tenants a person belongs to."""
    return _asking(Asker(person=UUID(str(person))))


def as_holder(secret_hash: str) -> AbstractContextManager[None]:
    """Around a look at what a secret opens, by its SHA-256."""
    if not HASH.fullmatch(secret_hash):
        raise ValueError("a secret is known by its SHA-256 in hexadecimal")
    return _asking(Asker(secret=secret_hash))


def as_system(reason: str) -> AbstractContextManager[None]:
    """Around a look over all tenants for what is due: it reads ids, then works `within` each."""
    if not REASON.fullmatch(reason):
        raise ValueError("a reason is a word that models name, such as sweep")
    return _asking(Asker(system=reason))


def as_owner() -> AbstractContextManager[None]:
    """Around work of the tables' owner; in the application's role it opens nothing."""
    return _asking(Asker(everything=True))


def of_tenant(work: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """Make work that is told its `tenant_id` by name run within that tenant."""

    @wraps(work)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> ResultT:
        with within(cast(str, kwargs["tenant_id"])):
            return work(*args, **kwargs)

    return wrapper


def carried(work: Callable[P, ResultT]) -> Callable[P, ResultT]:
    """Make work for a thread of its own ask as the one who started it; once, for one thread."""
    return cast(Callable[P, ResultT], partial(copy_context().run, work))
