"""AudITees whose link took the place of another one: what that had brought ends on the day of the
new one, and what people decided about it goes on.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, TypeVar
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet, Subquery

from agreements import stored_mrr
from agreements.decisions import MOST_NOTE_LENGTH, choose
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from audit_site.db.bulk import AnyOf
from audit_site.db.folded_text import folded
from integrations.kinds import AGREEMENTS
from integrations.models import CompanyLink
from integrations.sync.agreement_batch import AgreementBatch
from integrations.sync.run_writer import RunWriter

RowT = TypeVar("RowT", Agreement, AgreementLine)

#: Decisions that go on; which agreement one replaces is of its own account alone.
CARRIED: Final[Mapping[str, tuple[str, ...]]] = {
    "agreement": ("exclude", "force_include", "assume_renewal", "cycle", "right"),
    "line": ("exclude", "force_include", "cycle", "right"),
}


def end_followed(
    writer: RunWriter, links: Sequence[CompanyLink], batch: AgreementBatch
) -> set[UUID]:
    """Inside the page that stored a reading of these links: end what audITees had by a link whose
    place was taken, where agreements of the new one follow it. Both never count together.

    What the same account had shown of another company ends with the first reading that follows it;
    later on that may be what the new link has shown itself. Returns the audITees whose MRR was
    worked out with that.
    """
    integration = writer.integration
    moved = [link for link in links if link.moved_from_id is not None]
    if not moved:
        return set()
    rows = Agreement.objects.for_tenant(integration.tenant).present().from_psas()
    shown = Exists(rows.filter(integration=integration, company=OuterRef("company")))
    elsewhere = rows.filter(AnyOf("company_id", [link.company_id for link in moved]))
    ended = end_moved(writer, elsewhere.exclude(integration=integration).filter(shown))
    here = rows.filter(AnyOf("company_id", _first_read(moved, batch)), integration=integration)
    later = CompanyLink.objects.of(integration).in_force().filter(company=OuterRef("company"))
    here = here.filter(Exists(later.filter(linked_at__gt=OuterRef("synced_at"))))
    return ended | end_moved(writer, here.exclude(AnyOf("external_id", batch.named_ids)))


def _first_read(links: Sequence[CompanyLink], batch: AgreementBatch) -> list[UUID]:
    """AudITees that were linked to another company of this account before, of which a reading is
    the first and shows agreements.
    """
    shown = {record.company_id for record in batch.agreements.values()}
    first = {
        link.moved_from_id: link
        for link in links
        if link.read_at is None and link.external_id in shown and batch.proves_absence
    }
    former = CompanyLink.objects.filter(AnyOf("id", first), tenant=links[0].tenant_id)
    records = former.values_list("id", "integration_id", "external_id")
    return [first[pk].company_id for pk, *record in records if first[pk].record != tuple(record)]


def end_moved(writer: RunWriter, rows: QuerySet[Agreement]) -> set[UUID]:
    """Inside a page: end those of these former agreements whose audITee has a link here that took
    the place of another one, as of the day of that link. Returns their audITees, whose MRR is
    worked out.
    """
    moves = CompanyLink.objects.of(writer.integration).in_force()
    move = moves.filter(company=OuterRef("company"), moved_from__isnull=False)
    moved = rows.filter(Exists(move))
    ids = list(moved.values_list("pk", flat=True))
    if not ids:
        return set()
    rows = Agreement.objects.for_tenant(writer.integration.tenant).filter(AnyOf("id", ids))
    former = list(rows.select_related("integration", "tenant"))
    writer.journal.add_gone(AGREEMENTS.name, rows)
    rows.update(gone_at=Subquery(move.values("linked_at")[:1]))
    _carry_over(writer, former)  # a decision works the MRR out: what it follows has ended by then
    companies = {row.company_id for row in former}
    stored_mrr.refresh(writer.integration.tenant, companies)
    return companies


# Decisions


def _carry_over(writer: RunWriter, former: list[Agreement]) -> None:
    """Decide of the agreements that follow what was decided of those that they follow: of the same
    name, where no other one has it on either side.
    """
    tenant = writer.integration.tenant
    decided = _decided(former)
    if not decided:
        return
    follows = Agreement.objects.of(writer.integration).present()
    follows = follows.filter(AnyOf("company_id", {row.company_id for row in former}))
    actors = _movers(writer, former)
    for before, after in _matching(former, list(follows.select_related("company")), _agreement_key):
        _carry(decided, before, after, None, None, actors)
        if any(record.line_pk and record.agreement_pk == before.pk for record in decided.values()):
            lines = AgreementLine.objects.for_tenant(tenant).present()
            of_before, of_after = (list(lines.filter(agreement=one)) for one in (before, after))
            for line, following in _matching(of_before, of_after, _line_key):
                _carry(decided, before, after, line, following, actors)


def _decided(rows: Iterable[Agreement]) -> dict[UUID, ChoiceRecord]:
    """The last decision about each of these agreements and their lines, by what it is about."""
    rows = list(rows)
    records = ChoiceRecord.objects.for_tenant(rows[0].tenant)
    records = records.filter(AnyOf("agreement_pk", [row.pk for row in rows])).order_by("at", "id")
    return {record.subject_pk: record for record in records}


def _movers(writer: RunWriter, rows: Iterable[Agreement]) -> dict[UUID, Any]:
    """Who moved each of these audITees."""
    links = CompanyLink.objects.of(writer.integration).in_force()
    links = links.filter(AnyOf("company_id", {row.company_id for row in rows}))
    return {link.company_id: link.linked_by for link in links.select_related("linked_by")}


def _carry(
    decided: Mapping[UUID, ChoiceRecord],
    before: Agreement,
    after: Agreement,
    line: AgreementLine | None,
    following: AgreementLine | None,
    actors: Mapping[UUID, Any],
) -> None:
    record = decided.get(line.pk if line else before.pk)
    if record is None:
        return
    names = CARRIED["line" if line else "agreement"]
    changes = {name: record.after[name] for name in names if record.after.get(name)}
    if not changes:
        return
    said = f"Carried over from {before.integration} when the audITee moved. {record.note}".strip()
    choose(
        agreement=after,
        line=following,
        actor=actors.get(after.company_id),
        changes=changes,
        note=said[:MOST_NOTE_LENGTH],
        repeats=True,
    )


# What follows what


def _matching(former: list[RowT], now: list[RowT], key: Any) -> list[tuple[RowT, RowT]]:
    """Pairs of one key that nobody else of their side has."""
    counts = [Counter(map(key, side)) for side in (former, now)]
    following = {key(row): row for row in now}
    return [
        (row, following[key(row)])
        for row in former
        if key(row) and all(count[key(row)] == 1 for count in counts)
    ]


def _words(text: str) -> str:
    return " ".join(re.findall(r"\w+", folded(text)))


def _agreement_key(row: Agreement) -> tuple[UUID, str] | None:
    name = _words(row.name)
    return (row.company_id, name) if name else None


def _line_key(row: AgreementLine) -> str:
    return _words(row.product)
