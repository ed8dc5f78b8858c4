"""Tables as CSV, and everything that explains a figure as one file for a person who doubts it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Sequence
from typing import Any

from django.core.serializers.json import DjangoJSONEncoder
from django.http import HttpResponse
from django.utils import timezone

from agreements import mrr
from agreements.decisions import choice_history
from agreements.figures import CompanyFigure, Month
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from agreements.mrr.edition import EDITION
from agreements.mrr.figures import CLASSES
from companies.models import Company
from integrations.models import SyncRun

#: A cell that begins so would be run as a formula by a spreadsheet.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


def safe_cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def csv_response(
    name: str, header: Sequence[str], rows: Iterable[Sequence[Any]], *, amounts: Sequence[int]
) -> HttpResponse:
    """A CSV download. Columns in `amounts` are numbers of ours and stay as they are."""
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}.csv"'
    response.write("\ufeff")  # without it spreadsheets take UTF-8 for something else
    writer = csv.writer(response)
    writer.writerow(header)
    for row in rows:
        writer.writerow(
            [value if at in amounts else safe_cell(value) for at, value in enumerate(row)]
        )
    return response


LEDGER_HEADER = (
    "Row", "Agreement", "Line", "Counted", "Reason", "Currency", "MRR", "How", "From", "Through",
    "Warnings",
)  # fmt: skip


def ledger_csv(company: Company, figure: CompanyFigure) -> HttpResponse:
    rows = (
        (
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
        for row in figure.ledger
    )
    return csv_response(
        f"mrr-{company.pk}-{figure.as_of.isoformat()}", LEDGER_HEADER, rows, amounts=[6]
    )


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


def _stored(row: Agreement | AgreementLine) -> dict[str, Any]:
    """A row as it is stored from the PSA, without what only we need."""
    hidden = {"id", "tenant", "fingerprint", "lines_fingerprint"}
    return {
        field.name: getattr(row, field.attname)
        for field in row._meta.concrete_fields
        if field.name not in hidden
    }


def report(company: Company, figure: CompanyFigure, run: SyncRun | None) -> HttpResponse:
    """Everything that explains a figure as one JSON file to download."""
    content = report_of(company, figure, run)
    response = HttpResponse(
        json.dumps(content, cls=DjangoJSONEncoder, indent=1, ensure_ascii=False),
        content_type="application/json",
    )
    name = f"mrr-report-{company.pk}-{figure.as_of.isoformat()}.json"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def report_of(company: Company, figure: CompanyFigure, run: SyncRun | None) -> dict[str, Any]:
    """Ledger, stored PSA records, decisions and last run of a company."""
    agreements = [row.agreement for row in figure.agreements]
    lines = {entry.line_ref.pk: entry.line_ref for entry in figure.ledger if entry.line_ref}
    history = choice_history(company.tenant, agreements)
    return {
        "made_at": timezone.now(),
        "edition": EDITION,
        "company": {"id": str(company.pk), "name": company.name},
        "as_of": figure.as_of,
        "totals": figure.totals,
        "ledger": [_entry(row) for row in figure.ledger],
        "psa_records": {
            "agreements": [_stored(row) for row in agreements],
            "lines": [_stored(line) for line in lines.values()],
        },
        "decisions": [_decision(record) for records in history.values() for record in records],
        "sync_run": _run(run) if run else None,
    }


def _entry(row: mrr.LedgerRow) -> dict[str, Any]:
    hidden = {"agreement_ref", "line_ref", "remarks"}
    return {name: getattr(row, name) for name in row.__slots__ if name not in hidden}


def _decision(record: ChoiceRecord) -> dict[str, Any]:
    return {
        "at": record.at,
        "by": record.actor_name,
        "note": record.note,
        "agreement": str(record.agreement_id),
        "line": str(record.line_id) if record.line_id else None,
        "before": record.before,
        "after": record.after,
    }


def _run(run: SyncRun) -> dict[str, Any]:
    return {
        "id": str(run.pk),
        "state": run.state,
        "trigger": run.trigger,
        "finished_at": run.finished_at,
        "counts": run.counts,
        "error": run.error_code,
    }
