"""Saying once for an account what a word of its PSA means, changing that, and taking it back."""

from __future__ import annotations

from typing import Any, Final

from django.db import transaction
from django.utils import timezone

from agreements import mrr
from agreements.mrr.words import meaning_text
from audit_site.db.folded_text import storable
from audit_site.db.lengths import fitted, length_of
from audit_site.errors import DomainError, FieldErrors
from audit_site.ids import new_id
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from integrations.models import Integration, PsaWord, lock_integration
from integrations.words.following import follow
from integrations.words.kinds import KINDS, is_understood

MOST_NOTE_LENGTH: Final = 1000


@transaction.atomic
def say_word(
    *,
    integration: Integration,
    actor: User | None,
    kind: str,
    word: str,
    meaning: Any,
    note: str = "",
) -> tuple[PsaWord, bool]:
    """Say what a word means from now on; `True` when that is new.

    FieldErrors where kind, word, meaning or note can't be; DomainError `already_said` where it
    means something else so far. Figures and import list follow at once, or by a worker.
    """
    word, note = _clean_word(kind, word), _clean_note(note)
    meaning = _clean_meaning(kind, word, meaning)
    integration = lock_integration(integration)
    said = {"integration": integration, "kind": kind, "key": mrr.word_key(word)}
    known = PsaWord.objects.for_tenant(integration.tenant).in_force().filter(**said).first()
    if known is not None:
        _refuse_another_meaning(known, meaning)
        return known, False
    row = PsaWord(tenant=integration.tenant, **said, word=word, meaning=meaning, note=note)
    _sign(row, actor)
    row.save(force_insert=True)
    _record(row, actor, "said", None)
    follow(row)
    return row, True


@transaction.atomic
def change_word(
    *,
    word: PsaWord,
    actor: User | None,
    meaning: Any = None,
    note: str | None = None,
    as_shown: str = "",
) -> PsaWord:
    """Change what a word means, or the note (None = as it is). What was said before is kept.

    `as_shown`: `said_at` of what the person looked at; DomainError `said_meanwhile` if that is
    not what holds now.
    """
    row = _held(word, as_shown)
    if meaning is None:
        meaning = row.meaning
    meaning = _clean_meaning(row.kind, row.word, meaning)
    note = row.note if note is None else _clean_note(note)
    if (meaning, note) == (row.meaning, row.note):
        return row
    before, now = row.meaning, timezone.now()
    _keep_past(row, actor)
    row.meaning, row.note, row.at, row.followed_at = meaning, note, now, None
    _sign(row, actor)
    row.save()
    _record(row, actor, "changed", before)
    follow(row)
    return row


@transaction.atomic
def undo_word(*, word: PsaWord, actor: User | None, as_shown: str = "") -> None:
    """Take back what was said: from now on the word means what it meant before, often nothing.

    `as_shown` as for `change_word`.
    """
    row = _held(word, as_shown)
    row.ended_at, row.followed_at = timezone.now(), None
    row.ended_by_name = _name_of(actor)
    row.save()
    _record(row, actor, "undone", row.meaning)
    follow(row)


def said_at(word: PsaWord) -> str:
    """When it was said, as a form has it that changes it or takes it back."""
    return word.at.isoformat()


def _held(word: PsaWord, as_shown: str) -> PsaWord:
    """The word as it is now, its integration locked."""
    integration = lock_integration(word.integration)
    rows = PsaWord.objects.of(integration).in_force().select_for_update()
    row = rows.filter(pk=word.pk).first()
    if row is None:
        raise DomainError(
            "not_said",
            f"What “{word.word}” means was taken back meanwhile.",
            "Say it again if it should count.",
        )
    if as_shown and as_shown != said_at(row):
        raise DomainError(
            "said_meanwhile",
            f"“{row.word}” was changed meanwhile: {row.by_name or 'a program'} said that it means "
            f"{meaning_text(row.meaning)}. Nothing was done.",
            "Look at it as it is now, then change it or take it back.",
        )
    row.integration = integration
    return row


def _keep_past(row: PsaWord, actor: User | None) -> None:
    """What was said until now, as a row that has ended."""
    past = PsaWord.objects.get(pk=row.pk)
    now = timezone.now()
    past.pk, past.ended_at, past.followed_at = new_id(), now, now
    past.ended_by_name = _name_of(actor)
    past.save(force_insert=True)


def _sign(row: PsaWord, actor: User | None) -> None:
    row.by, row.by_name = actor, _name_of(actor)


def _name_of(actor: User | None) -> str:
    return fitted(PsaWord, "by_name", str(actor)) if actor else ""


def _record(row: PsaWord, actor: User | None, what: str, before: Any) -> None:
    record_audit(
        tenant=row.integration.tenant,
        actor=actor,
        action=f"word.{what}",
        subject=row,
        integration=str(row.integration_id),
        kind=row.kind,
        word=row.word,
        before=before,
        after=None if row.ended_at else row.meaning,
    )


# What can be said


def _clean_word(kind: str, word: str) -> str:
    if kind not in KINDS:
        message = f"“{kind}” is no kind of word. Choose one of: {', '.join(KINDS)}."
        raise _invalid("kind", "invalid_choice", message)
    word = " ".join(storable(word).split())
    most = length_of(PsaWord, "word")
    if not word:
        raise _invalid("word", "required", "Type the word as your PSA shows it.")
    if len(word) > most:
        raise _invalid("word", "max_length", f"A word has at most {most} characters.")
    if is_understood(kind, word):
        message = f"“{word}” is a currency code already, so nothing waits for its meaning."
        raise _invalid("word", "understood", message)
    return word


def _clean_note(note: str) -> str:
    note = storable(note).strip()
    if len(note) > MOST_NOTE_LENGTH:
        message = f"A note has at most {MOST_NOTE_LENGTH} characters."
        raise _invalid("note", "max_length", message)
    return note


def _clean_meaning(kind: str, word: str, said: Any) -> Any:
    meaning = KINDS[kind].read(said)
    if meaning is None:
        message = f"{KINDS[kind].called.capitalize()} means one of: {KINDS[kind].allowed}."
        raise _invalid("meaning", "unknown_meaning", message)
    return meaning


def _refuse_another_meaning(known: PsaWord, meaning: Any) -> None:
    if known.meaning != meaning:
        raise DomainError(
            "already_said",
            f"“{known.word}” means {meaning_text(known.meaning)} already, as "
            f"{known.by_name or 'a program'} said.",
            "Change that, or undo it first.",
        )


def _invalid(field: str, code: str, message: str) -> FieldErrors:
    return FieldErrors([{"field": field, "code": code, "message": message}])
