"""The page of the audit trail: who did what, when and from where, newest first."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django import forms
from django.db.models import QuerySet
from django.http import HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import reverse

from audit_site.account.audit_downloads import trail_csv
from audit_site.account.web.audit_values import event_rows
from audit_site.db.folded_text import is_storable
from audit_site.pages.views import PageRequest, page, tenant_of
from audit_site.tenants.audit_actions import ACTIONS
from audit_site.tenants.audit_trail import (
    TrailFilter,
    list_events,
    older_than,
    read_end,
    read_start,
)
from audit_site.tenants.models import AuditEvent, Membership, Role, Tenant

PAGE_SIZE: Final = 50
ACTORS: Final = [
    (AuditEvent.Actor.TOKEN, "Any API token"),
    (AuditEvent.Actor.SYSTEM, "audIT itself"),
    (AuditEvent.Actor.OPERATOR, "An operator"),
]


class TrailForm(forms.Form):
    """What is asked for of the trail; all of it may be left empty."""

    actor = forms.ChoiceField(label="Who", required=False)
    action = forms.ChoiceField(
        label="Did",
        required=False,
        choices=[
            ("", "Anything"),
            *((action, f"{words.rstrip(':').capitalize()} …") for action, words in ACTIONS.items()),
        ],
    )
    object = forms.CharField(
        label="What",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "Name or id"}),
    )

    def __init__(self, tenant: Tenant, data: Any) -> None:
        super().__init__(data)
        self.tenant = tenant
        for name, label in (("from", "From"), ("to", "To")):
            day = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            self.fields[name] = forms.DateField(label=label, required=False, widget=day)
        who: Any = self.fields["actor"]
        who.choices = [("", "Anybody"), *_people(tenant), *ACTORS]
        if (asked := str(data.get("actor", ""))) not in dict(who.choices) and is_storable(asked):
            who.choices.append((asked, "One person or token"))
        for field in self.fields.values():
            is_select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if is_select else "form-control"

    @property
    def asked(self) -> TrailFilter | None:
        """None = what was typed can't be read."""
        if not self.is_valid():
            return None
        values = self.cleaned_data
        days = {name: values[name].isoformat() if values[name] else "" for name in ("from", "to")}
        try:
            return TrailFilter(
                actor=values["actor"],
                action=values["action"],
                object=values["object"],
                start=read_start(days["from"], self.tenant),
                end=read_end(days["to"], self.tenant),
            )
        except (ValueError, OverflowError):
            self.add_error(None, "There is nothing from those days: choose others.")
            return None

    @property
    def query(self) -> str:
        """What was asked for, for the address of another page of it."""
        return urlencode({name: self.data[name] for name in self.fields if self.data.get(name)})


def _people(tenant: Tenant) -> list[tuple[str, str]]:
    members = Membership.objects.for_tenant(tenant).select_related("user")
    people = [(str(member.user_id), str(member.user)) for member in members]
    return sorted(people, key=lambda person: person[1].casefold())


@page("GET", role=Role.ADMIN, section="audit")
def audit_trail(request: PageRequest) -> HttpResponse:
    """What was done, by the filters of the form."""
    tenant = tenant_of(request)
    form = TrailForm(tenant, request.GET)
    asked = form.asked
    rows = list_events(tenant, asked) if asked else AuditEvent.objects.none()
    before = _event(tenant, request.GET.get("before", ""))
    events = list((older_than(rows, before) if before else rows)[: PAGE_SIZE + 1])
    context = {
        "form": form,
        "query": form.query,
        "rows": event_rows(events[:PAGE_SIZE]),
        "is_first": before is None,
        "older": events[PAGE_SIZE - 1].pk if len(events) > PAGE_SIZE else None,
    }
    return render(request, "account/audit.html", context, status=200 if asked else 422)


def _event(tenant: Tenant, text: str) -> AuditEvent | None:
    """The event of the tenant's that a page begins below."""
    rows: QuerySet[AuditEvent] = AuditEvent.objects.for_tenant(tenant)
    try:
        return rows.filter(pk=UUID(text)).first() if text else None
    except ValueError:
        return None


@page("GET", role=Role.ADMIN, section="audit")
def download(request: PageRequest) -> HttpResponseBase:
    """All that the filters leave, as CSV."""
    tenant = tenant_of(request)
    form = TrailForm(tenant, request.GET)
    asked = form.asked
    if asked is None:
        return redirect(f"{reverse('account:audit')}?{form.query}")
    return trail_csv(tenant, request.user, asked)
