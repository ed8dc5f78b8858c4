from __future__ import annotations

from django.urls import path

from integrations import views

app_name = "integrations"
urlpatterns = [
    path("integrations/", views.integrations, name="list"),
    path("integrations/connect/<str:psa>/", views.connect, name="connect"),
    path("integrations/<uuid:pk>/", views.settings, name="settings"),
    path("integrations/<uuid:pk>/status/", views.status_fragment, name="status"),
    path("integrations/<uuid:pk>/schedule/", views.save_schedule, name="schedule"),
    path("integrations/<uuid:pk>/test/", views.test_now, name="test"),
    path("integrations/<uuid:pk>/candidate/forget/", views.forget_keys, name="forget-candidate"),
    path("integrations/<uuid:pk>/sync/", views.sync_now, name="sync"),
    path("integrations/<uuid:pk>/disconnect/", views.disconnect, name="disconnect"),
    path("integrations/<uuid:pk>/companies/", views.import_list, name="import-list"),
    path("integrations/<uuid:pk>/companies/import/", views.import_chosen, name="import"),
    path("integrations/<uuid:pk>/companies/missing/", views.diagnose, name="diagnosis"),
    path("integrations/<uuid:pk>/issues/", views.issue_inbox, name="issues"),
    path("integrations/<uuid:pk>/issues/retry/", views.retry_issues, name="retry-issues"),
    path("issues/<uuid:pk>/retry/", views.retry_issue, name="retry-issue"),
    path("issues/<uuid:pk>/dismiss/", views.dismiss_issue, name="dismiss-issue"),
    path("issues/<uuid:pk>/gone/", views.confirm_gone, name="confirm-gone"),
    path("sync-runs/", views.sync_runs, name="runs"),
    path("sync-runs/<uuid:pk>/", views.run, name="run"),
    path("sync-runs/<uuid:pk>/cancel/", views.cancel_run, name="cancel-run"),
]
