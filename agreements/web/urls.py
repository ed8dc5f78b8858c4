from __future__ import annotations

from django.urls import path

from agreements.web import views

app_name = "agreements"
urlpatterns = [
    path("companies/<uuid:pk>/mrr/", views.company_mrr, name="company-mrr"),
    path("companies/<uuid:pk>/mrr/ledger.csv", views.company_ledger, name="company-ledger"),
    path("companies/<uuid:pk>/mrr/report/", views.company_report, name="company-report"),
    path("agreements/<uuid:pk>/decide/", views.agreement_choices, name="agreement-choices"),
    path("agreement-lines/<uuid:pk>/decide/", views.line_choices, name="line-choices"),
    path("decisions/<uuid:pk>/undo/", views.undo_choice, name="undo-choice"),
    path("mrr/", views.book, name="book"),
    path("mrr/charts/", views.book_charts, name="book-charts"),
    path("mrr/series.csv", views.series_csv, name="series-csv"),
    path("mrr/movement.csv", views.movement_csv, name="movement-csv"),
]
