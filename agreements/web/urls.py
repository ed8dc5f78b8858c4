from __future__ import annotations

from django.urls import path

from agreements.web import company_mrr, decisions, history, overview, statement, to_check, typed

app_name = "agreements"
urlpatterns = [
    path("companies/<uuid:pk>/mrr/", company_mrr.company_mrr, name="company-mrr"),
    path("companies/<uuid:pk>/mrr/ledger.csv", company_mrr.company_ledger, name="company-ledger"),
    path("companies/<uuid:pk>/mrr/charts/", company_mrr.company_charts, name="company-charts"),
    path(
        "companies/<uuid:pk>/mrr/statement.pdf",
        statement.statement_file,
        name="company-statement-pdf",
    ),
    path(
        "companies/<uuid:pk>/mrr/statement/",
        statement.company_statement,
        name="company-statement",
    ),
    path("companies/<uuid:pk>/history/", history.company_history, name="company-history"),
    path("companies/<uuid:pk>/mrr/report/", company_mrr.company_report, name="company-report"),
    path("companies/<uuid:pk>/mrr/report.json", company_mrr.report_file, name="report-file"),
    path("companies/<uuid:pk>/agreements/add/", typed.add, name="typed-add"),
    path("agreements/<uuid:pk>/edit/", typed.edit, name="typed-edit"),
    path("agreements/<uuid:pk>/remove/", typed.remove, name="typed-remove"),
    path("agreements/<uuid:pk>/decide/", decisions.agreement_choices, name="agreement-choices"),
    path("agreement-lines/<uuid:pk>/decide/", decisions.line_choices, name="line-choices"),
    path("agreements/<uuid:pk>/right/", decisions.agreement_is_right, name="agreement-right"),
    path("agreement-lines/<uuid:pk>/right/", decisions.line_is_right, name="line-right"),
    path("decisions/<uuid:pk>/undo/", decisions.undo_choice, name="undo-choice"),
    path("mrr/", overview.overview, name="book"),
    path("mrr/to-check/", to_check.to_check, name="to-check"),
    path("mrr/charts/", overview.overview_charts, name="book-charts"),
    path("mrr/difference/", overview.difference, name="book-difference"),
    path("mrr/ahead.csv", overview.ahead_csv, name="ahead-csv"),
    path("mrr/series.csv", overview.series_csv, name="series-csv"),
    path("mrr/movement.csv", overview.movement_csv, name="movement-csv"),
]
