"""Pages under Admin > Integrations and Sync runs: form → service → redirect or fragment."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from string import ascii_lowercase
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.db import counting
from audit_site.errors import FieldErrors
from audit_site.pages.views import PageRequest, came_from, find, page, paged, tenant_of
from audit_site.tenants.models import Role
from audit_site.tenants.selectors import admins_of
from companies.models import Company
from companies.services import licence
from integrations import changes, pace, progress
from integrations.api.serializers import filled_in
from integrations.forms import CredentialForm, ScheduleForm
from integrations.known import Known, known_records
from integrations.models import Integration, Issue, PsaContactRecord, SyncEvent, SyncRun
from integrations.psa import registry
from integrations.psa.contract import PsaInfo
from integrations.psa.errors import PsaError
from integrations.selectors import (
    ISSUE_GROUPS,
    choices_of_integrations,
    chosen_companies,
    company_meant,
    count_issues,
    count_new,
    grouped_issues,
    import_list_page,
    is_new,
    list_events,
    list_integrations,
    list_issues,
    list_psa_companies,
    list_sync_runs,
    news,
    open_issues_of,
    reasons_of,
)
from integrations.services import connection, importing, issues, runs, schedule
from integrations.services.psa_access import info_of
from integrations.visits import new_since

#: The status at which htmx stops asking.
STOP_ASKING = 286
#: Longer is no id and no name.
MOST_TYPED = 255


def guide_of(info: PsaInfo) -> list[dict[str, Any]]:
    return [
        {
            "title": step.title,
            "text": step.text,
            "values": [(label, filled_in(value)) for label, value in step.values],
        }
        for step in info.guide
    ]


@page("GET")
def integrations(request: PageRequest) -> HttpResponse:
    """A card for each PSA, with the accounts that are connected."""
    ours = list(list_integrations(tenant_of(request)))
    cards = [
        {"info": info, "integrations": [row for row in ours if row.psa == info.key]}
        for info in registry.infos()
    ]
    context = {
        "cards": cards,
        "news": news(tenant_of(request), request.user, ours),
        "open_issues": open_issues_of(tenant_of(request), ours),
    }
    return render(request, "integrations/list.html", context)


def settings_page(
    request: PageRequest,
    info: PsaInfo,
    form: CredentialForm,
    integration: Integration | None,
    status: int = 200,
    schedule_form: ScheduleForm | None = None,
) -> HttpResponse:
    may = request.membership.has_role(Role.ADMIN)
    if integration is not None and schedule_form is None:
        schedule_form = ScheduleForm(integration, is_locked=not may)
    shown = [integration] if integration else []
    context = {
        "info": info,
        "form": form,
        "integration": integration,
        "schedule_form": schedule_form,
        "next_sync": schedule.next_at(integration) if integration else None,
        "pulse": progress.pulse_of(*progress.works_of(integration)) if integration else 0,
        "guide": guide_of(info),
        "admins": admins_of(tenant_of(request)),
        "news": news(tenant_of(request), request.user, shown),
        "open_issues": open_issues_of(tenant_of(request), shown),
    }
    return render(request, "integrations/settings.html", context, status=status)


@page("GET", "POST")
def connect(request: PageRequest, psa: str) -> HttpResponse:
    """The form for a new connection, beside the walk-through."""
    try:
        info = registry.get_adapter(psa).info
    except KeyError:
        raise Http404 from None
    may = request.membership.has_role(Role.ADMIN)
    form = CredentialForm(info, request.POST or None, is_locked=not may)
    if request.method == "POST":
        return _connect(request, info, form)
    return settings_page(request, info, form, None)


@page("POST", role=Role.ADMIN)
def _connect(request: PageRequest, info: PsaInfo, form: CredentialForm) -> HttpResponse:
    if form.is_valid():
        try:
            integration, _ = connection.create_integration(
                tenant=tenant_of(request),
                actor=request.user,
                psa=info.key,
                credentials=form.credentials(),
                name=form.cleaned_data["name"],
            )
        except FieldErrors as error:
            form.add_field_errors(error)
        except connection.IntegrationExistsError as error:
            if error.integration is None:
                raise
            form.add_existing(error.integration, error.message)
        else:
            return redirect("integrations:settings", integration.pk)
    return settings_page(request, info, form, None, status=422)


def _integration(request: PageRequest, pk: UUID) -> Integration:
    return find(list_integrations(tenant_of(request)), pk)


@page("GET", "POST")
def settings(request: PageRequest, pk: UUID) -> HttpResponse:
    """Integration Settings of a connection: its keys, its test, its last sync."""
    integration = _integration(request, pk)
    info = info_of(integration)
    form = _settings_form(request, info, integration, request.POST or None)
    if request.method == "POST":
        return _save_settings(request, integration, form)
    return settings_page(request, info, form, integration)


def _settings_form(
    request: PageRequest, info: PsaInfo, integration: Integration, typed: Any = None
) -> CredentialForm:
    may = request.membership.has_role(Role.ADMIN)
    return CredentialForm(
        info,
        typed,
        stored=integration.credentials,
        initial={"name": integration.name},
        is_locked=not may,
    )


@page("POST", role=Role.ADMIN)
def _save_settings(
    request: PageRequest, integration: Integration, form: CredentialForm
) -> HttpResponse:
    if form.is_valid():
        try:
            connection.update_integration(
                integration=integration,
                actor=request.user,
                credentials=form.credentials(),
                name=form.cleaned_data["name"] or None,
            )
        except FieldErrors as error:
            form.add_field_errors(error)
        else:
            return redirect("integrations:settings", integration.pk)
    return settings_page(request, form.info, form, integration, status=422)


@page("POST", role=Role.ADMIN)
def save_schedule(request: PageRequest, pk: UUID) -> HttpResponse:
    """Automatic sync of a connection: off, every hour, or every night."""
    integration = _integration(request, pk)
    form = ScheduleForm(integration, request.POST)
    if form.is_valid():
        schedule.set_schedule(integration=integration, actor=request.user, **form.cleaned_data)
        messages.success(request, "Automatic sync is saved.")
        return redirect("integrations:settings", pk)
    info = info_of(integration)
    credentials = _settings_form(request, info, integration)
    return settings_page(request, info, credentials, integration, status=422, schedule_form=form)


@page("GET")
def status_fragment(request: PageRequest, pk: UUID) -> HttpResponse:
    """Test and last sync of a connection, asked for every second while one is under way."""
    integration = _integration(request, pk)
    pulse = progress.pulse_of(*progress.works_of(integration))
    told = request.GET.get("told", "")
    context = {"integration": integration, "pulse": pulse, "told": told, "is_fragment": True}
    return watched(request, "integrations/_status.html", context, pulse)


def watched(
    request: PageRequest, template: str, context: dict[str, Any], pulse: int
) -> HttpResponse:
    """A part of a page that is asked for again and again; 286 ends that when nothing goes on."""
    return render(request, template, context, status=200 if pulse else STOP_ASKING)


@page("POST", role=Role.MEMBER)
def test_now(request: PageRequest, pk: UUID) -> HttpResponse:
    connection.start_connection_test(integration=_integration(request, pk), actor=request.user)
    return redirect("integrations:settings", pk)


@page("POST", role=Role.ADMIN)
def forget_keys(request: PageRequest, pk: UUID) -> HttpResponse:
    """Drop new keys that were refused; the keys in use stay as they are."""
    if connection.forget_refused(integration=_integration(request, pk), actor=request.user):
        messages.success(request, "The refused keys are forgotten. The keys in use go on working.")
    return redirect("integrations:settings", pk)


@page("GET", "POST", role=Role.ADMIN)
def disconnect(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask once more, then destroy the credentials."""
    integration = _integration(request, pk)
    if request.method == "POST":
        connection.disconnect_integration(integration=integration, actor=request.user)
        messages.success(
            request,
            f"{integration.name} is disconnected and its keys are destroyed. "
            "Your audITees and their MRR stay as they were last seen.",
        )
        return redirect("integrations:list")
    links = integration.links.filter(unlinked_at=None).count()
    context = {"integration": integration, "info": info_of(integration), "links": links}
    return render(request, "integrations/disconnect.html", context)


