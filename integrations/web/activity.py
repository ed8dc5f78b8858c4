"""What happened, newest first: syncs, tests, imports, links and decisions in one list.

Each row's id says when it began, so that a page is the newest of what each table holds before an
id: one short reading of an index a table, and no more of them however long the list is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse

from agreements.models import ChoiceRecord
from audit_site.ids import id_or_none
from audit_site.pages.views import PageRequest, page, tenant_of
from audit_site.tenants.models import Membership, Tenant, User
from integrations.connecting.selectors import choices_of_integrations
from integrations.importing.batches import batches_of
from integrations.matching.batches import batches_of as link_batches
from integrations.models import (
    CompanyLink,
    ConnectionTest,
    ImportBatch,
    ImportBatchRow,
    LinkBatch,
    SyncRun,
)
from integrations.runs.selectors import list_sync_runs
from integrations.web.run_sentence import run_sentence

SIZE: Final = 50
#: So many links that were made in one go are one row.
FEWEST_TOGETHER: Final = 3
#: What a sync was started by that no person started.
STARTERS: Final[dict[str, str]] = {
    SyncRun.Trigger.MANUAL: "a program",
    SyncRun.Trigger.CONNECT: "the new connection",
    SyncRun.Trigger.SCHEDULE: "the schedule",
    SyncRun.Trigger.IMPORT: "an import",
    SyncRun.Trigger.CALLBACK: "the PSA",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the list is narrowed to; None = everything, everybody, from the newest on."""

    tenant: Tenant
    integration: UUID | None = None
    person: User | None = None
    before: UUID | None = None


@dataclass(frozen=True, slots=True)
class Happening:
    """A row: what it was, what came of it, and where it is looked at.

    `state` is a state's word for its mark, and `state_title` as people read it; "" = none.
    `decision`: the record of one, whose words are those of agreements. Rows beside each other of
    the same `together` (the connection first) are told as one, of which they are the `parts`.
    """

    id: UUID
    kind: str
    at: datetime
    title: str
    text: str
    address: str
    by: str
    state: str = ""
    state_title: str = ""
    decision: ChoiceRecord | None = None
    together: tuple[Any, ...] = ()
    parts: Sequence[Happening] = ()


def _runs(asked: Asked) -> QuerySet[SyncRun]:
    rows = list_sync_runs(asked.tenant, integration=asked.integration)
    rows = rows.defer("checkpoint", "accept_gone")
    return rows.filter(started_by=asked.person) if asked.person else rows


def _run(run: SyncRun) -> Happening:
    of = f": {run.company}" if run.company else ""
    return Happening(
        run.pk,
        "sync",
        run.queued_at,
        f"Sync of {run.integration.name}{of}",
        run.error_message if run.state == SyncRun.State.FAILED else run_sentence(run),
        reverse("integrations:run", args=[run.pk]),
        str(run.started_by) if run.started_by else STARTERS[run.trigger],
        run.state,
        run.get_state_display(),
    )


def _tests(asked: Asked) -> QuerySet[ConnectionTest]:
    rows = ConnectionTest.objects.for_tenant(asked.tenant).select_related("integration")
    if asked.person:
        return rows.none()
    return rows.filter(integration=asked.integration) if asked.integration else rows


def _test(test: ConnectionTest) -> Happening:
    state, title = "testing", "Testing"
    if test.state == ConnectionTest.State.DONE:
        state, title = ("succeeded", "Passed") if test.ok else ("failed", "Failed")
    keys = " with new keys" if test.is_candidate else ""
    return Happening(
        test.pk,
        "test",
        test.queued_at,
        f"Test of {test.integration.name}{keys}",
        test.message,
        reverse("integrations:settings", args=[test.integration_id]),
        "",
        state,
        title,
    )


def _imports(asked: Asked) -> QuerySet[ImportBatch]:
    rows = batches_of(asked.tenant).exclude(state=ImportBatch.State.REVIEW)
    if asked.person:
        rows = rows.filter(started_by=asked.person)
    if asked.integration:
        of_it = ImportBatchRow.objects.filter(
            tenant=asked.tenant, batch=OuterRef("pk"), integration=asked.integration
        )
        rows = rows.filter(Exists(of_it))
    return rows


def _import(batch: ImportBatch) -> Happening:
    companies = f"{batch.total:,} compan{'y' if batch.total == 1 else 'ies'}"
    return Happening(
        batch.pk,
        "import",
        batch.created_at,
        f"Import of {companies}",
        "",
        reverse("integrations:import-batch", args=[batch.pk]),
        str(batch.started_by or ""),
        "" if batch.state == ImportBatch.State.DONE else batch.state,
        batch.get_state_display(),
    )


def _link_batches(asked: Asked) -> QuerySet[LinkBatch]:
    rows = link_batches(asked.tenant).defer("rejected", "left", "not_back")
    if asked.person:
        rows = rows.filter(made_by_name=str(asked.person))
    if asked.integration:
        links = CompanyLink.objects.for_tenant(asked.tenant).filter(batch=OuterRef("pk"))
        rows = rows.filter(Exists(links.filter(integration=asked.integration)))
    return rows


def _link_batch(batch: Any) -> Happening:
    undone = batch.linked - batch.standing
    return Happening(
        batch.pk,
        "link",
        batch.made_at,
        f"{batch.linked:,} suggested link{'' if batch.linked == 1 else 's'} confirmed",
        f"{undone:,} undone since." if undone else "",
        reverse("integrations:link-batch", args=[batch.pk]),
        batch.made_by_name,
    )


