"""Erasing a tenant: everything of theirs, in slices, resumable, and proved at the end.

The work of the tables' owner (`walls.owner_sign_in`): nobody else may empty an audit trail.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Exists, OuterRef, Q, TextField
from django.db.models.functions import Cast, Lower
from django.utils import timezone

from audit_site.db.slices import SLICE, slices_of
from audit_site.ids import id_or_none
from audit_site.privacy.models import Erasure
from audit_site.privacy.owned import owned_models
from audit_site.tenants.audit_chain import maintenance
from audit_site.tenants.locks import lock_tenant
from audit_site.tenants.models import (
    ApiToken,
    AuditEvent,
    Invitation,
    Membership,
    SharedCacheEntry,
    Tenant,
    TenantOwned,
    User,
)
from integrations.connecting.lifecycle import disconnect_integration
from integrations.connecting.open_adapter import budget_of
from integrations.models import Integration

log = logging.getLogger(__name__)

#: A worker may still write while its rows go: so often everything is gone through.
MOST_PASSES: Final = 10
Say = Callable[[str], object]


class NotErased(Exception):
    """Something is still there: `places` are columns in which it stands."""

    def __init__(self, places: list[str]) -> None:
        super().__init__(", ".join(places))
        self.places = places


def mark_of(salt: str, tenant_id: str) -> str:
    return hashlib.sha256(f"{salt}|{tenant_id}".encode()).hexdigest()


def erasure_of(tenant_id: str) -> Erasure | None:
    """The erasure of the tenant that had this id, under way or done."""
    rows = Erasure.objects.order_by("-began_at")
    return next((one for one in rows if one.mark == mark_of(one.salt, tenant_id)), None)


@transaction.atomic
def begin_erasure(tenant: Tenant, by: str) -> Erasure:
    """Shut everybody out, and note what is to be done; from here on it only goes forward.

    Under the lock that who accepts an invitation takes: they are in already, or never get in.
    """
    lock_tenant(tenant)
    Invitation.objects.for_tenant(tenant).open().update(revoked_at=timezone.now())
    salt, tenant_id = secrets.token_hex(16), str(tenant.pk)
    members = Membership.objects.filter(tenant=tenant)
    erasure = Erasure.objects.create(
        salt=salt,
        mark=mark_of(salt, tenant_id),
        by=by,
        counts={Membership._meta.db_table: members.count()},
        pending={"tenant": tenant_id, "people": [], "emails": []},
    )
    _note_people(erasure)
    members.delete()
    return erasure


def _note_people(erasure: Erasure) -> None:
    """Note who stands in the tenant and in no other, before the rows that say so go."""
    tenant, known = UUID(erasure.pending["tenant"]), set(erasure.pending["people"])
    found = User.objects.filter(_stands_in_rows_of(tenant)).exclude(_is_elsewhere(tenant))
    new = [user for user in found.order_by("pk") if str(user.pk) not in known]
    if new:
        erasure.pending["people"] += [str(user.pk) for user in new]
        erasure.pending["emails"] += [user.email for user in new]
        erasure.save(update_fields=["pending"])


def _stands_in_rows_of(tenant: UUID) -> Q:
    """Who is a member or was one: made something, was told of by the audit trail, was invited."""
    asked = Invitation.objects.filter(tenant=tenant).annotate(address=Lower("email"))
    events = AuditEvent.objects.filter(tenant=tenant)
    told = {*events.order_by().values_list("person_id", flat=True).distinct()}
    about = events.filter(object_type=User._meta.model_name).order_by()
    told |= {*about.values_list("object_id", flat=True).distinct()}
    return (
        Q(pk__in=Membership.objects.filter(tenant=tenant).values("user"))
        | Q(pk__in=ApiToken.objects.filter(tenant=tenant).values("user"))
        | Q(pk__in=[one for one in told if id_or_none(one)])
        | Q(Exists(asked.filter(address=Lower(OuterRef("email")))))
    )


def _is_elsewhere(tenant: UUID) -> Q:
    """Who is in another tenant, or is asked to join one."""
    asked = Invitation.objects.exclude(tenant=tenant).open().annotate(address=Lower("email"))
    members = Membership.objects.exclude(tenant=tenant).values("user")
    return Q(pk__in=members) | Q(Exists(asked.filter(address=Lower(OuterRef("email")))))


def carry_out(erasure: Erasure, say: Say = lambda _: None) -> None:
    """Erase what is left, and prove that nothing is. May be killed and called again at any time.

    Raises NotErased when something still stands somewhere.
    """
    tenant_id = erasure.pending["tenant"]
    _stop_work(tenant_id)
    for _ in range(MOST_PASSES):
        _note_people(erasure)
        _empty_tables(erasure, tenant_id, say)
        if _remove_tenant(tenant_id):
            break
    _remove_people(erasure, say)
    traces = traces_of(erasure)
    if traces.of_others:
        say(f"Somebody of its people also stands in rows of others: {', '.join(traces.of_others)}.")
    if traces.left:
        raise NotErased(traces.left)
    _end(erasure)


def _stop_work(tenant_id: str) -> None:
    """Destroy the keys and cancel what runs, so that no worker begins anything."""
    rows = Integration.objects.filter(tenant=UUID(tenant_id))
    for integration in rows.select_related("tenant"):
        disconnect_integration(integration=integration, actor=None)
        budget_of(integration).forget()


def _empty_tables(erasure: Erasure, tenant_id: str, say: Say) -> None:
    for model in owned_models():
        deleted = 0
        for ids in slices_of(model._base_manager.filter(tenant=UUID(tenant_id)), SLICE):
            with maintenance():
                rows = model._base_manager.filter(pk__in=ids)
                deleted += rows._raw_delete(rows.db)
                if model.is_told:
                    _count(erasure, model._meta.db_table, len(ids))
        if deleted and model.is_told:
            say(f"{model._meta.db_table}: {deleted} rows erased.")


def _count(erasure: Erasure, table: str, number: int) -> None:
    erasure.counts[table] = erasure.counts.get(table, 0) + number
    Erasure.objects.filter(pk=erasure.pk).update(counts=erasure.counts)


def _remove_tenant(tenant_id: str) -> bool:
    """Whether the tenant is gone; not while a worker has written something of it meanwhile."""
    try:
        with transaction.atomic():
            rows = Tenant.objects.filter(pk=tenant_id)
            rows._raw_delete(rows.db)
            connection.check_constraints()
    except IntegrityError:
        return False
    return True


def _remove_people(erasure: Erasure, say: Say) -> None:
    """People who were in this tenant alone, with how they sign in; and what is shared of them."""
    tenant = UUID(erasure.pending["tenant"])
    people = User.objects.filter(pk__in=erasure.pending["people"]).exclude(_is_elsewhere(tenant))
    gone = {str(pk) for pk in people.values_list("pk", flat=True)}
    with transaction.atomic():
        _count(erasure, User._meta.db_table, len(gone))
        people.delete()
    for word in (erasure.pending["tenant"], *gone):
        SharedCacheEntry.objects.filter(cache_key__contains=word).delete()
    say(f"{len(gone)} people erased.")


# The proof


@dataclass(frozen=True, slots=True)
class Traces:
    """Columns in which something stands: `left` has to go, `of_others` is theirs.

    Other tenants may know the same people, and a person may use an address that another one had.
    """

    left: list[str]
    of_others: list[str]


def traces_of(erasure: Erasure) -> Traces:
    """Where the tenant's id stands, in any table, or somebody of its people alone."""
    named = erasure.pending["people"]
    stayed = User.objects.filter(pk__in=named).values_list("pk", "email")
    kept = {text for pk, email in stayed for text in (str(pk), email)}
    ids = [_either_form(pk) for pk in named if pk not in kept]
    addresses = [_whole(one) for one in erasure.pending["emails"] if one not in kept]
    tenant = [_either_form(erasure.pending["tenant"])]
    traces = Traces([], [])
    for model in apps.get_models():
        if model is Erasure:
            continue
        theirs = traces.of_others
        traces.left.extend(_stands_in(model, tenant))
        if issubclass(model, TenantOwned):
            theirs.extend(_stands_in(model, ids + addresses))
        elif _is_of_people(model):
            traces.left.extend(_stands_in(model, ids))
            theirs.extend(_stands_in(model, addresses))
        else:
            traces.left.extend(_stands_in(model, ids + addresses))
    return Traces([*dict.fromkeys(traces.left)], traces.of_others)


