"""/healthz/ (the process is up) and /readyz/ (database, broker and a live worker)."""

from __future__ import annotations

from collections.abc import Callable

from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from audit_site import probe, worker_heartbeat
from audit_site.celery import app

BROKER_SECONDS = 2


@never_cache
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    told = probe.arrival(request) if probe.is_asked_by_doctor(request) else {}
    return JsonResponse({"status": "ok", **told})


@never_cache
@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    parts = {name: "ok" if _passes(check) else "failing" for name, check in CHECKS.items()}
    ready = all(state == "ok" for state in parts.values())
    return JsonResponse(
        {"status": "ok" if ready else "failing", **parts}, status=200 if ready else 503
    )


def _passes(check: Callable[[], bool]) -> bool:
    try:
        return check()
    except Exception:  # noqa: BLE001  whatever it is, this part is not ready
        return False


def _database() -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
        return bool(cursor.fetchone() == (1,))


def _broker() -> bool:
    with app.connection_for_write(connect_timeout=BROKER_SECONDS) as broker:
        broker.ensure_connection(max_retries=1, timeout=BROKER_SECONDS)
    return True


def _worker() -> bool:
    silent = worker_heartbeat.seconds_since_beat()
    return silent is not None and silent < worker_heartbeat.SILENT_SECONDS


class HealthMiddleware:
    """Answers both before anything else: what probes this process knows no name of ours."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        view = VIEWS.get(request.path_info)
        if view is None:
            return self._get_response(request)
        answer = view(request)
        answer["Content-Length"] = str(len(answer.content))
        return answer


VIEWS: dict[str, Callable[[HttpRequest], HttpResponse]] = {
    "/healthz/": healthz,
    "/readyz/": readyz,
}
CHECKS: dict[str, Callable[[], bool]] = {
    "database": _database,
    "broker": _broker,
    "worker": _worker,
}
