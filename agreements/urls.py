from __future__ import annotations

from django.urls import path

from agreements import views

app_name = "agreements"
urlpatterns = [path("companies/<uuid:pk>/mrr/", views.company_mrr, name="company-mrr")]
