"""Tables as CSV, and everything that explains a figure as one file for a person who doubts it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date
from typing import Any

from django.http import HttpResponse
from django.utils import timezone

from agreements import mrr
from agreements.figures import Month
from agreements.models import ChoiceRecord, FigureReport
from agreements.mrr.figures import CLASSES
from agreements.web.asked_days import as_text
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
        after={"what": what, **days},
    )


LEDGER_HEADER = (
    "Row", "Agreement", "Line", "Counted", "Reason", "Currency", "MRR", "How", "From", "Through",
    "Warnings", "Decision", "Decided by", "Decided on", "Why", "As of", "Known at",
)  # fmt: skip


def ledger_csv(company: Company, page: MrrPage) -> HttpResponse:
    """The sum line by line, with what was decided about each line, and the totals at its end."""
    figure = page.figure
    known_at = figure.known_at or timezone.now()
    day, moment = figure.as_of.isoformat(), as_text(known_at)
    decided = {row.row.agreement.pk: row.decision for row in page.agreements}
    lines = {line.row.row_id: line.decision for line in (*page.counted, *page.left_out)}

    def rows() -> Iterable[Sequence[Any]]:
        for row in figure.ledger:
            record = lines.get(row.row_id)
            if record is None and row.agreement_ref:
                record = decided.get(row.agreement_ref.pk)
            yield (*_ledger_row(row), *_decision(company, record), day, moment)
        for total in figure.totals:
            yield (
                *("total", "", "", "yes", "", total["currency"], total["amount"], "", "", "", ""),
                *_decision(company, None),
                *(day, moment),
            )

    name = f"mrr-{company.pk}-{day}-known-{known_at.astimezone(UTC):%Y%m%dT%H%M%SZ}"
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


def _decision(company: Company, record: ChoiceRecord | None) -> Sequence[Any]:
    """What was decided, by whom, on which day, and why."""
    if record is None:
        return "", "", "", ""
    on = company.tenant.today(record.at)
    return decision(record), record.actor_name or "a program", on, record.note


def series_csv(name: str, months: Sequence[Month]) -> HttpResponse:
    rows = (
        (month["month"], money["currency"], money["amount"])
        for month in months
        for money in month["recognized"]
    )
    return csv_response(name, ("Month", "Currency", "Recognized"), rows, amounts=[2])


def movement_csv(name: str, bridges: Sequence[mrr.Movement], names: dict[str, str]) -> HttpResponse:
    def rows() -> Iterable[Sequence[Any]]:
        for bridge in bridges:
            currency = bridge.currency
            yield "opening", "", currency, mrr.money_text(currency, bridge.opening)
            for kind in CLASSES:
                for company in bridge.companies:
                    if company.kind == kind:
                        amount = mrr.money_text(currency, company.exact)
                        yield kind, names.get(company.company_id, ""), currency, amount
            yield "closing", "", currency, mrr.money_text(currency, bridge.closing)

    header = ("Movement", "audITee", "Currency", "Amount")
    return csv_response(name, header, rows(), amounts=[3])


def report_download(report: FigureReport) -> HttpResponse:
    """Everything that explains a figure as one JSON file to download."""
    response = HttpResponse(report.content, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="{report.file_name}"'
    return response