@page("POST", role=Role.MEMBER)
def sync_now(request: PageRequest, pk: UUID) -> HttpResponse:
    run, is_new = runs.start_sync_run(integration=_integration(request, pk), actor=request.user)
    return to_run(request, run, is_new)


def to_run(request: PageRequest, run: SyncRun, is_new: bool) -> HttpResponse:
    """Go to a run that was asked for, saying so when it was under way before."""
    if not is_new:
        follows = " Another one follows it." if run.then else ""
        messages.info(request, f"A sync is under way already; this is it.{follows}")
    return redirect("integrations:run", run.pk)


# The import list


def yes_or_no(text: str | None) -> bool | None:
    return {"yes": True, "no": False}.get(text or "")


@page("GET")
def import_list(request: PageRequest, pk: UUID) -> HttpResponse:
    """Every company of the PSA: importable, or why not, and what is new in it."""
    integration = _integration(request, pk)
    asked = request.GET
    since = new_since(request, integration)
    rows = list_psa_companies(
        integration,
        search=asked.get("search", ""),
        importable=yes_or_no(asked.get("importable")),
        linked=yes_or_no(asked.get("linked")),
        status=asked.get("status", ""),
        new=yes_or_no(asked.get("new")),
        since=since,
    )
    shown = import_list_page(
        integration,
        rows,
        after=asked.get("after", ""),
        before=asked.get("before", ""),
        start=asked.get("from", ""),
    )
    context = {
        "integration": integration,
        "info": info_of(integration),
        "page": shown,
        "total": counting.capped_count(rows),
        "arrived": count_new(integration, since),
        "new_ids": {row.pk for row in shown.rows if is_new(row, since)},
        "reasons": {row.pk: reasons_of(row) for row in shown.rows},
        "primaries": _primaries(integration, shown.rows),
        "archived_ids": _archived(integration, shown.rows),
        "letters": ascii_lowercase,
        "licence": licence(tenant_of(request)),
    }
    return render(request, "integrations/import_list.html", context)


