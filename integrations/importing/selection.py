"""What a person has chosen in the import list: kept on the server, so that no form carries it.

All that match some filters are chosen by the rule itself, with exceptions; single rows by their id.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import Count, Q, QuerySet

from audit_site.db.folded_text import storable
from audit_site.errors import DomainError
from audit_site.tenants.models import Tenant, User
from integrations.importing.suggested import is_suggested, is_sure
from integrations.importing.table import Filters, condition, rows_of, selectable
from integrations.models import ImportSelection, Integration, PsaCompanyRecord

#: So many can be ticked, or ticked off, one by one; more are chosen by a rule.
MOST_TICKS: Final = 5_000
#: So many can be reviewed, or ignored, at once.
MOST_CHOSEN: Final = 10_000


@dataclass(frozen=True, slots=True)
class ChosenCounts:
    """How many are chosen: `new` ones become audITees, `links` are tied to one, `ignored` ones can
    be taken back.
    """

    new: int = 0
    links: int = 0
    ignored: int = 0

    @property
    def total(self) -> int:
        return self.new + self.links + self.ignored

    @property
    def to_import(self) -> int:
        return self.new + self.links


@transaction.atomic
def tick(
    *, tenant: Tenant, user: User, shown: Collection[UUID], ticked: Collection[UUID]
) -> ImportSelection:
    """Choose of the rows that a page shows those that are ticked, and none of its others.

    Rows on other pages stay as they are. DomainError `too_many_chosen`.
    """
    selection = _held(tenant, user)
    on, all_shown = {str(pk) for pk in ticked}, {str(pk) for pk in shown}
    by_rule = _matching(selection, all_shown) if selection.rule else set()
    selection.excepted = _merged(selection.excepted, all_shown, by_rule - on)
    selection.ticked = _merged(selection.ticked, all_shown, (on & all_shown) - by_rule)
    if max(len(selection.excepted), len(selection.ticked)) > MOST_TICKS:
        raise too_many(MOST_TICKS, "ticked one by one")
    selection.save()
    return selection


def untick(*, integration: Integration, external_id: str, user: User) -> None:
    """A company that is being linked by itself is chosen no more, whatever becomes of the link."""
    selection = selection_of(integration.tenant, user)
    if selection.rule or selection.ticked:
        rows = PsaCompanyRecord.objects.of(integration).filter(external_id=storable(external_id))
        shown = list(rows.values_list("pk", flat=True))
        tick(tenant=integration.tenant, user=user, shown=shown, ticked=[])


def _merged(kept: Iterable[str], shown: set[str], chosen: set[str]) -> list[str]:
    return sorted({*(pk for pk in kept if pk not in shown), *chosen})


def too_many(most: int, how: str) -> DomainError:
    return DomainError(
        "too_many_chosen",
        f"At most {most:,} companies can be {how}.",
        "Choose fewer: narrow the list by a filter, and take one part after the other.",
        status=400,
    )


def choose_all(*, tenant: Tenant, user: User, filters: Filters) -> ImportSelection:
    """Choose all that match, whatever was chosen before."""
    return _replace(tenant, user, filters.as_json())


def choose_sure(*, tenant: Tenant, user: User, rows: QuerySet[PsaCompanyRecord]) -> ImportSelection:
    """Choose of these rows those that are surely an audITee, beside what is chosen."""
    sure = rows.filter(is_sure()).order_by("search_text", "id")
    ids = list(sure.values_list("pk", flat=True)[: MOST_TICKS + 1])
    return tick(tenant=tenant, user=user, shown=ids, ticked=ids)


def choose_none(*, tenant: Tenant, user: User) -> ImportSelection:
    return _replace(tenant, user, None)


@transaction.atomic
def _replace(tenant: Tenant, user: User, rule: dict[str, Any] | None) -> ImportSelection:
    selection = _held(tenant, user)
    selection.rule, selection.excepted, selection.ticked = rule, [], []
    selection.save()
    return selection


def _held(tenant: Tenant, user: User) -> ImportSelection:
    rows = ImportSelection.objects.for_tenant(tenant)
    ImportSelection.objects.bulk_create(
        [ImportSelection(tenant=tenant, user=user)], ignore_conflicts=True
    )
    return rows.select_for_update(no_key=True).get(user=user)


def selection_of(tenant: Tenant, user: User) -> ImportSelection:
    """What a person has chosen; an empty one where there is none. One statement."""
    found = ImportSelection.objects.for_tenant(tenant).filter(user=user).first()
    return found or ImportSelection(tenant=tenant, user=user)


def _matching(selection: ImportSelection, pks: Iterable[str]) -> set[str]:
    """Which of these rows the rule itself matches."""
    rule = condition(Filters.from_json(selection.rule or {}))
    rows = PsaCompanyRecord.objects.for_tenant(selection.tenant).filter(rule, pk__in=list(pks))
    return {str(pk) for pk in rows.values_list("pk", flat=True)}


def is_chosen(selection: ImportSelection) -> Q:
    """Whether a row is chosen; what can't be ticked never is."""
    found = Q(pk__in=selection.ticked)
    if selection.rule:
        found |= condition(Filters.from_json(selection.rule)) & ~Q(pk__in=selection.excepted)
    return found & selectable()


def chosen_rows(
    selection: ImportSelection, integrations: Iterable[Integration]
) -> QuerySet[PsaCompanyRecord]:
    """What is chosen of these lists."""
    return rows_of(selection.tenant, integrations).filter(is_chosen(selection))


def chosen_among(selection: ImportSelection, records: Sequence[PsaCompanyRecord]) -> set[UUID]:
    """Which of these rows are chosen. One statement; none where nothing is chosen."""
    if not (selection.rule or selection.ticked):
        return set()
    rows = PsaCompanyRecord.objects.for_tenant(selection.tenant)
    rows = rows.filter(is_chosen(selection), pk__in=[record.pk for record in records])
    return set(rows.values_list("pk", flat=True))


def count_chosen(selection: ImportSelection, integrations: Iterable[Integration]) -> ChosenCounts:
    """How many are chosen, by what becomes of them. One statement; none where nothing is chosen."""
    if not (selection.rule or selection.ticked):
        return ChosenCounts()
    is_ignored, is_link = Q(ignored_at__isnull=False), is_suggested()
    counted = chosen_rows(selection, integrations).aggregate(
        total=Count("pk"),
        ignored=Count("pk", filter=is_ignored),
        links=Count("pk", filter=is_link & ~is_ignored),
    )
    ignored, links = counted["ignored"], counted["links"]
    return ChosenCounts(counted["total"] - ignored - links, links, ignored)
