from __future__ import annotations

from django.urls import path

from integrations.web import (
    activity,
    find_company,
    import_batches,
    import_list,
    issues,
    one_record,
    runs,
    suggestions,
    words,
)
from integrations.web.connecting import (
    activity as connection_activity,
)
from integrations.web.connecting import (
    connect,
    pause,
    rename,
    save_schedule,
    settings,
    setup,
)
from integrations.web.integrations import (
    disconnect,
    forget_keys,
    integrations,
    resume,
    status_fragment,
    sync_now,
    test_now,
)

app_name = "integrations"
urlpatterns = [
    path("integrations/", integrations, name="list"),
    path("integrations/connect/<str:psa>/", connect, name="connect"),
    path("integrations/<uuid:pk>/", settings, name="settings"),
    path("integrations/<uuid:pk>/setup/", setup, name="setup"),
    path("integrations/<uuid:pk>/activity/", connection_activity, name="connection-activity"),
    path("integrations/<uuid:pk>/status/", status_fragment, name="status"),
    path("integrations/<uuid:pk>/name/", rename, name="rename"),
    path("integrations/<uuid:pk>/pause/", pause, name="pause"),
    path("integrations/<uuid:pk>/resume/", resume, name="resume"),
    path("integrations/<uuid:pk>/schedule/", save_schedule, name="schedule"),
    path("integrations/<uuid:pk>/test/", test_now, name="test"),
    path(
        "integrations/<uuid:pk>/candidate/forget/",
        forget_keys,
        name="forget-candidate",
    ),
    path("integrations/<uuid:pk>/sync/", sync_now, name="sync"),
    path("integrations/<uuid:pk>/move/", suggestions.move, name="move"),
    path("integrations/<uuid:pk>/disconnect/", disconnect, name="disconnect"),
    path("import/", import_list.import_list, name="import"),
    path("import/choose/", import_list.choose, name="choose"),
    path("import/<uuid:pk>/ignore/", import_list.ignore, name="ignore"),
    path("import/<uuid:pk>/unignore/", import_list.unignore, name="unignore"),
    path("import/batches/", import_batches.import_batches, name="import-batches"),
    path("import/batches/<uuid:pk>/", import_batches.import_batch, name="import-batch"),
    path("import/batches/<uuid:pk>/review/", import_batches.review, name="review-batch"),
    path("import/batches/<uuid:pk>/retry/", import_batches.retry_batch, name="retry-batch"),
    path("import/batches/<uuid:pk>/undo/", import_batches.undo_batch, name="undo-batch"),
    path("import/batches/<uuid:pk>/bring-back/", import_batches.bring_back, name="bring-back"),
    path("integrations/<uuid:pk>/companies/", import_list.list_of_connection, name="import-list"),
    path("integrations/<uuid:pk>/companies/link/", one_record.link_record, name="link-record"),
    path("integrations/<uuid:pk>/companies/review/", one_record.review_one, name="review-one"),
    path("integrations/<uuid:pk>/companies/missing/", find_company.find_company, name="find"),
    path("integrations/<uuid:pk>/words/", words.words, name="words"),
    path("integrations/<uuid:pk>/words/say/", words.say, name="say-word"),
    path("integrations/<uuid:pk>/words/<uuid:word_id>/undo/", words.undo, name="undo-word"),
    path("integrations/<uuid:pk>/issues/", issues.issue_inbox, name="issues"),
    path("integrations/<uuid:pk>/issues/retry/", issues.retry_issues, name="retry-issues"),
    path("issues/", issues.all_issues, name="all-issues"),
    path("activity/", activity.activity, name="activity"),
    path("issues/<uuid:pk>/retry/", issues.retry_issue, name="retry-issue"),
    path("issues/<uuid:pk>/dismiss/", issues.dismiss_issue, name="dismiss-issue"),
    path("issues/<uuid:pk>/gone/", issues.confirm_gone, name="confirm-gone"),
    path("import/moves/", suggestions.moves, name="moves"),
    path("link-suggestions/", suggestions.old_address, name="suggestions"),
    path("link-suggestions/confirm/", suggestions.confirm, name="confirm-suggestions"),
    path("link-suggestions/dismiss/", suggestions.dismiss, name="dismiss-suggestions"),
    path("link-suggestions/restore/", suggestions.restore, name="restore-suggestions"),
    path("link-batches/<uuid:pk>/", suggestions.link_batch, name="link-batch"),
    path("link-batches/<uuid:pk>/undo/", suggestions.undo, name="undo-links"),
    path(
        "link-batches/<uuid:pk>/bring-back/", suggestions.bring_links_back, name="bring-links-back"
    ),
    path("sync-runs/", runs.sync_runs, name="runs"),
    path("sync-runs/<uuid:pk>/", runs.run, name="run"),
    path("sync-runs/<uuid:pk>/cancel/", runs.cancel_run, name="cancel-run"),
]
