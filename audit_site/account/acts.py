"""Acts of an account that reach beyond people and tenants: limits, schedules, figures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from agreements.causes import caused_by
from agreements.stored_mrr import mark_all_stale
from audit_site import limits
from audit_site.tenants import invitations
from audit_site.tenants.changing import change_tenant
from audit_site.tenants.models import Invitation, Tenant, User
from integrations.runs.schedule import plan_nights_again


@transaction.atomic
def invite(*, tenant: Tenant, actor: User, email: str, role: str, name: str = "") -> Invitation:
    """Invite a person, as often as e-mails may be sent within an hour."""
    limits.spend(tenant, limits.INVITATIONS)
    return invitations.invite(tenant=tenant, actor=actor, email=email, role=role, name=name)


@transaction.atomic
def send_again(*, invitation: Invitation, actor: User) -> Invitation:
    limits.spend(invitation.tenant, limits.INVITATIONS)
    return invitations.send_again(invitation=invitation, actor=actor)


@transaction.atomic
def change_settings(*, tenant: Tenant, actor: User, values: Mapping[str, Any]) -> Tenant:
    """Change a tenant's settings, and have follow what depends on them.

    Another time zone moves the nights of syncs, and may move the day that figures are for. Another
    currency is that of agreements that name none. Figures are worked out again.
    """
    if values.get("timezone", tenant.timezone) != tenant.timezone:
        plan_nights_again(tenant)  # integrations are locked before their tenant
    changed, names = change_tenant(tenant=tenant, actor=actor, values=values)
    if names & {"timezone", "currency"}:
        with caused_by("settings", actor=actor):
            mark_all_stale(changed)
    return changed