def _primaries(integration: Integration, rows: Any) -> dict[str, PsaContactRecord]:
    """Who the primary contact of each row would be, by the contact's id."""
    people = PsaContactRecord.objects.for_tenant(integration.tenant).filter(
        integration=integration,
        external_id__in=[row.primary_contact_id for row in rows if row.primary_contact_id],
    )
    return {person.external_id: person for person in people}


def _archived(integration: Integration, rows: Any) -> set[UUID]:
    """Which of the audITees that the rows are linked to are archived."""
    linked = [row.linked_company_id for row in rows if row.linked_company_id]
    found = Company.objects.for_tenant(integration.tenant).filter(pk__in=linked)
    return set(found.filter(status=Company.Status.ARCHIVED).values_list("pk", flat=True))


@page("POST", role=Role.MEMBER)
def import_chosen(request: PageRequest, pk: UUID) -> HttpResponse:
    """Import what was ticked, asking first when the licence has not room for all of it.

    What breaks a rule is said with its name.
    """
    integration = _integration(request, pk)
    ticked = request.POST.getlist("external_ids")
    if not ticked:
        messages.info(request, "Tick the companies that you want to import first.")
        return redirect("integrations:import-list", pk)
    allowance = licence(tenant_of(request))
    chosen = chosen_companies(integration, ticked, allowance.free)
    if chosen.fit and chosen.wait:
        context = {"integration": integration, "chosen": chosen, "licence": allowance}
        return render(request, "integrations/confirm_import.html", context)
    wanted = [*chosen.ids, *(row.external_id for row in chosen.wait)]
    result = importing.import_companies(
        integration=integration, external_ids=wanted, actor=request.user
    )
    if result.imported:
        count = len(result.imported)
        noun = "audITee is" if count == 1 else "audITees are"
        messages.success(request, f"{count} {noun} here now; the agreements are being read.")
    for sentence in _rejections(integration, result):
        messages.error(request, sentence)
    if result.sync_run:
        return redirect("integrations:run", result.sync_run.pk)
    return redirect("integrations:import-list", pk)


