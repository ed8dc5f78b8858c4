"""The import lists of a tenant in numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from django.db.models import Count, Exists, OuterRef, Q, QuerySet

from audit_site.tenants.models import Tenant
from integrations.models import CompanyLink, Integration, PsaCompanyRecord

UNCHECKED: Final = "unchecked"
IGNORED: Final = "ignored"


@dataclass(slots=True)
class ListCounts:
    """An import list in numbers: `found` = `importable` + `linked` + `ignored` + all `hidden`.

    Each is what the list shows under the filter of that name, so that companies which the PSA no
    longer has are among them. `hidden` counts by the first reason why one can't be imported, the
    most frequent one first; `unchecked`: a sync has read them and not come to the rules.
    """

    importable: int = 0
    linked: int = 0
    ignored: int = 0
    hidden: Counter[str] = field(default_factory=Counter)

    @property
    def hidden_in_all(self) -> int:
        return self.hidden.total()

    @property
    def found(self) -> int:
        return self.importable + self.linked + self.ignored + self.hidden_in_all


def list_counts(tenant: Tenant, integrations: Iterable[Integration]) -> dict[UUID, ListCounts]:
    """The numbers of each import list, by the integration's id. Two statements."""
    found = {integration.pk: ListCounts() for integration in integrations}
    rows = PsaCompanyRecord.objects.for_tenant(tenant).filter(integration__in=found)
    for pk, reason, number in _by_reason(rows):
        _add(found[pk], reason, number)
    same = {"integration": OuterRef("integration"), "external_id": OuterRef("external_id")}
    links = CompanyLink.objects.for_tenant(tenant).in_force().filter(**same)
    for pk, reason, number in _by_reason(rows.filter(Exists(links))):
        _add(found[pk], reason, -number)
        found[pk].linked += number
    return {pk: _in_order(counts) for pk, counts in found.items()}


def _by_reason(rows: QuerySet[PsaCompanyRecord]) -> Iterator[tuple[UUID, str, int]]:
    """How many there are for each first reason ("" = can be imported), by integration."""
    is_ignored: Any = Q(ignored_at__isnull=False)
    columns = ("integration_id", "importable", "rule_codes")
    groups: Any = rows.order_by().values(*columns, is_ignored=is_ignored)
    for group in groups.annotate(number=Count("pk")):
        codes = [] if group["importable"] else group["rule_codes"] or [UNCHECKED]
        reason = IGNORED if group["is_ignored"] else next(iter(codes), "")
        yield group["integration_id"], reason, group["number"]


def _add(counts: ListCounts, reason: str, number: int) -> None:
    if reason == IGNORED:
        counts.ignored += number
    elif reason:
        counts.hidden[reason] += number
    else:
        counts.importable += number


def _in_order(counts: ListCounts) -> ListCounts:
    hidden = sorted((+counts.hidden).items(), key=lambda item: (-item[1], item[0]))
    counts.hidden = Counter(dict(hidden))
    return counts
