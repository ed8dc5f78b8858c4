"""From stored rows to the engine's book: agreements, lines, and what people decided about them.

Rows may be model instances or named tuples of the same attributes; how many queries it takes does
not depend on how many agreements there are.
"""

from __future__ import annotations

import json
from collections import defaultdict, namedtuple
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from django.db.models import CharField, F, QuerySet, TextField
from django.db.models.functions import Cast

from agreements import mrr
from agreements.models import Agreement, AgreementLine
from agreements.mrr.cycles import is_blank
from agreements.mrr.questions import number
from audit_site.tenants.models import Tenant

ONE_DAY = timedelta(days=1)
AGREEMENT_CHOICES = {
    "chosen_exclude": F("choices__exclude"),
    "chosen_force_include": F("choices__force_include"),
    "chosen_assume_renewal": F("choices__assume_renewal"),
    "chosen_renews": F("choices__renews__external_id"),
}
LINE_CHOICES = {
    "chosen_exclude": F("choices__exclude"),
    "chosen_force_include": F("choices__force_include"),
}
AGREEMENT_COLUMNS = (
    "cycle", "pk", "company_id", "integration_id", "source", "external_id", "name", "currency",
    "start_date", "end_date", "no_end", "cancelled", "cancelled_date", "recurring", "active",
    "amount", "parent_external_id", "renews_external_id", "incomplete", "gone_at",
    *AGREEMENT_CHOICES,
)  # fmt: skip
LINE_COLUMNS = (
    "cycle", "units", "external_id", "kind", "quantity", "unit_price", "less_included", "bill",
    "start_date", "end_date", "product", "one_time", "gone_at", *LINE_CHOICES,
)  # fmt: skip
#: A row as the mass reads have it: the attributes of the model that the engine needs, and no more.
PlainAgreement = namedtuple("PlainAgreement", AGREEMENT_COLUMNS)  # type: ignore[misc]
PlainLine = namedtuple("PlainLine", LINE_COLUMNS)  # type: ignore[misc]


def agreements_of(*tenants: Tenant) -> QuerySet[Agreement]:
    """Agreements in the order of the book, each with what people decided."""
    return Agreement.objects.for_tenants(tenants).annotate(**AGREEMENT_CHOICES).order_by("id")


def lines_of(tenant: Tenant, agreements: Iterable[Agreement]) -> dict[UUID, list[AgreementLine]]:
    """Lines by agreement, in the PSA's order."""
    found: dict[UUID, list[AgreementLine]] = defaultdict(list)
    rows = (
        AgreementLine.objects.for_tenant(tenant)
        .filter(agreement__in=[row.pk for row in agreements])
        .annotate(**LINE_CHOICES)
    )
    for line in rows:
        found[line.agreement_id].append(line)
    for lines in found.values():
        lines.sort(key=lambda line: (line.position, line.pk))
    return found


def plain_rows(rows: QuerySet[Agreement]) -> list[Any]:
    """Agreements as named tuples: a third of what model instances cost, for books of thousands."""
    rows = rows.annotate(cycle_text=Cast("cycle", TextField()))
    return [
        PlainAgreement._make((_read_json(cycle), *rest))
        for cycle, *rest in rows.values_list("cycle_text", *AGREEMENT_COLUMNS[1:])
    ]


def plain_lines(chosen: QuerySet[Agreement], rows: Sequence[Any]) -> dict[UUID, list[Any]]:
    """Lines of the chosen agreements as named tuples by agreement, in the PSA's order.

    `rows` are those agreements as they were read; a line of one that came since is left.
    """
    by_text = {row.pk.hex: row.pk for row in rows}
    found: dict[UUID, list[Any]] = defaultdict(list)
    lines = (
        AgreementLine.objects.filter(agreement__in=chosen.order_by().values("pk"))
        .annotate(
            of=Cast("agreement_id", CharField()),
            cycle_text=Cast("cycle", TextField()),
            units_text=Cast("units", TextField()),
            **LINE_CHOICES,
        )
        .order_by("position", "id")
        .values_list("of", "cycle_text", "units_text", *LINE_COLUMNS[2:])
    )
    for of, cycle, units, *rest in lines:
        if agreement_id := by_text.get(of.replace("-", "")):
            line = PlainLine._make((_read_json(cycle), _read_json(units), *rest))
            found[agreement_id].append(line)
    return found


def _read_json(text: str | None) -> Any:
    """What a JSON column holds. Read here: Django's field asks for each row anew what it is."""
    return None if text is None else json.loads(text)


def prepare(
    tenant: Tenant,
    rows: Sequence[Agreement],
    lines: Mapping[UUID, Sequence[Any]],
    context: Sequence[Agreement],
) -> list[mrr.Prepared]:
    """Settle the book of these agreements; `context` are parents that have no rows in it."""
    book = [agreement(row, lines.get(row.pk, ()), tenant) for row in rows]
    book += [_context(row, tenant) for row in context]
    return mrr.prepare(mrr.Book(book, tenant.currency))


