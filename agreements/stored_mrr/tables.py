"""The tables of stored MRR, and how their rows are made equal to what is expected."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Generic, NamedTuple, TypeVar
from uuid import UUID

from agreements.models import AgreementMrr, CompanyAverage, CompanyMrr
from agreements.stored_mrr.reasons import RefreshReason
from audit_site.db.bulk import AnyOf, bulk_upsert_values
from audit_site.db.json_rows import IdText
from audit_site.ids import new_id
from audit_site.tenants.models import Tenant


class CompanyValues(NamedTuple):
    """What is stored of a company in one currency, in the order of the columns."""

    company_id: str
    currency: str
    exact: str
    minor: int


class AgreementValues(NamedTuple):
    """What is stored of an agreement, in the order of the columns."""

    agreement_id: str
    company_id: str
    currency: str
    exact: str
    minor: int
    included: bool
    reason: str
    last_day: date | None
    next_change: date | None
    doubts: str


class AverageValues(NamedTuple):
    """What is stored of a company's averages in one currency, in the order of the columns."""

    company_id: str
    currency: str
    month: date
    trailing12: str
    forward12: str
    stretches: str


ValuesT = TypeVar("ValuesT", bound=CompanyValues | AgreementValues | AverageValues)
#: What is stored, by what identifies a row: the row's id, and its values.
Rows = dict[tuple[Any, ...], tuple[UUID, ValuesT]]


@dataclass(frozen=True, slots=True)
class Table(Generic[ValuesT]):
    """A table of derived rows. `key` = how many of the first values identify a row."""

    model: type[CompanyMrr | AgreementMrr | CompanyAverage]
    row: type[ValuesT]
    unique: tuple[str, ...]
    key: int

    @property
    def columns(self) -> tuple[str, ...]:
        return self.row._fields


COMPANIES = Table(CompanyMrr, CompanyValues, ("tenant_id", "company_id", "currency"), 2)
AVERAGES = Table(CompanyAverage, AverageValues, ("tenant_id", "company_id", "currency"), 2)
AGREEMENTS = Table(AgreementMrr, AgreementValues, ("agreement_id",), 1)


@dataclass(slots=True)
class Differences:
    """What storing found to differ for a tenant: rows written, and companies."""

    rows: int = 0
    companies: set[str] = field(default_factory=set)


#: What differed, by tenant.
Found = defaultdict[UUID, Differences]
#: Companies and whose they are: a chunk may hold those of several tenants.
Owners = Mapping[str, Tenant]


def stored_rows(table: Table[ValuesT], owners: Owners) -> Rows[ValuesT]:
    columns = [IdText(name) if name.endswith("_id") else name for name in table.columns]
    rows = table.model.objects.for_tenants(owners.values()).filter(AnyOf("company_id", owners))
    return {
        tuple(row[: table.key]): (id_, table.row(*row))
        for id_, *row in rows.values_list("id", *columns)
    }


def settle(
    table: Table[ValuesT],
    stored: Rows[ValuesT],
    expected: Sequence[ValuesT],
    owners: Owners,
    found: Found,
    reason: RefreshReason,
) -> set[str]:
    """Make stored rows equal to the expected ones; return the companies whose rows differed."""
    written: list[tuple[Any, ...]] = []
    differing: set[str] = set()
    for row in expected:
        known = stored.pop(row[: table.key], None)
        if known is None or known[1] != row:
            tenant_id = owners[row.company_id].pk
            written.append((known[0] if known else new_id(), tenant_id, *row))
            differing.add(row.company_id)
            found[tenant_id].rows += 1
    for _, gone in stored.values():
        differing.add(gone.company_id)
        found[owners[gone.company_id].pk].rows += 1
    if reason is not RefreshReason.CHECK:
        if stored:
            ids = [str(id_) for id_, _ in stored.values()]
            table.model.objects.for_tenants(owners.values()).filter(AnyOf("id", ids)).delete()
        # an agreement may have come from another company, whose turn is yet to come
        columns = ("id", "tenant_id", *table.columns)
        bulk_upsert_values(table.model, columns, written, unique=table.unique)
    return differing