def _rejections(integration: Integration, result: importing.ImportResult) -> list[str]:
    """Who could not be imported, a sentence for each reason."""
    ids = [rejected.external_id for rejected in result.rejected]
    rows = integration.psa_companies.filter(tenant=integration.tenant_id, external_id__in=ids)
    names = dict(rows.values_list("external_id", "name"))
    by_reason: dict[str, list[str]] = {}
    for rejected in result.rejected:
        name = names.get(rejected.external_id, rejected.external_id)
        by_reason.setdefault(rejected.message, []).append(name)
    return [f"Not imported: {some_of(who)}. {reason}" for reason, who in by_reason.items()]


def some_of(names: list[str], most: int = 5) -> str:
    """The first of them, and how many more there are."""
    more = len(names) - most
    told = ", ".join(names[:most])
    return f"{told} and {more} more" if more > 0 else told


@page("GET")
def diagnose(request: PageRequest, pk: UUID) -> HttpResponse:
    """Walk the checks for a company that is missing, asking the PSA right now."""
    integration = _integration(request, pk)
    typed = request.GET.get("external_id", "").strip()[:MOST_TYPED]
    meant = company_meant(integration, typed)
    found = None
    if meant.external_id:
        try:
            found = importing.diagnose(integration=integration, external_id=meant.external_id)
        except PsaError as error:
            messages.error(request, error.sentence)
    rows = list_psa_companies(integration)
    record: Any = rows.filter(external_id=meant.external_id).first()
    is_linked = record is not None and record.linked_company_id is not None
    context = {
        "integration": integration,
        "info": info_of(integration),
        "typed": typed,
        "meant": meant,
        "diagnosis": found,
        "record": record,
        "needs_no_place": is_linked or (found is not None and not found.checks[0]["ok"]),
    }
    return render(request, "integrations/diagnosis.html", context)


# The issues inbox


@page("GET")
def issue_inbox(request: PageRequest, pk: UUID) -> HttpResponse:
    """What a person should know of an integration, by what it is about; open ones first."""
    integration = _integration(request, pk)
    state = request.GET.get("state", "open")
    state = state if state in {"open", "dismissed", "closed"} else "all"
    rows = list_issues(tenant_of(request), integration=integration, state=state)
    shown = paged(request, grouped_issues(rows))
    context = {
        "integration": integration,
        "info": info_of(integration),
        "page": shown,
        "groups": issue_groups(shown.object_list),
        "told": _told_of(integration, shown.object_list),
        "state": state,
        "counts": count_issues(integration),
    }
    return render(request, "integrations/issues.html", context)


def _told_of(integration: Integration, rows: Iterable[Issue]) -> dict[UUID, dict[str, Any]]:
    """By the issue's id: what it is about, in words, and what is stored of that record."""
    of_records = [row for row in rows if row.is_of_record and row.kind != "company"]
    known = known_records(integration, [(row.kind, row.external_id) for row in of_records])
    told = {}
    for row in rows:
        record = known.get((row.kind, row.external_id), Known())
        its_own = row.psa_company_name if row.kind == "company" else ""  # type: ignore[attr-defined]
        name = row.name or record.name or its_own or ""
        title, label = name or row.kind.capitalize(), name or row.external_id
        if not row.is_of_record:
            title = label = integration.name
        told[row.pk] = {"title": title, "label": label, "record": record}
    return told


def issue_groups(rows: Iterable[Any]) -> list[dict[str, Any]]:
    """Issues in the order of the inbox, cut where state or group changes."""
    titles = [title for title, _ in ISSUE_GROUPS] + ["Anything else"]
    return [
        {"state": state, "title": titles[group], "issues": list(found)}
        for (state, group), found in groupby(rows, key=lambda row: (row.state, row.group))
    ]


@page("POST", role=Role.MEMBER)
def retry_issues(request: PageRequest, pk: UUID) -> HttpResponse:
    return to_run(request, *issues.retry_all(_integration(request, pk), actor=request.user))


def _issue(request: PageRequest, pk: UUID) -> Issue:
    rows = list_issues(tenant_of(request))
    return find(rows.exclude(integration__status=Integration.Status.DISCONNECTED), pk)


@page("POST", role=Role.MEMBER)
def retry_issue(request: PageRequest, pk: UUID) -> HttpResponse:
    return to_run(request, *issues.retry(_issue(request, pk), actor=request.user))


