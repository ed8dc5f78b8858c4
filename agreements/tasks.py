"""Background work around MRR. May run as often as one likes."""

from __future__ import annotations

from celery import shared_task

from agreements import reports, stored_mrr


@shared_task(name="agreements.pass_days")
def pass_days() -> None:
    stored_mrr.pass_days()


@shared_task(name="agreements.send_reports")
def send_reports() -> None:
    reports.send_waiting_reports()
