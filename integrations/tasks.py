"""Background work: ids in, nothing out. Each may run twice and changes nothing more."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final

from celery import shared_task

from audit_site import worker_heartbeat
from audit_site.tenants.mails import MailNotSent
from integrations.batches import worker
from integrations.connecting import address_changes, connection_test, outage_mails
from integrations.links import preview_work
from integrations.matching import batches, suggesting
from integrations.runs import dispatching, history, schedule
from integrations.sync import engine
from integrations.words import following


def _passing_on(work: Callable[[str, str], None]) -> Callable[[str, str], None]:
    """Make a tenant's next work begin where this one ends, if it had to wait for its turn."""

    @wraps(work)
    def carry_out(tenant_id: str, work_id: str) -> None:
        try:
            work(tenant_id, work_id)
        finally:
            dispatching.send_next(tenant_id=tenant_id)

    return carry_out


@shared_task(name="integrations.run_connection_test")
@_passing_on
def run_connection_test(tenant_id: str, test_id: str) -> None:
    connection_test.run_connection_test(tenant_id=tenant_id, test_id=test_id)


@shared_task(name="integrations.run_sync")
@_passing_on
def run_sync(tenant_id: str, run_id: str) -> None:
    engine.run_sync(tenant_id=tenant_id, run_id=run_id)


@shared_task(name="integrations.run_import_batch")
@_passing_on
def run_import_batch(tenant_id: str, import_id: str) -> None:
    worker.run_import_batch(tenant_id=tenant_id, batch_id=import_id)


@shared_task(name="integrations.run_link_preview")
@_passing_on
def run_link_preview(tenant_id: str, preview_id: str) -> None:
    preview_work.run_link_preview(tenant_id=tenant_id, preview_id=preview_id)


@shared_task(name="integrations.sweep")
def sweep() -> None:
    worker_heartbeat.beat()
    dispatching.sweep()
    suggesting.send_due()


@shared_task(name="integrations.dispatch_due")
def dispatch_due() -> None:
    schedule.dispatch_due()


#: 30 s, 1 min … 30 min: tried again for four hours and a half.
MAIL: Final[dict[str, Any]] = {
    "autoretry_for": (MailNotSent,),
    "retry_backoff": 30,  # seconds, doubled each time
    "retry_backoff_max": 1800,
    "retry_jitter": False,
    "max_retries": 14,
}


@shared_task(name="integrations.tell_admins", **MAIL)
def tell_admins(tenant_id: str, integration_id: str, what: str) -> None:
    outage_mails.notify_admins(tenant_id=tenant_id, integration_id=integration_id, what=what)


@shared_task(name="integrations.tell_address_change", **MAIL)
def tell_address_change(tenant_id: str, integration_id: str) -> None:
    address_changes.tell_address_change(tenant_id=tenant_id, integration_id=integration_id)


@shared_task(name="integrations.remind_of_address_changes")
def remind_of_address_changes() -> None:
    address_changes.remind()


@shared_task(name="integrations.prune_history")
def prune_history() -> None:
    history.prune_history()


@shared_task(name="integrations.follow_word")
def follow_word(tenant_id: str, word_id: str) -> None:
    following.follow_word(tenant_id=tenant_id, word_id=word_id)


@shared_task(name="integrations.follow_words")
def follow_words() -> None:
    following.follow_lost()
    batches.send_lost()


@shared_task(name="integrations.want_suggestions")
def want_suggestions(tenant_id: str) -> None:
    suggesting.want_suggestions(tenant_id=tenant_id)


@shared_task(name="integrations.undo_links")
def undo_links(tenant_id: str, batch_id: str) -> None:
    batches.carry_undo_out(tenant_id=tenant_id, batch_id=batch_id)


@shared_task(name="integrations.match_links")
def match_links(tenant_id: str, matching_id: str) -> None:
    suggesting.match_links(tenant_id=tenant_id, matching_id=matching_id)
