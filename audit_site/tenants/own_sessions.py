"""A person signs out of other browsers of theirs."""

from __future__ import annotations

from django.db import transaction

from audit_site.tenants.models import User
from audit_site.tenants.own_trail import record_of_person
from audit_site.tenants.sessions import end_session, end_sessions

ENDED = "person.sessions_ended"


@transaction.atomic
def sign_out_of(user: User, session_id: str) -> bool:
    """End one session of a person; whether there was such a one."""
    is_ended = end_session(user, session_id)
    if is_ended:
        record_of_person(user, ENDED, actor=user, after={"sessions": 1})
    return is_ended


@transaction.atomic
def sign_out_elsewhere(user: User, *, but: str) -> int:
    """End all sessions of a person but the one with this id; return how many those were."""
    ended = end_sessions(user, but=but)
    if ended:
        record_of_person(user, ENDED, actor=user, after={"sessions": ended})
    return ended
