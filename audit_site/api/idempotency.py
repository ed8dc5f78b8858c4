"""`Idempotency-Key`: the same POST twice within 24 hours is carried out once.

The key, what the request did and its answer are committed together: a process that is killed
anywhere in between leaves nothing, and the request can come again at once.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import wraps
from typing import Any, TypeVar, cast

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.crypto import salted_hmac
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.api.models import IdempotentRequest
from audit_site.api.renderers import ENCODER
from audit_site.api.requests import actor_of, tenant_of
from audit_site.db.folded_text import is_storable
from audit_site.db.slices import delete_everywhere
from audit_site.error_codes import CODES
from audit_site.errors import DomainError

KEPT = timedelta(hours=24)
LONGEST_KEY = 255
MethodT = TypeVar("MethodT", bound=Callable[..., Response])


def idempotent(method: MethodT) -> MethodT:
    """Make a viewset's POST honour `Idempotency-Key`: its answer is kept and given again.

    Only answers below 400 are kept; after an error the same key tries again. The method runs in a
    transaction, so it may not ask a PSA. A second request that comes meanwhile waits for its end.
    """
    return idempotent_without()(method)


def idempotent_without(*secrets: str) -> Callable[[MethodT], MethodT]:
    """As `idempotent`, for an answer with fields that are shown once: they are not kept.

    The answer that is given again has null in their place.
    """
    return lambda method: _honouring(method, secrets)


def _honouring(method: MethodT, secrets: Sequence[str]) -> MethodT:
    @wraps(method)
    def wrapper(view: Any, request: Request, *args: Any, **kwargs: Any) -> Response:
        if "Idempotency-Key" not in request.headers:
            return method(view, request, *args, **kwargs)
        key = _read_key(request)
        with transaction.atomic():
            record, is_new = _remember(request, key)
            if not is_new:
                return _replay(record, request)
            response = method(view, request, *args, **kwargs)
            if response.status_code >= 400:
                record.delete()
            else:
                kept = _plain(response)
                record.status = response.status_code
                record.body = {**kept, **dict.fromkeys(secrets)} if secrets else kept
                record.save(update_fields=["status", "body"])
        return response

    wrapper.is_idempotent = True  # type: ignore[attr-defined]
    return cast(MethodT, wrapper)


def _read_key(request: Request) -> str:
    key = request.headers["Idempotency-Key"]
    if not 1 <= len(key) <= LONGEST_KEY or not is_storable(key):
        code = "invalid_idempotency_key"
        raise DomainError(code, CODES[code].meaning, CODES[code].fix, status=400)
    return key


def _remember(request: Request, key: str) -> tuple[IdempotentRequest, bool]:
    tenant, now = tenant_of(request), timezone.now()
    same = IdempotentRequest.objects.for_tenant(tenant).filter(user=actor_of(request), key=key)
    same.filter(Q(created_at__lt=now - KEPT) | Q(status=None)).delete()
    try:
        with transaction.atomic():
            record = IdempotentRequest.objects.create(
                tenant=tenant, user=actor_of(request), key=key, request_hash=_hash(request)
            )
    except IntegrityError:
        return same.get(), False
    return record, True


def forget_answers() -> None:
    """Delete what is kept for longer than it is promised: answers hold what they were about."""
    before = timezone.now() - KEPT
    delete_everywhere(IdempotentRequest.objects.filter(created_at__lt=before), "forget_answers")


def _replay(record: IdempotentRequest, request: Request) -> Response:
    if record.request_hash != _hash(request):
        raise DomainError(
            "idempotency_key_reused",
            "This Idempotency-Key came before with another request.",
            "Use a new key for a new request.",
            status=422,
        )
    return Response(record.body, status=record.status, headers={"Idempotent-Replay": "true"})


def _hash(request: Request) -> str:
    """Tells nothing without SECRET_KEY: a body may hold the keys of a PSA."""
    path = request.get_full_path()
    parts = [request.method, path, json.dumps(request.data, sort_keys=True, default=str)]
    text = "\n".join(map(str, parts))
    return salted_hmac("audit_site.api.idempotency", text, algorithm="sha256").hexdigest()


def _plain(response: Response) -> Any:
    return json.loads(ENCODER.encode(response.data))