def _links(asked: Asked) -> QuerySet[CompanyLink]:
    """Those that were made one at a time: no import and no batch tells of them."""
    imported = ImportBatchRow.objects.filter(
        tenant=asked.tenant,
        company=OuterRef("company"),
        integration=OuterRef("integration"),
        external_id=OuterRef("external_id"),
        state__in=(ImportBatchRow.State.DONE, ImportBatchRow.State.UNDONE),
    )
    rows = CompanyLink.objects.for_tenant(asked.tenant).filter(~Exists(imported), batch=None)
    if asked.integration:
        rows = rows.filter(integration=asked.integration)
    if asked.person:
        rows = rows.filter(linked_by=asked.person)
    return rows.select_related("integration", "company", "linked_by")


def _link(link: CompanyLink) -> Happening:
    ended = "Undone since." if link.undone_at else "Unlinked since." if link.unlinked_at else ""
    minute = link.linked_at.replace(second=0, microsecond=0)
    return Happening(
        link.pk,
        "link",
        link.linked_at,
        f"{link.company} linked to {link.integration.name}",
        ended,
        reverse("companies:psa", args=[link.company_id]),
        str(link.linked_by or ""),
        together=(link.integration.name, link.linked_by_id, minute),
    )


def _decisions(asked: Asked) -> QuerySet[ChoiceRecord]:
    rows = ChoiceRecord.objects.for_tenant(asked.tenant)
    if asked.integration:
        rows = rows.filter(agreement__integration=asked.integration)
    if asked.person:
        rows = rows.filter(actor=asked.person)
    return rows.select_related("agreement__company")


def _decision(record: ChoiceRecord) -> Happening:
    of = f" of {record.agreement.company}" if record.agreement else ""
    company = record.agreement and record.agreement.company_id
    return Happening(
        record.pk,
        "decision",
        record.at,
        f"{record.line_name or record.name}{of}",
        record.note,
        reverse("agreements:company-mrr", args=[company]) if company else "",
        record.actor_name,
        decision=record,
    )


@dataclass(frozen=True, slots=True)
class Source:
    """A table whose rows are among what happened: how it is asked, and how a row is told."""

    kind: str
    rows: Callable[[Asked], QuerySet[Any]]
    told: Callable[[Any], Happening]


SOURCES: Final = (
    Source("sync", _runs, _run),
    Source("test", _tests, _test),
    Source("import", _imports, _import),
    Source("link", _link_batches, _link_batch),
    Source("link", _links, _link),
    Source("decision", _decisions, _decision),
)
KINDS: Final = (
    ("sync", "Syncs"),
    ("test", "Connection tests"),
    ("import", "Imports"),
    ("link", "Links"),
    ("decision", "Decisions"),
)


def happenings(asked: Asked, sources: Iterable[Source], size: int = SIZE) -> list[Happening]:
    """The newest `size` of them, and one more where there are more. A statement a source."""
    found = [source.told(row) for source in sources for row in _newest(source, asked)[: size + 1]]
    return sorted(found, key=lambda one: one.id, reverse=True)[: size + 1]


def told_together(rows: Sequence[Happening]) -> list[Happening]:
    """The same, with links that were made in one go as one row."""
    found = []
    for key, group in groupby(rows, key=lambda row: row.together or row.id):
        parts = list(group)
        if len(parts) < FEWEST_TOGETHER:
            found += parts
            continue
        title = f"{len(parts)} audITees linked to {key[0]}"
        found.append(replace(parts[0], title=title, text="", address="", parts=parts))
    return found


def _newest(source: Source, asked: Asked) -> QuerySet[Any]:
    rows = source.rows(asked)
    if asked.before:
        rows = rows.filter(pk__lt=asked.before)
    return rows.order_by("-pk")


@page("GET", section="activity")
def activity(request: PageRequest) -> HttpResponse:
    """A page of what happened; of one connection, of one kind or by one person where asked."""
    tenant = tenant_of(request)
    chosen = {name: request.GET.get(name, "") for name in ("integration", "kind", "person")}
    members = Membership.objects.filter(tenant=tenant).select_related("user")
    people = {str(one.user_id): one.user for one in members.order_by("user__name", "user_id")}
    is_unknown = any(
        (
            bool(chosen["integration"]) and id_or_none(chosen["integration"]) is None,
            bool(chosen["person"]) and chosen["person"] not in people,
            bool(chosen["kind"]) and chosen["kind"] not in dict(KINDS),
        )
    )
    asked = Asked(
        tenant,
        id_or_none(chosen["integration"]),
        people.get(chosen["person"]),
        id_or_none(request.GET.get("before", "")),
    )
    sources: Sequence[Source] = [
        source for source in SOURCES if not is_unknown and chosen["kind"] in {"", source.kind}
    ]
    found = happenings(asked, sources)
    query = request.GET.copy()
    query.pop("before", None)
    context = {
        "rows": told_together(found[:SIZE]),
        "older": str(found[SIZE - 1].id) if len(found) > SIZE else "",
        "is_first": asked.before is None,
        "query": query.urlencode(),
        "chosen": chosen,
        "is_narrowed": any(chosen.values()),
        "kinds": KINDS,
        "kind_titles": dict(KINDS),
        "integrations": choices_of_integrations(tenant),
        "people": [(pk, str(user)) for pk, user in people.items()],
    }
    return render(request, "integrations/activity.html", context)
