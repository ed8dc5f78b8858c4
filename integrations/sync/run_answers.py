"""What a run keeps of a reading that it could not finish: in its notes, until the reading is over.

Each note (`SyncRunPage`) is a list: mark of the keys with which was asked, then the answers.
A worker of a release that knows nothing of them reads everything again, and deletes them all the
same when the run ends.
"""

from __future__ import annotations

import zlib
from base64 import b64decode, b64encode
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from audit_site.db.batches import batched
from integrations.connecting.credentials import keys_mark
from integrations.models import SyncRun, SyncRunPage
from integrations.psa.kept import FIRST_PART, WHOLE_READING, Entry, KeptAnswer, KeptAnswers
from integrations.sync.checkpoint import Checkpoint

#: Names of the notes: answers of use to one part of the reading, and to all of it.
OF_PART: Final = "answers of a part"
OF_READING: Final = "answers"
#: So many answers stand in one note.
CHUNK: Final = 100


class RunAnswers:
    """The answers that one run keeps. Every method that writes is called inside a page."""

    def __init__(self, run: SyncRun, checkpoint: Checkpoint) -> None:
        self.run = run
        self.checkpoint = checkpoint
        self.kept = KeptAnswers()
        self._keys = keys_mark(run.integration.credentials)

    def begin(self) -> None:
        """Begin a reading, with what an earlier attempt has kept of it."""
        self.kept.begin([*self._stored(OF_PART, FIRST_PART), *self._stored(OF_READING, 0)])

    def store(self, new: Sequence[Entry]) -> None:
        """Note what was kept since the last time."""
        for name, entries in (
            (OF_READING, [entry for entry in new if entry.part == WHOLE_READING]),
            (OF_PART, [entry for entry in new if entry.part != WHOLE_READING]),
        ):
            for some in batched(entries, CHUNK):
                self._note(name, some)

    def forget(self, part: int) -> None:
        """This part of the reading is stored: nobody asks for it again."""
        if self.kept.forget(part):
            self._rows().filter(kind=OF_PART).delete()

    def end(self) -> None:
        """The reading is over."""
        if {OF_PART, OF_READING} & set(self.checkpoint.noted):
            self._rows().filter(kind__in=[OF_PART, OF_READING]).delete()

    # Notes

    def _note(self, name: str, entries: list[Entry]) -> None:
        written = [self._keys, *map(_written, entries)]
        SyncRunPage.objects.create(
            tenant_id=self.run.tenant_id, run_id=self.run.pk, kind=name, external_ids=written
        )
        if name not in self.checkpoint.noted:
            self.checkpoint.noted.append(name)

    def _stored(self, name: str, part: int) -> Iterator[Entry]:
        """What was kept under this name, unless other keys are in use now."""
        if name not in self.checkpoint.noted:
            return
        rows = self._rows().filter(kind=name).order_by("id")
        for keys, *answers in rows.values_list("external_ids", flat=True):
            if keys == self._keys:
                yield from (_entry(written, part) for written in answers)

    def _rows(self) -> QuerySet[SyncRunPage]:
        return SyncRunPage.objects.filter(tenant=self.run.tenant_id, run=self.run)


def _written(entry: Entry) -> list[Any]:
    answer = entry.answer
    content = b64encode(zlib.compress(answer.content, 1)).decode()
    at = answer.at.isoformat()
    return [entry.question, answer.status, answer.link, answer.content_type, at, content]


def _entry(written: list[Any], part: int) -> Entry:
    question, status, link, kind, at, content = written
    body = zlib.decompress(b64decode(content))
    answer = KeptAnswer(status, link, kind, body, datetime.fromisoformat(at))
    return Entry(question, answer, part, is_stored=True)
