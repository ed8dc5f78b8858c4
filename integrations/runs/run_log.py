"""One log line for each thing that happens to a run or a test: what happened at three o'clock?

Each carries tenant, integration, run (or test) and the id of the request that asked for it, from
the click to the call that a PSA refuses. No address with a query, no name, no value of a record.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final

import structlog

from audit_site import log_context
from integrations.models import ConnectionTest, ImportBatch, LeasedWork, LinkPreview, SyncRun

log: Final = structlog.get_logger("integrations.runs")


def begins(work: LeasedWork) -> None:
    """A worker has claimed it. All that its thread writes from here on says what it is about.

    `attempt` 2 and more: it continues what another worker began.
    """
    about = {"tenant_id": str(work.tenant_id), f"{_kind(work)}_id": str(work.pk)}
    if isinstance(work, SyncRun | ConnectionTest):
        about["integration_id"] = str(work.integration_id)
    structlog.contextvars.bind_contextvars(**about)
    if asked := log_context.request_id() or _asked_by(work):
        structlog.contextvars.bind_contextvars(request_id=asked)
    log.info(_event(work, "begins"), attempt=work.attempts, **_origin(work))


def _kind(work: LeasedWork) -> str:
    if isinstance(work, LinkPreview):
        return "preview"
    if isinstance(work, ImportBatch):
        return "import"
    return "run" if isinstance(work, SyncRun) else "test"


def _event(work: LeasedWork, what: str) -> str:
    return f"{_kind(work)}_{what}"


def _asked_by(work: LeasedWork) -> str:
    """The request that a run goes back to, however often it was given back since; "" = none."""
    stored: Any = work.checkpoint if isinstance(work, SyncRun) else {}
    return str(stored.get("request_id", "")) if isinstance(stored, dict) else ""


def _origin(work: LeasedWork) -> dict[str, Any]:
    if not isinstance(work, SyncRun):
        return {}
    return {"trigger": work.trigger, "scope": work.scope, "reading": work.reading}


def phase(name: str) -> None:
    log.info("run_phase", phase=name)


def waits(seconds: float, reason: str) -> None:
    """The run waits, holding its lease or not; 0 s: another worker continues it at once."""
    log.info("run_waits", seconds=round(max(seconds, 0.0), 1), reason=reason)


def held() -> None:
    """The run is given back before it began: a person has paused its integration."""
    log.info("run_held")


def ends(work: LeasedWork, state: str, *, code: str = "", requests: int = 0) -> None:
    """`code`: why it ended so; "" = all went well."""
    level = logging.WARNING if state == SyncRun.State.FAILED else logging.INFO
    log.log(level, _event(work, "ends"), state=state, code=code, requests=requests)


def refused_calls() -> Callable[[str, str, str, float], None]:
    """What to do with each PSA call that went wrong: `(method, path, code, seconds)`.

    The context is that of the caller: a client asks from several threads.
    """
    context = structlog.contextvars.get_contextvars()

    def write(method: str, path: str, code: str, seconds: float) -> None:
        log.warning(
            "psa_call_refused",
            **{**context, "method": method, "path": path, "code": code},
            seconds=round(seconds, 3),
        )

    return write