@page("POST", role=Role.MEMBER)
def dismiss_issue(request: PageRequest, pk: UUID) -> HttpResponse:
    issue = issues.dismiss(_issue(request, pk), actor=request.user)
    messages.success(
        request,
        "Dismissed. It stays quiet as long as its cause lasts, and is new when the cause returns.",
    )
    return redirect(came_from(request, reverse("integrations:issues", args=[issue.integration_id])))


@page("GET", "POST", role=Role.ADMIN)
def confirm_gone(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask once more, then start the run that takes what is missing for gone."""
    issue = _issue(request, pk)
    if not issue.asks_if_gone:
        return redirect("integrations:issues", issue.integration_id)
    if request.method == "POST":
        run = issues.confirm_gone(issue, actor=request.user)
        return redirect("integrations:run", run.pk)
    integration = issue.integration
    context = {"issue": issue, "integration": integration, "info": info_of(integration)}
    return render(request, "integrations/confirm_gone.html", context)


# Sync runs


@page("GET")
def sync_runs(request: PageRequest) -> HttpResponse:
    """Every run, newest first; of one integration or in one state where asked."""
    tenant = tenant_of(request)
    integration, state = request.GET.get("integration", ""), request.GET.get("state", "")
    try:
        rows = list_sync_runs(
            tenant, integration=UUID(integration) if integration else None, state=state
        )
    except ValueError:  # what is no id filters everything out
        rows = SyncRun.objects.none().order_by("-id")
    shown = paged(request, rows)
    pace.measure(shown.object_list)
    context = {
        "page": shown,
        "integrations": choices_of_integrations(tenant),
        "states": SyncRun.State.choices,
        "chosen": {"integration": integration, "state": state},
    }
    return render(request, "integrations/runs.html", context)


def _run(request: PageRequest, pk: UUID) -> SyncRun:
    return find(list_sync_runs(tenant_of(request)), pk)


@page("GET")
def run(request: PageRequest, pk: UUID) -> HttpResponse:
    """One run: progress, counts, and what it did to each record."""
    sync_run = _run(request, pk)
    if request.htmx and request.htmx.target != "events":
        return _watched_run(request, sync_run)
    events = list_events(sync_run)
    chosen = {name: request.GET.get(name, "") for name in ("change", "kind")}
    events = events.filter(**{name: value for name, value in chosen.items() if value})
    shown = paged(request, events)
    context = {
        **_run_context(sync_run),
        "page": shown,
        "told_events": changes.tell(sync_run, shown.object_list),
        "changes": SyncEvent.Change.choices,
        "kinds": ("company", "contact", "agreement", "line"),
        "chosen": chosen,
    }
    template = "integrations/_events.html" if request.htmx else "integrations/run.html"
    return render(request, template, context)


def _run_context(sync_run: SyncRun) -> dict[str, Any]:
    read, since = progress.reads(sync_run)
    return {
        "run": sync_run,
        "psa_name": info_of(sync_run.integration).name,
        "table": progress.count_table(sync_run),
        "reads": read,
        "since": since,
        "open_issues": _open_issues_of(sync_run),
    }


def _open_issues_of(sync_run: SyncRun) -> int:
    """How many issues of its integration wait for a person, once the run has ended."""
    integration = sync_run.integration
    if sync_run.is_active or integration.status == Integration.Status.DISCONNECTED:
        return 0
    return count_issues(integration)["open"]


def _watched_run(request: PageRequest, sync_run: SyncRun) -> HttpResponse:
    """The upper part of the page; at the end the list of events is told to come anew."""
    told = request.GET.get("told", "")
    context = {**_run_context(sync_run), "told": told, "is_fragment": True}
    pulse = progress.pulse_of(sync_run)
    response = watched(request, "integrations/_run.html", context, pulse)
    if not pulse:
        response["HX-Trigger"] = "run-ended"
    return response


@page("POST", role=Role.MEMBER)
def cancel_run(request: PageRequest, pk: UUID) -> HttpResponse:
    cancelled = runs.cancel_sync_run(run=_run(request, pk), actor=request.user)
    if cancelled.is_active:
        messages.info(request, "The run ends behind the page that it is reading.")
    return redirect("integrations:run", pk)
