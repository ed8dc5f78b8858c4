"""Telling a tenant's admins that the address of one of its connections was changed, and by whom.

A stored secret goes only to where it was typed for. Who types a new one may still lead the sync to
another server, and the other admins should hear of that. The row is the truth
(`Integration.address_change`, until the e-mail is sent), the message in the queue a hint.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from audit_site.db import walls
from audit_site.queue import enqueue
from audit_site.tenants.audit import record_audit
from audit_site.tenants.mails import one_line
from audit_site.tenants.models import User
from integrations.connecting.admin_mail import in_words, recipients_of, send_to_admins
from integrations.models import Integration, lock_integration
from integrations.psa.addresses import read_address

TASK: Final = "integrations.tell_address_change"
#: A change of which no e-mail was sent for so long is queued again: its message got lost, or the
#: mail server took nothing for hours.
PATIENCE: Final = timedelta(hours=5)
MOST_REMINDERS: Final = 500


def address_change(
    integration: Integration, credentials: Mapping[str, str], actor: User | None
) -> dict[str, Any] | None:
    """What changes when these credentials replace those of an integration; None = no address.

    `{"before", "after", "by", "by_id", "at"}`: scheme, host and port of each address, the name and
    id of who typed it, and when.
    """
    before, after = (
        _addresses(integration, values) for values in (integration.credentials, credentials)
    )
    if before == after or not before:
        return None
    return {
        "before": before,
        "after": after,
        "by": str(actor) if actor else "",
        "by_id": str(actor.pk) if actor else None,
        "at": timezone.now().isoformat(),
    }


def _addresses(integration: Integration, credentials: Mapping[str, str]) -> str:
    fields = [field for field in integration.psa_info.fields if field.type == "url"]
    roots = [
        read_address(credentials[field.name]).root for field in fields if field.name in credentials
    ]
    return ", ".join(roots)


def note_address_change(integration: Integration, change: dict[str, Any] | None) -> None:
    """The change is in force: it stands in the audit trail, and the admins will be told.

    Call it in the transaction of the change, before the integration is saved.
    """
    if change is None:
        return
    untold = integration.address_change
    integration.address_change = {**change, "before": untold["before"]} if untold else change
    record_audit(
        tenant=integration.tenant,
        actor=User.objects.filter(pk=change["by_id"]).first(),
        action="integration.address_changed",
        subject=integration,
        before={"address": change["before"]},
        after={"address": change["after"]},
    )
    enqueue(TASK, str(integration.tenant_id), str(integration.pk))


@walls.of_tenant
def tell_address_change(*, tenant_id: str, integration_id: str) -> None:
    """Send the e-mail about a change of address that nobody was told of yet. Worker only.

    Raises MailNotSent when the mail server does not take it; the change waits again then.
    """
    rows = Integration.objects.filter(tenant_id=tenant_id, pk=integration_id)
    integration = rows.select_related("tenant").first()
    recipients = recipients_of(integration) if integration else []
    if integration is None or not recipients:
        return
    change = _claim(integration)
    if change is None:
        return
    try:
        _send(integration, recipients, change)
    except Exception:  # whatever it is: the claim is given back, and it goes on to the caller
        rows.filter(address_change__isnull=True).update(address_change=change)
        raise


@transaction.atomic
def _claim(integration: Integration) -> dict[str, Any] | None:
    """Take the change off the row: of two workers one sends."""
    locked = lock_integration(integration)
    change: dict[str, Any] | None = locked.address_change
    if change is not None:
        locked.address_change = None
        locked.save(update_fields=["address_change"])
    return change


def _send(integration: Integration, recipients: list[str], change: dict[str, Any]) -> None:
    send_to_admins(
        integration,
        recipients,
        f"The address of {one_line(integration.name)} was changed",
        "address_changed",
        by=one_line(change["by"]) or "Somebody",
        at=in_words(datetime.fromisoformat(change["at"]), integration.tenant),
        before=change["before"],
        after=change["after"],
    )


def remind() -> None:
    """Queue again what nobody was told of for hours."""
    before = (timezone.now() - PATIENCE).isoformat()
    rows = Integration.objects.filter(address_change__isnull=False).order_by("id")
    with walls.as_system("remind_of_address_changes"):
        waiting = list(rows.only("pk", "tenant_id", "address_change")[:MOST_REMINDERS])
    for integration in waiting:
        if integration.address_change and integration.address_change["at"] < before:
            enqueue(TASK, str(integration.tenant_id), str(integration.pk))
