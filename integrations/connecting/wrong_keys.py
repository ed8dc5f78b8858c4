"""The cool-down of wrong keys, so that no PSA locks a user because of us.

Kept for each user of a PSA, over all connections, candidates, tenants and workers that try keys of
it. Within the time in which the PSA counts, two tries fewer are refused than it takes; the same
keys get one less still, so that others may be typed. Keys that were accepted when they were last
tried go on working meanwhile, one try at a time.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac

from audit_site.db.slices import delete_in_slices
from audit_site.ids import new_id
from integrations.issues.moments import clock_words
from integrations.models import Integration, PsaUser
from integrations.psa.addresses import read_address
from integrations.psa.contract import PsaInfo
from integrations.psa.decoding import clean
from integrations.psa.errors import ASK_LATER, PsaCoolingDown, PsaRateLimited
from integrations.psa.key_tries import KeyTries, NobodyIsLocked, were_refused
from integrations.runs import shutdown

Try = dict[str, Any]

#: Tries of ours that are left to people and other programs before the PSA locks the user.
LEFT_TO_OTHERS: Final = 2
#: A try whose process died is taken for a wrong one after this.
TRY_SECONDS: Final = 60
#: How long a try waits in place for the end of another one of the same user.
PATIENCE_SECONDS, LOOK_AGAIN_SECONDS = 10.0, 0.25
#: So many accepted keys of a user are remembered, and for so long after they were last used.
MOST_ACCEPTED: Final = 5
KEPT: Final = timedelta(days=30)
#: How often that keys are still accepted is written.
NOTED_EVERY: Final = timedelta(days=1)


def key_tries(integration: Integration, credentials: Mapping[str, str]) -> KeyTries:
    """What guards the tries of these opened credentials."""
    if not integration.psa_info.locks_users:
        return NobodyIsLocked()
    return GuardedTries(integration, credentials)


@dataclass(frozen=True, slots=True)
class _Verdict:
    """Whether a try may begin; else whether that is soon, or not before `until`."""

    may_begin: bool = False
    until: datetime | None = None
    same_keys: bool = False


class GuardedTries:
    """The tries of one user's keys, as one piece of work sees them."""

    def __init__(self, integration: Integration, credentials: Mapping[str, str]) -> None:
        info = integration.psa_info
        self._integration = integration
        self._lock = info.user_lock
        self._most = max(self._lock.tries - LEFT_TO_OTHERS, 1)
        self._window = timedelta(minutes=self._lock.minutes)
        self._user = _keyed(user_of(info, credentials))
        self._keys = _keyed(json.dumps(dict(credentials), sort_keys=True))
        self._thread = threading.get_ident()
        self._late: list[datetime] = []  # refusals that other threads met

    @contextmanager
    def trying(self, *, are_accepted: bool) -> Iterator[None]:
        """Around a request: a place for a try before it, and what became of it afterwards.

        Threads that ask side by side only note a refusal; the database is asked by the thread that
        began the piece of work.
        """
        is_noted = not are_accepted and threading.get_ident() == self._thread
        own = self._begin() if is_noted else ""
        try:
            yield
        except BaseException as error:
            if were_refused(error):
                if is_noted:
                    self._change(lambda row: self._note_refused(row, own, timezone.now()))
                else:
                    self._late.append(timezone.now())
            elif own:
                self._change(lambda row: _remove(row, own))
            raise
        if own:
            self._change(lambda row: self._note_accepted(row, own))

    def must_be_proved(self) -> bool:
        if self._lock.signs_in:
            return True
        known = PsaUser.objects.filter(key=self._user).first()
        return known is None or self._keys not in known.accepted

    def close(self) -> None:
        for at in self._late:
            self._change(lambda row, at=at: self._note_refused(row, "", at))  # type: ignore[misc]
        self._late = []

    def _begin(self) -> str:
        waited = 0.0
        while True:
            own, verdict = self._claim()
            if verdict.may_begin:
                return own
            if verdict.until is not None:
                raise self._cooling_down(verdict.until, same_keys=verdict.same_keys)
            if waited >= PATIENCE_SECONDS:
                name = self._integration.psa_info.name
                raise PsaRateLimited(
                    f"The same user of {name} is being signed in elsewhere.",
                    ASK_LATER,
                    retry_after=5,
                )
            shutdown.sleep(LOOK_AGAIN_SECONDS)
            waited += LOOK_AGAIN_SECONDS

    @transaction.atomic
    def _claim(self) -> tuple[str, _Verdict]:
        row, now = self._locked(), timezone.now()
        self._tidy(row, now)
        verdict, own = self._verdict(row, now), str(new_id())
        if verdict.may_begin:
            row.tries.append(
                {"id": own, "at": now.isoformat(), "keys": self._keys, "refused": False}
            )
        row.save()
        return own, verdict

    def _verdict(self, row: PsaUser, now: datetime) -> _Verdict:
        refused = [one for one in row.tries if one["refused"]]
        under_way = len(row.tries) - len(refused)
        if self._keys in row.accepted:
            return _Verdict(may_begin=under_way < max(self._most - len(refused), 1))
        same = [one for one in refused if one["keys"] == self._keys]
        if len(refused) >= self._most:
            return _Verdict(until=self._free_at(refused, self._most))
        if len(same) >= max(self._most - 1, 1):
            return _Verdict(until=self._free_at(same, max(self._most - 1, 1)), same_keys=True)
        return _Verdict(may_begin=not under_way)

    def _free_at(self, refused: list[Try], most: int) -> datetime:
        """When so many of these are over that there are fewer than `most`."""
        return sorted(map(_at, refused))[len(refused) - most] + self._window

    def _tidy(self, row: PsaUser, now: datetime) -> None:
        """Forget what the PSA counts no more; a try of a dead process was a wrong one."""
        dead = now - timedelta(seconds=TRY_SECONDS)
        for one in row.tries:
            one["refused"] = one["refused"] or (_at(one) < dead and one["keys"] not in row.accepted)
        row.tries = [
            one for one in row.tries if _at(one) > (now - self._window if one["refused"] else dead)
        ]

    def _note_refused(self, row: PsaUser, own: str, at: datetime) -> None:
        _remove(row, own)
        row.tries.append({"id": own, "at": at.isoformat(), "keys": self._keys, "refused": True})
        row.accepted = [keys for keys in row.accepted if keys != self._keys]

    def _note_accepted(self, row: PsaUser, own: str) -> None:
        _remove(row, own)
        row.accepted = [self._keys, *(k for k in row.accepted if k != self._keys)][:MOST_ACCEPTED]

    @transaction.atomic
    def _change(self, change: Callable[[PsaUser], None]) -> None:
        row = self._locked()
        change(row)
        row.save()

    def _locked(self) -> PsaUser:
        PsaUser.objects.bulk_create([PsaUser(key=self._user)], ignore_conflicts=True)
        row = PsaUser.objects.select_for_update().get(key=self._user)
        if timezone.now() - row.changed_at > NOTED_EVERY:
            row.changed_at = timezone.now()
        return row

    def _cooling_down(self, until: datetime, *, same_keys: bool) -> PsaCoolingDown:
        name = self._integration.psa_info.name
        at = clock_words(until, self._integration.tenant, "", "")
        seconds = max((until - timezone.now()).total_seconds(), 1.0)
        if same_keys:
            return PsaCoolingDown(
                f"{name} locks a user after {self._lock.words}, and refused these keys already: "
                f"the product does not try them again before {at}.",
                "Type other keys and save them, or press Test again then.",
                retry_after=seconds,
            )
        return PsaCoolingDown(
            f"{name} locks a user after {self._lock.words}; the product waits until {at}.",
            "Look the keys up in the meantime, and press Test again then.",
            retry_after=seconds,
        )


def user_of(info: PsaInfo, credentials: Mapping[str, str]) -> str:
    """Which user a PSA would lock: the same text for the same one, however it is spelled."""
    named = info.user_lock.fields or tuple(
        field.name for field in info.fields if field.type != "secret"
    )
    kinds = {field.name: field.type for field in info.fields}
    values = [credentials.get(name, "") for name in named]
    alike = [
        read_address(value).root if kinds.get(name) == "url" else clean(value).casefold()
        for name, value in zip(named, values, strict=True)
    ]
    return json.dumps([info.key, *alike])


def forget_users() -> None:
    """Delete what was known of users whose keys nobody has tried for long. May run at any time."""
    delete_in_slices(PsaUser.objects.filter(changed_at__lt=timezone.now() - KEPT))


def _keyed(text: str) -> str:
    """Tells nothing to whoever has only the database."""
    return salted_hmac("integrations.wrong_keys", text, algorithm="sha256").hexdigest()


def _at(one: Try) -> datetime:
    return datetime.fromisoformat(one["at"])


def _remove(row: PsaUser, own: str) -> None:
    row.tries = [one for one in row.tries if one["id"] != own or not own]
