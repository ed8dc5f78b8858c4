"""Records that a list no longer shows, asked for by their ids: gone, moved, or withheld from us.

A role can be narrowed so that a list loses some records in silence, while each of them still
answers 403 by its id (seen with roles that are limited to types of agreements). What is refused is
not gone: it stays, and counts as it was last seen.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import QuerySet

from audit_site.db.bulk import AnyOf
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, close_issues
from integrations.kinds import BY_NAME, LINES, KindName
from integrations.psa.contract import PsaAdapter
from integrations.psa.errors import PsaError, PsaRefused
from integrations.sync.run_writer import RunWriter
from integrations.sync.withheld_money import money_on

#: So many missing records are asked for by their id. Of more, these stand for the rest.
MOST_QUESTIONS: Final = 50
#: Code of the issue about records that the PSA refuses to show.
WITHHELD: Final = "records_withheld"


class RecordId(NamedTuple):
    """A record by its PSA ids. `parent_id` is the agreement of a line, "" of all else."""

    external_id: str
    parent_id: str = ""


@dataclass(slots=True)
class Answers:
    """What the PSA said of missing records; and the first refusal, if any.

    `owners`: of those that are there, the PSA company that has them ("" = it names none).
    """

    owners: dict[RecordId, str] = field(default_factory=dict)
    gone: set[RecordId] = field(default_factory=set)
    refused: set[RecordId] = field(default_factory=set)
    refusal: PsaRefused | None = None


class MissingRecords:
    """Asks for missing records of a kind by their ids, each once a run. Outside of pages."""

    def __init__(self, writer: RunWriter, adapter: PsaAdapter, kind: KindName) -> None:
        self.writer = writer
        self.adapter = adapter
        self.kind = kind
        self._answers = Answers()

    def owners(self, external_ids: Sequence[str]) -> set[str]:
        """PSA companies to which some of these belong now: they may have moved.

        Of very many none is said to have moved: that is no move.
        """
        if len(external_ids) > MOST_QUESTIONS:
            return set()
        asked = [RecordId(external_id) for external_id in external_ids]
        self._ask(asked)
        owners = self._answers.owners
        return {owners[id_] for id_ in asked if id_ in owners}

    def owners_of(self, external_ids: Collection[str]) -> dict[str, str]:
        """Of those of these that were asked for and are there: who has them now, by id."""
        owners = self._answers.owners
        return {id_.external_id: owner for id_, owner in owners.items() if id_[0] in external_ids}

    def without_withheld(
        self, rows: QuerySet[Any], pks: Collection[UUID], *, few: bool
    ) -> list[UUID]:
        """Those of these missing records that are not withheld.

        What the PSA refuses to show stays, and so does what could not be asked when something of
        the rest was refused: the run ends as partial, and an issue names the right and the money.
        """
        missing = self._ids(rows, pks)
        asked = sorted(missing)[:MOST_QUESTIONS]
        self._ask(asked)
        refusal, refused = self._answers.refusal, self._answers.refused & missing.keys()
        if refusal is None or not refused:
            if not few:
                close_withheld(self.writer, self.kind)
            return list(missing.values())
        kept = refused | (missing.keys() - set(asked))
        pks = [missing[record_id] for record_id in kept]
        report_withheld(self.writer, self.adapter, self.kind, refusal, pks, few=few)
        return [pk for id_, pk in missing.items() if id_ not in kept]

    def without_found(self, rows: QuerySet[Any], pks: Collection[UUID]) -> list[UUID]:
        """Those of these missing records that the PSA did not show by their ids either."""
        missing = self._ids(rows, pks)
        return [pk for id_, pk in missing.items() if id_ not in self._answers.owners]

    def _ids(self, rows: QuerySet[Any], pks: Collection[UUID]) -> dict[RecordId, UUID]:
        names = ["external_id"]
        if self.kind == LINES.name:
            names.append("agreement__external_id")
        found = rows.filter(AnyOf("id", pks)).values_list("pk", *names)
        return {RecordId(*ids): pk for pk, *ids in found}

    def _ask(self, wanted: Sequence[RecordId]) -> None:
        found = self._answers
        known = found.owners.keys() | found.gone | found.refused
        for record_id in wanted:
            if record_id not in known:
                self._ask_for(record_id)
                self.writer.keep_now_and_then("absences")

    def _ask_for(self, record_id: RecordId) -> None:
        found = self._answers
        try:
            record = self.adapter.find(
                self.kind, record_id.external_id, parent_id=record_id.parent_id
            )
        except PsaRefused as error:
            if error.code != "permission_denied":
                raise
            found.refused.add(record_id)
            found.refusal = found.refusal or error
            return
        if record is None:
            found.gone.add(record_id)
        else:
            found.owners[record_id] = record.company_id


def report_withheld(
    writer: RunWriter,
    adapter: PsaAdapter,
    kind: KindName,
    refusal: PsaRefused,
    kept: Sequence[Any],
    *,
    few: bool = False,
) -> None:
    """Say which right is missing for records that stay, and which money rests on them; in a page of
    its own. `kept`: primary keys; of companies, their PSA ids. `few`: only some companies were
    read, so that an open issue knows of more.
    """
    noun = BY_NAME[kind].singular if len(kept) == 1 else kind
    name, money = adapter.info.name, money_on(writer.integration, kind, kept)
    error = PsaError(
        WITHHELD,
        f"{name} no longer shows {len(kept)} {noun} that it showed before, and refuses them by "
        f"their ids. They stay as they were last seen{money}. {refusal.message}",
        refusal.fix,
        right=refusal.right or BY_NAME[kind].right,
    )
    with writer.page("absences"):
        writer.checkpoint.note_refusal(error)
        if few and (KIND_INTEGRATION, kind, WITHHELD) in writer.journal.open_causes:
            return
        report = IssueReport(
            KIND_INTEGRATION,
            WITHHELD,
            error.message,
            error.fix,
            external_id=kind,
            count=len(kept),
        )
        writer.journal.raise_issue(report)


def close_withheld(writer: RunWriter, kind: KindName) -> None:
    """Close the issue about records of a kind: nothing is withheld any more."""
    if writer.journal.has_issue(KIND_INTEGRATION, kind):
        with writer.page("absences"):
            close_issues(
                writer.integration,
                kind=KIND_INTEGRATION,
                codes={WITHHELD},
                external_ids={kind},
            )
