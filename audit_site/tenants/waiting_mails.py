"""Sending what waits: an e-mail that is refused is a trouble of its own row, and of no other.

A mail server that is away ends the pass. The row that met this goes to the end of the line, so that
an e-mail at which the server hangs up does not keep the others waiting.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final, TypeVar

from django.core.mail import EmailMessage
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from audit_site.db import walls
from audit_site.tenants.mails import MailNotSent, MailRefused, send
from audit_site.tenants.models import Mailed

log = logging.getLogger(__name__)
FIRST_WAIT: Final = timedelta(minutes=5)
LONGEST_WAIT: Final = timedelta(hours=4)
RowT = TypeVar("RowT", bound=Mailed)


@dataclass(frozen=True, slots=True)
class Letter:
    """How a row's e-mail is made; what its row holds as soon as it is claimed, and once sent."""

    make: Callable[[], EmailMessage]
    claimed: dict[str, Any] = field(default_factory=dict)
    sent: dict[str, Any] = field(default_factory=dict)


def send_waiting(
    rows: QuerySet[RowT],
    letter_of: Callable[[RowT], Letter],
    *,
    name: str,
    reason: str,
    related: tuple[str, ...],
    most_at_once: int,
) -> None:
    """Send the e-mails of what waits, of all tenants. May run at any time, twice as well; a worker
    that dies in between has sent one once or never.

    `name`: of such a row, in the log. `reason`: why the rows of all tenants are looked at.
    """
    for tenant_id, pks in walls.first_by_tenant(due(rows), reason, most_at_once).items():
        with walls.within(tenant_id):
            own = due(rows).filter(tenant=tenant_id)
            for row in own.filter(pk__in=pks).select_related(*related):
                if not _send(own.filter(pk=row.pk), row, letter_of(row), f"{name}={row.pk}"):
                    return  # the mail server is away: the others would wait for it one by one


def due(rows: QuerySet[RowT]) -> QuerySet[RowT]:
    """Those that may be tried now; those that were never tried first."""
    is_due = Q(mail_next_at=None) | Q(mail_next_at__lte=timezone.now())
    waiting = rows.filter(is_due, sent_at=None, mail_refused="")
    return waiting.order_by(F("mail_next_at").asc(nulls_first=True), "id")


def _send(own: QuerySet[RowT], row: RowT, letter: Letter, label: str) -> bool:
    """Send one, unless another worker does so or it waits no more; False = no server is there."""
    now = timezone.now()
    if not own.order_by().update(sent_at=now, **letter.claimed):
        return True
    claimed = type(row)._default_manager.filter(tenant=row.tenant_id, pk=row.pk, sent_at=now)
    later = {"mail_tries": row.mail_tries + 1, "mail_next_at": now + _wait(row.mail_tries)}
    try:
        send(letter.make())
    except MailRefused as refusal:
        log.warning("mail_refused %s answer=%s", label, refusal)
        refused = {"mail_refused": str(refusal)} if refusal.is_final else later
        claimed.update(sent_at=None, **refused)
    except MailNotSent as trouble:
        log.warning("mail_not_sent %s error=%s", label, trouble)
        claimed.update(sent_at=None, mail_next_at=now)
        return False
    except Exception:  # whatever its text meets: what can't be written holds no other up
        log.exception("mail_not_made %s", label)
        claimed.update(sent_at=None, **later)
    else:
        if letter.sent:
            claimed.update(**letter.sent)
    return True


def _wait(tries: int) -> timedelta:
    """How long an e-mail waits after so many tries, each wait twice as long as the one before."""
    factor: int = 2 ** min(tries, 10)
    return min(FIRST_WAIT * factor, LONGEST_WAIT)