def _is_of_people(model: type[models.Model]) -> bool:
    """Whether each row is one person's and goes with them: what is there is of those who stay."""
    return model is User or any(
        field.related_model is User and not field.null for field in model._meta.concrete_fields
    )


def _either_form(pk: str) -> str:
    """An id as a pattern, with and without its dashes."""
    return pk.replace("-", "-?")


def _whole(address: str) -> str:
    """An address as a pattern that no longer one has in it; it may stand in quotes."""
    before = r"(^|[^\w.+'-]|(^|[^\w])')"
    return rf"{before}{re.escape(address)}($|[^\w.-]|\.($|[^\w]))"


def _stands_in(model: type[models.Model], patterns: list[str]) -> Iterator[str]:
    for field in model._meta.concrete_fields:
        target = getattr(field, "target_field", field)
        if not isinstance(target, (models.UUIDField, models.CharField, models.TextField)) and (
            not isinstance(target, models.JSONField)
        ):
            continue
        rows = model._base_manager.annotate(text_searched=Cast(field.attname, TextField()))
        if patterns and rows.filter(text_searched__iregex="|".join(patterns)).exists():
            yield f"{model._meta.db_table}.{field.column}"


def _end(erasure: Erasure) -> None:
    """From here on nothing says any more whom it was about."""
    erasure.ended_at, erasure.pending = timezone.now(), {}
    moments = [moment.isoformat() for moment in (erasure.began_at, erasure.ended_at)]
    kept = [str(erasure.pk), erasure.mark, erasure.by, *moments, erasure.counts]
    text = json.dumps(kept, sort_keys=True)
    erasure.seal = hashlib.sha256(text.encode()).hexdigest()
    erasure.save()
    log.info("tenant_erased erasure=%s rows=%s", erasure.pk, sum(erasure.counts.values()))
