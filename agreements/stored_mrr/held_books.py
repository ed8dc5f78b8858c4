"""The rows of companies' books, held while they are worked out."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from agreements.known import editions, keeping
from agreements.models import CompanyBook
from agreements.stored_mrr.reasons import RefreshReason
from agreements.stored_mrr.tables import Owners
from audit_site.db.bulk import AnyOf
from audit_site.db.json_rows import IdText
from audit_site.ids import new_id
from companies.models import Company

#: The next change of a book that has to be worked out again, since something in it has changed.
LONG_AGO: Final = date(2000, 1, 1)
BOOK_COLUMNS: Final = ("version", "computed_on", "next_change")
KEPT_COLUMNS: Final = ("kept_from", "kept_digest", "kept_edition")


class Book(NamedTuple):
    """What is stored of a company's book."""

    id: UUID
    version: int = 0
    computed_on: date | None = None
    next_change: date | None = None
    kept_from: datetime | None = None
    kept_digest: str = ""
    kept_edition: int = 0
    marked_by: dict[str, Any] | None = None

    @property
    def kept(self) -> keeping.Mark:
        return keeping.Mark(self.kept_from, self.kept_digest, self.kept_edition)

    @property
    def is_marked(self) -> bool:
        return self.computed_on is None and self.next_change == LONG_AGO

    @property
    def is_waiting(self) -> bool:
        """Whether it was marked, or is not kept by the rules of today."""
        return self.is_marked or self.kept_edition < editions.current().edition

    @property
    def is_former(self) -> bool:
        """Whether its newest version was kept by rules before those of today."""
        return self.kept_from is not None and self.kept_edition < editions.current().edition


def hold(owners: Owners, reason: RefreshReason) -> dict[str, Book]:
    """The companies' books, locked: the next one to ask for them reads what we stored.

    Of a company that has no book yet, its own row is locked instead.
    """
    names = (IdText("company_id"), "id", *BOOK_COLUMNS, *KEPT_COLUMNS, "marked_by")
    rows = CompanyBook.objects.for_tenants(owners.values()).filter(AnyOf("company_id", owners))
    if reason is RefreshReason.CHECK:
        return {company_id: Book(*rest) for company_id, *rest in rows.values_list(*names)}
    rows = rows.order_by("company").select_for_update()
    held = {company_id: Book(*rest) for company_id, *rest in rows.values_list(*names)}
    missing = [company_id for company_id in owners if company_id not in held]
    if missing and reason is not RefreshReason.DAY:
        companies = Company.objects.for_tenants(owners.values()).filter(AnyOf("id", missing))
        locked = companies.order_by("id").select_for_update(no_key=True)
        held |= {str(id_): Book(new_id()) for id_ in locked.values_list("id", flat=True)}
        made = rows.filter(AnyOf("company_id", missing))  # by the one that held the lock before us
        held |= {company_id: Book(*rest) for company_id, *rest in made.values_list(*names)}
    return held
