"""Tables as CSV, and everything that explains a figure as one file for a person who doubts it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date
from typing import Any

from django.http import HttpResponse

from agreements import mrr
from agreements.ahead import MonthAhead
from agreements.figures import Month
from agreements.models import ChoiceRecord, FigureReport
from agreements.web import charts, movement_rows
from agreements.web.asked_days import Days, as_text
from agreements.web.charts import AnyMovement
from agreements.web.decision_words import decision
from agreements.web.mrr_page import MrrPage
from audit_site.pages.downloads import csv_response
from audit_site.pages.views import PageRequest, tenant_of
from audit_site.tenants.audit import record_audit
from companies.models import Company


def record_export(
    request: PageRequest, *, what: str, company: Company | None = None, **days: date | None
) -> None:
    """Write into the audit trail that figures are taken away: which, by whom, of which days."""
    tenant = tenant_of(request)
    record_audit(
        tenant=tenant,
        actor=request.user,
        action="export.downloaded",
        subject=company or tenant,
        after={"what": what, **{name: day for name, day in days.items() if day is not None}},
    )


LEDGER_HEADER = (
    "Row", "Agreement", "Line", "Counted", "Reason", "Currency", "MRR", "How", "From", "Through",
    "Warnings", "Decision", "Decided by", "Decided on", "Why", "As of", "Known at",
)  # fmt: skip


def ledger_csv(company: Company, page: MrrPage, days: Days) -> HttpResponse:
    """The sum line by line, with what was decided about each line, and the totals at its end."""
    figure = page.figure
    day, moment = figure.as_of.isoformat(), _known_at(days)
    decided = {group.agreement.pk: group.decided.decision for group in page.groups}
    lines = {
        line.row.row_id: line.decision
        for group in page.groups
        for line in (*group.counted, *group.left_out)
    }

    def rows() -> Iterable[Sequence[Any]]:
        for row in figure.ledger:
            record = lines.get(row.row_id)
            if record is None and row.agreement_ref:
                record = decided.get(row.agreement_ref.pk)
            yield (*_ledger_row(row), *_decision(record), day, moment)
        for total in figure.totals:
            yield (
                *("total", "", "", "yes", "", total["currency"], total["amount"], "", "", "", ""),
                *_decision(None),
                *(day, moment),
            )

    name = f"mrr-{company.pk}-{day}-{known_name(days)}"
    return csv_response(name, LEDGER_HEADER, rows(), amounts=[6])


def _ledger_row(row: mrr.LedgerRow) -> Sequence[Any]:
    return (
        row.row_id,
        row.agreement_ref or "",
        row.line_ref or "",
        "yes" if row.included else "no",
        row.reason,
        row.currency,
        row.mrr,
        " ".join([row.formula, *row.said]) if row.included else row.sentence,
        row.first_day,
        row.last_day,
        " ".join(row.warnings),
    )


def _decision(record: ChoiceRecord | None) -> Sequence[Any]:
    """What was decided, by whom, when, and why. The moment is in UTC: a tenant's zone may change,
    and the file of a day and a moment may not.
    """
    if record is None:
        return "", "", "", ""
    return decision(record), record.actor_name or "a program", as_text(record.at), record.note


def series_csv(months: Sequence[Month], days: Days) -> HttpResponse:
    rows = (
        (month["month"], money["currency"], money["amount"], _known_at(days))
        for month in months
        for money in month["recognized"]
    )
    name = f"recognized-{days.as_of:%Y-%m}-{known_name(days)}"
    return csv_response(name, ("Month", "Currency", "Recognized", "Known at"), rows, amounts=[2])


def movement_csv(bridges: Sequence[AnyMovement], names: dict[str, str], days: Days) -> HttpResponse:
    def rows() -> Iterable[Sequence[Any]]:
        for bridge in bridges:
            currency = bridge.currency
            opens = as_text(days.opens_at) if days.opens_at else _known_at(days)
            yield "opening", "", currency, mrr.money_text(currency, bridge.opening), opens
            for kind in charts.steps_of(bridge):
                for company in movement_rows.companies_of(bridge, kind):
                    amount = mrr.money_text(currency, company.exact)
                    name = names.get(company.company_id, "")
                    yield kind, name, currency, amount, _known_at(days)
            closing = mrr.money_text(currency, bridge.closing)
            yield "closing", "", currency, closing, _known_at(days)

    name = f"movement-{days.start}-{days.end}-{known_name(days)}"
    header = ("Movement", "audITee", "Currency", "Amount", "Known at")
    return csv_response(name, header, rows(), amounts=[3])


def ahead_csv(months: Sequence[MonthAhead], names: Mapping[str, str], today: date) -> HttpResponse:
    """Each change of the months ahead, and what is in force at the end of each month."""

    def rows() -> Iterable[Sequence[Any]]:
        for one in months:
            month, currency = f"{one.month:%Y-%m}", one.currency
            for change in one.changes:
                company = names.get(change.company_id, "")
                before, after, amount = (
                    change.texts[name] for name in ("before", "after", "amount")
                )
                yield (
                    month,
                    change.kind,
                    company,
                    change.name,
                    change.day,
                    currency,
                    before,
                    after,
                    amount,
                )
            yield month, "closing", "", "", one.last_day, currency, "", one.amount, one.difference

    header = (
        "Month",
        "Change",
        "audITee",
        "Row",
        "Day",
        "Currency",
        "Before",
        "After",
        "Difference",
    )
    return csv_response(f"months-ahead-{today}", header, rows(), amounts=[6, 7, 8])


def _known_at(days: Days) -> str:
    """ "" where nothing is kept yet that could be asked for again."""
    return as_text(days.known_at) if days.known_at else ""


def known_name(days: Days) -> str:
    """The moment as a part of a file's name."""
    return f"known-{days.moment.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def report_download(report: FigureReport) -> HttpResponse:
    """Everything that explains a figure as one JSON file to download."""
    response = HttpResponse(report.content, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{report.file_name}"'
    return response
