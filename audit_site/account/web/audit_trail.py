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
from audit_site.tenants.audit_actions import GROUPS, actions_said, words_of
from audit_site.tenants.audit_trail import (
    TrailFilter,
    list_events,
    older_than,
    people_of_trail,
    read_end,
    read_start,
)
from audit_site.tenants.models import AuditEvent, Role, Tenant

PAGE_SIZE: Final = 50
ACTORS: Final = [
    (AuditEvent.Actor.TOKEN, "Any API token"),
    (AuditEvent.Actor.SYSTEM, "audIT itself"),
    (AuditEvent.Actor.OPERATOR, "An operator"),
]
#: Words that end so are no sentence without what follows.
LEADING_ON: Final = (" as", " from", " of")


def grouped_actions() -> list[tuple[str, list[tuple[str, str]]]]:
    """The choices of what was done: each sentence once, by what it is about."""
    return [
        (title, sorted(_sentences(group), key=lambda choice: choice[1].casefold()))
        for title, group in GROUPS.items()
    ]


def _sentences(group: dict[str, str]) -> list[tuple[str, str]]:
    firsts = {words: action for action, words in reversed(group.items())}
    return [(action, _begun(words)) for words, action in firsts.items()]


def _begun(words: str) -> str:
    """Words as a choice: `disconnected` → `Disconnected`; those that lead to a name end in …"""
    text = words[0].upper() + words[1:].rstrip(":")
    return f"{text} …" if text.endswith(LEADING_ON) else text


class TrailForm(forms.Form):
    """What is asked for of the trail; all of it may be left empty."""

    actor = forms.ChoiceField(label="Who", required=False)
    action = forms.ChoiceField(
        label="Did", required=False, choices=[("", "Anything"), *grouped_actions()]
    )
    object = forms.CharField(
        label="What",
        required=False,
        max_length=200,
        widget=forms.TextInput(attrs={"placeholder": "Name or id"}),
    )

    def __init__(self, tenant: Tenant, people: dict[str, str], data: Any) -> None:
        super().__init__(data)
        self.tenant = tenant
        for name, label in (("from", "From"), ("to", "To")):
            day = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
            self.fields[name] = forms.DateField(label=label, required=False, widget=day)
        who: Any = self.fields["actor"]
        who.choices = [("", "Anybody"), *_by_name(people), *ACTORS]
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
            asked = TrailFilter(
                actor=values["actor"],
                actions=actions_said(words_of(values["action"])),
                object=values["object"],
                start=read_start(days["from"], self.tenant),
                end=read_end(days["to"], self.tenant),
            )
        except (ValueError, OverflowError):
            self.add_error(None, "There is nothing from those days: choose others.")
            return None
        if asked.is_backwards:
            self.add_error("to", "This day lies before the first one.")
            return None
        return asked

    @property
    def query(self) -> str:
        """What was asked for, for the address of another page of it."""
        return urlencode({name: self.data[name] for name in self.fields if self.data.get(name)})


def _by_name(people: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(people.items(), key=lambda person: person[1].casefold())


@page("GET", role=Role.ADMIN, section="audit")
def audit_trail(request: PageRequest) -> HttpResponse:
    """What was done, by the filters of the form."""
    tenant = tenant_of(request)
    people = people_of_trail(tenant)
    form = TrailForm(tenant, people, request.GET)
    asked = form.asked
    rows = list_events(tenant, asked) if asked else AuditEvent.objects.none()
    before = _event(tenant, request.GET.get("before", ""))
    events = list((older_than(rows, before) if before else rows)[: PAGE_SIZE + 1])
    context = {
        "form": form,
        "query": form.query,
        "rows": event_rows(events[:PAGE_SIZE], people),
        "is_read": asked is not None,
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
    form = TrailForm(tenant, people_of_trail(tenant), request.GET)
    asked = form.asked
    if asked is None:
        return redirect(f"{reverse('account:audit')}?{form.query}")
    return trail_csv(tenant, request.user, asked)
