"""Erasing a tenant: everything of theirs, in slices, resumable, and proved at the end.

The work of the tables' owner (`walls.owner_sign_in`): nobody else may empty an audit trail.
"""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Callable, Iterator
from typing import Final
from uuid import UUID

from django.apps import apps
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.utils import timezone

from audit_site.db.slices import SLICE, slices_of
from audit_site.privacy.models import Erasure
from audit_site.privacy.owned import owned_models
from audit_site.tenants.audit_chain import maintenance
from audit_site.tenants.models import Membership, SharedCacheEntry, Tenant, User
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
    """Shut everybody out, and note what is to be done; from here on it only goes forward."""
    users = User.objects.filter(memberships__tenant=tenant)
    people = list(users.exclude(memberships__in=Membership.objects.exclude(tenant=tenant)))
    salt, tenant_id = secrets.token_hex(16), str(tenant.pk)
    erasure = Erasure.objects.create(
        salt=salt,
        mark=mark_of(salt, tenant_id),
        by=by,
        pending={
            "tenant": tenant_id,
            "people": [str(user.pk) for user in people],
            "emails": [user.email for user in people],
        },
    )
    erasure.counts = {Membership._meta.db_table: users.count()}
    erasure.save(update_fields=["counts"])
    Membership.objects.filter(tenant=tenant).delete()
    return erasure


def carry_out(erasure: Erasure, say: Say = lambda _: None) -> None:
    """Erase what is left, and prove that nothing is. May be killed and called again at any time.

    Raises NotErased when something still stands somewhere.
    """
    tenant_id = erasure.pending["tenant"]
    _stop_work(tenant_id)
    for _ in range(MOST_PASSES):
        _empty_tables(erasure, tenant_id, say)
        if _remove_tenant(tenant_id):
            break
    _remove_people(erasure, say)
    if places := traces_of(erasure):
        raise NotErased(places)
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
                _count(erasure, model._meta.db_table, len(ids))
        if deleted:
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
    people = User.objects.filter(pk__in=erasure.pending["people"], memberships=None)
    gone = {str(pk) for pk in people.values_list("pk", flat=True)}
    with transaction.atomic():
        _count(erasure, User._meta.db_table, len(gone))
        people.delete()
    for word in (erasure.pending["tenant"], *gone):
        SharedCacheEntry.objects.filter(cache_key__contains=word).delete()
    say(f"{len(gone)} people erased.")


# The proof


def traces_of(erasure: Erasure) -> list[str]:
    """Columns of any table in which the tenant's id stands, or somebody of its people alone."""
    people = erasure.pending["people"]
    stayed = User.objects.filter(pk__in=people, memberships__isnull=False)
    kept = {str(user.pk): user.email for user in stayed}
    words = [erasure.pending["tenant"], *(one for one in people if one not in kept)]
    words += [one for one in erasure.pending["emails"] if one not in kept.values()]
    forms = [form for word in words for form in {word, word.replace("-", "")}]
    return [place for model in apps.get_models() for place in _stands_in(model, forms)]


def _stands_in(model: type[models.Model], forms: list[str]) -> Iterator[str]:
    if model is Erasure:
        return
    for field in model._meta.concrete_fields:
        target = getattr(field, "target_field", field)
        if not isinstance(target, (models.UUIDField, models.CharField, models.TextField)) and (
            not isinstance(target, models.JSONField)
        ):
            continue
        rows = model._base_manager.annotate(told=Cast(field.attname, TextField()))
        wanted = Q()
        for form in forms:
            wanted |= Q(told__icontains=form)
        if forms and rows.filter(wanted).exists():
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
