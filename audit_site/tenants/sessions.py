"""Sessions of browsers: how long they last, where they are kept, and how a person ends them.

A dump of the database opens none of them: rows are found by a hash of the key that the browser
holds, and what they hold is encrypted with a key that is made of it.
"""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import Any, Final, cast

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings
from django.contrib.auth import SESSION_KEY as USER_KEY
from django.contrib.sessions.backends.base import CreateError, UpdateError
from django.contrib.sessions.backends.db import SessionStore as DatabaseStore
from django.db import DatabaseError, IntegrityError, router, transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from audit_site.db.lengths import fitted
from audit_site.tenants.models import BrowserSession, User

#: What a session knows of itself.
SIGNED_IN: Final = "signed_in_at"
SEEN: Final = "last_seen_at"
IP: Final = "ip"
AGENT: Final = "user_agent"
#: A session is not written more often than this only to note that it is used.
SEEN_NOTED_EVERY: Final = timedelta(minutes=5)
NONCE_BYTES: Final = 12
HASH_BYTES: Final = 20


def hash_of(key: str) -> str:
    """What a row is found by: a key is random, so that no slow hash is needed."""
    return hashlib.blake2b(key.encode(), digest_size=HASH_BYTES, person=b"session row").hexdigest()


def _cipher(key: str) -> AESGCM:
    return AESGCM(hashlib.blake2b(key.encode(), digest_size=32, person=b"session data").digest())


class SessionStore(DatabaseStore):
    """Django's sessions in the database, which end by idleness and by age."""

    @classmethod
    def get_model_class(cls) -> type[BrowserSession]:
        return BrowserSession

    @property
    def _key(self) -> str:
        return str(self.session_key or "")

    def get_expiry_date(self, **kwargs: Any) -> datetime:
        """When it ends unless it is used: by idleness, and for who is signed in by age too."""
        now = kwargs.get("modification") or timezone.now()
        idle = timedelta(hours=settings.SESSION_IDLE_HOURS)
        began = self.get(SIGNED_IN)
        if began is None:
            return cast(datetime, now) + idle
        ends = moment(self.get(SEEN, began)) + idle
        return min(ends, moment(began) + timedelta(days=settings.SESSION_MAX_DAYS))

    def get_expiry_age(self, **kwargs: Any) -> int:
        left = self.get_expiry_date(**kwargs) - timezone.now()
        return max(int(left.total_seconds()), 0)

    def _get_session_from_db(self) -> BrowserSession | None:
        row = BrowserSession.objects.filter(
            session_key=hash_of(self._key), expire_date__gt=timezone.now()
        ).first()
        if row is None:
            self._session_key = None
        return row

    def load(self) -> dict[str, Any]:
        row = self._get_session_from_db()
        return self._opened(row.session_data) if row else {}

    def exists(self, session_key: str) -> bool:
        return BrowserSession.objects.filter(session_key=hash_of(session_key)).exists()

    def create_model_instance(self, data: dict[str, Any]) -> BrowserSession:
        key = str(self._get_or_create_session_key())  # type: ignore[attr-defined]
        began, seen = data.get(SIGNED_IN), data.get(SEEN)
        return BrowserSession(
            session_key=hash_of(key),
            session_data=self._sealed(key, data),
            expire_date=self.get_expiry_date(),
            user_id=data.get(USER_KEY) if began else None,
            ip=data.get(IP),
            user_agent=data.get(AGENT, ""),
            signed_in_at=moment(began) if began else None,
            last_seen_at=moment(seen) if seen else None,
        )

    def save(self, must_create: bool = False) -> None:
        """As Django's, whose session row has its key for a primary key; here it is the hash."""
        if self.session_key is None:
            self.create()
            return
        data = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        row = self.create_model_instance(data)
        using = router.db_for_write(BrowserSession, instance=row)
        try:
            with transaction.atomic(using=using):
                row.save(force_insert=must_create, force_update=not must_create, using=using)
        except IntegrityError:
            if must_create:
                raise CreateError from None
            raise
        except DatabaseError:
            if not must_create:
                raise UpdateError from None
            raise

    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key is not None:
            BrowserSession.objects.filter(session_key=hash_of(str(key))).delete()

    def _sealed(self, key: str, data: dict[str, Any]) -> str:
        nonce = os.urandom(NONCE_BYTES)
        plain = self.serializer().dumps(data)
        return base64.b64encode(nonce + _cipher(key).encrypt(nonce, plain, None)).decode()

    def _opened(self, sealed: str) -> dict[str, Any]:
        try:
            raw = base64.b64decode(sealed, validate=True)
            plain = _cipher(self._key).decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], None)
        except (ValueError, InvalidTag):
            return {}
        return cast(dict[str, Any], self.serializer().loads(plain))


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def begin(request: HttpRequest) -> None:
    """Note in a session that somebody has just signed in to it."""
    request.session[SIGNED_IN] = timezone.now().timestamp()
    _note_use(request)


def note_use(request: HttpRequest) -> None:
    """Note that the session is in use, now and then."""
    seen = request.session.get(SEEN)
    if seen is not None and timezone.now() - moment(seen) > SEEN_NOTED_EVERY:
        _note_use(request)


def _note_use(request: HttpRequest) -> None:
    agent = request.META.get("HTTP_USER_AGENT", "")
    request.session[SEEN] = timezone.now().timestamp()
    request.session[IP] = request.META.get("REMOTE_ADDR") or None
    request.session[AGENT] = fitted(BrowserSession, "user_agent", agent)


def sessions_of(user: User) -> QuerySet[BrowserSession]:
    """Where a person is signed in, the one used last first."""
    running = BrowserSession.objects.filter(user=user, expire_date__gt=timezone.now())
    return running.order_by("-last_seen_at", "session_key")


def current_id(request: HttpRequest) -> str:
    """The id of the session that a request comes with; "" = it comes with none."""
    key = request.session.session_key
    return hash_of(key) if key else ""


def end_sessions(user: User, *, but: str = "") -> int:
    """Sign a person out everywhere, but in the session with this id; return in how many."""
    ended, _ = BrowserSession.objects.filter(user=user).exclude(session_key=but).delete()
    return ended


def end_session(user: User, session_id: str) -> bool:
    """Sign a person out of one session of theirs; whether there was such a one."""
    ended, _ = BrowserSession.objects.filter(user=user, session_key=session_id).delete()
    return bool(ended)