def prepare_all(tenant: Tenant, chosen: QuerySet[Agreement]) -> list[mrr.Prepared]:
    """Settle the book of all these agreements together."""
    rows = plain_rows(chosen)
    return prepare(tenant, rows, plain_lines(chosen, rows), parents_elsewhere([tenant], rows))


def prepare_by_company(owners: Mapping[UUID, Tenant]) -> dict[UUID, list[mrr.Prepared]]:
    """Settle each company's book on its own: agreements of one never touch another's, but for the
    cycle that a child inherits from its parent. `owners`: the companies and whose they are.
    """
    tenants = {tenant.pk: tenant for tenant in owners.values()}.values()
    chosen = agreements_of(*tenants).filter(company__in=owners)
    rows = plain_rows(chosen)
    lines, elsewhere = plain_lines(chosen, rows), parents_elsewhere(tenants, rows)
    by_key = {(row.integration_id, row.external_id): row for row in (*rows, *elsewhere)}
    of_company: dict[UUID, list[Any]] = defaultdict(list)
    for row in rows:
        of_company[row.company_id].append(row)
    return {
        company_id: prepare(
            owners[company_id], found, lines, _foreign_parents(company_id, found, by_key)
        )
        for company_id, found in of_company.items()
    }


def _foreign_parents(
    company_id: UUID, rows: Sequence[Agreement], by_key: dict[tuple[UUID, str], Agreement]
) -> list[Agreement]:
    keys = {(row.integration_id, row.parent_external_id) for row in rows if row.parent_external_id}
    return [by_key[key] for key in keys if key in by_key and by_key[key].company_id != company_id]


def parents_elsewhere(tenants: Iterable[Tenant], rows: Sequence[Agreement]) -> list[Agreement]:
    """Parents that belong to another company; most books have none, and then nothing is read."""
    known = {(row.integration_id, row.external_id) for row in rows}
    wanted = {
        (row.integration_id, row.parent_external_id) for row in rows if row.parent_external_id
    } - known
    if not wanted:
        return []
    found = agreements_of(*tenants).filter(
        integration__in={integration for integration, _ in wanted},
        external_id__in={external_id for _, external_id in wanted},
    )
    return [row for row in found if (row.integration_id, row.external_id) in wanted]


def _context(row: Agreement, tenant: Tenant) -> mrr.Agreement:
    parent = agreement(row, [], tenant)
    parent.is_context = True
    return parent


def agreement(row: Any, lines: Sequence[Any], tenant: Tenant) -> mrr.Agreement:
    cancelled, cancelled_date = row.cancelled, row.cancelled_date
    if row.gone_at is not None:  # out of MRR from the day on which it was found gone
        last_day = tenant.today(row.gone_at) - ONE_DAY
        if cancelled is not False and cancelled_date is not None:
            last_day = min(last_day, cancelled_date)
        cancelled, cancelled_date = True, last_day
    return mrr.Agreement(
        source=row.source,
        id=row.external_id,
        company_id=str(row.company_id),
        name=row.name,
        currency=row.currency,
        start_date=row.start_date,
        end_date=row.end_date,
        no_end=row.no_end,
        cancelled=cancelled,
        cancelled_date=cancelled_date,
        recurring=row.recurring,
        active=row.active,
        cycle=None if is_blank(row.cycle) else row.cycle,
        amount=row.amount,
        parent_id=row.parent_external_id,
        renews_id=row.chosen_renews or row.renews_external_id,
        incomplete=row.incomplete,
        exclude=bool(row.chosen_exclude),
        force_include=bool(row.chosen_force_include),
        assume_renewal=bool(row.chosen_assume_renewal),
        lines=[_line(line, tenant) for line in lines],
        ref=row,
    )


def _line(row: Any, tenant: Tenant) -> mrr.Line:
    end_date = row.end_date
    if row.gone_at is not None:
        last_day = tenant.today(row.gone_at) - ONE_DAY
        end_date = min(end_date, last_day) if end_date else last_day
    one_time = False if row.gone_at and row.one_time is None else row.one_time
    return mrr.Line(
        id=row.external_id,
        kind=row.kind,
        quantity=row.quantity,
        unit_price=row.unit_price,
        less_included=row.less_included,
        bill=row.bill,
        start_date=row.start_date,
        end_date=end_date,
        cycle=None if is_blank(row.cycle) else row.cycle,
        product=row.product,
        one_time=False if row.chosen_force_include else one_time,
        exclude=bool(row.chosen_exclude),
        units=None if row.units is None else [_units(unit) for unit in row.units],
        ref=row,
    )


def _units(raw: dict[str, Any]) -> mrr.Units:
    return mrr.Units(
        start_date=date.fromisoformat(raw["start_date"]),
        end_date=date.fromisoformat(raw["end_date"]) if raw.get("end_date") else None,
        units=number(raw.get("units")),
        unit_price=number(raw.get("unit_price")),
        amount=number(raw.get("amount")),
    )
