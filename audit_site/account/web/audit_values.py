"""An event of the audit trail in words: what was done, and each value before and after."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.urls import reverse
from django.utils.dateparse import parse_datetime

from audit_site.pages.templatetags.pages import moment
from audit_site.tenants.audit_actions import ACTIONS, words_of
from audit_site.tenants.devices import device_name
from audit_site.tenants.models import AuditEvent

#: What the types of objects are called, and where their pages are.
OBJECTS: Final = {
    "agreement": "Agreement",
    "agreementline": "Agreement line",
    "apitoken": "API token",
    "company": "audITee",
    "importbatch": "Import",
    "integration": "Integration",
    "invitation": "Invitation",
    "linkbatch": "Links made together",
    "psacompanyrecord": "PSA company",
    "psaword": "Word",
    "syncrun": "Sync run",
    "tenant": "Account",
    "user": "Person",
}
PAGES: Final = {
    "company": "companies:detail",
    "integration": "integrations:settings",
    "syncrun": "integrations:run",
}
LABELS: Final = {
    "as_of": "As of",
    "email": "E-mail",
    "external_id": "Id in the PSA",
    "in_use": "In use at once",
    "psa": "PSA",
    "require_two_factor": "Everybody signs in with two factors",
    "timezone": "Time zone",
}
#: How it came in, in words for people.
DOORS: Final = {
    AuditEvent.Door.PAGE: "Browser",
    AuditEvent.Door.API: "API",
    AuditEvent.Door.COMMAND: "Command on the server",
    AuditEvent.Door.WORKER: "audIT at work",
}
A_NAME_OF_OURS: Final = re.compile(r"[a-z]+(_[a-z]+)+")
A_MOMENT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S*")
#: Of a longer list only how many there are is said.
MOST_LISTED: Final = 12


@dataclass(frozen=True, slots=True)
class Value:
    """A field with what it was and what it is; "" = nothing is said of it."""

    label: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class EventRow:
    """An event as its row of the page shows it."""

    event: AuditEvent
    did: str
    object_kind: str
    object_address: str
    values: list[Value]
    door: str
    device: str

    @property
    def is_about_themselves(self) -> bool:
        return self.event.object_id == self.event.person_id

    @property
    def names_kind(self) -> bool:
        """Whether the words leave open what kind of thing it was done to."""
        return self.object_kind.casefold() not in self.did.casefold()

    @property
    def has_before(self) -> bool:
        return self.event.before is not None


def event_rows(events: Sequence[AuditEvent], people: Mapping[str, str]) -> list[EventRow]:
    """Events as rows. `people`: the names of those whose ids may stand among the values."""
    return [
        EventRow(
            event,
            words_of(event.action),
            OBJECTS.get(event.object_type, event.object_type.capitalize()),
            _address(event),
            values_of(event, people),
            DOORS.get(AuditEvent.Door(event.door), "") if event.door else "",
            device_name(event.user_agent) if event.user_agent else "",
        )
        for event in events
    ]


def _address(event: AuditEvent) -> str:
    page = PAGES.get(event.object_type)
    return reverse(page, args=[event.object_id]) if page else ""


def values_of(event: AuditEvent, people: Mapping[str, str]) -> list[Value]:
    """Every field that an event says something of."""
    before: Mapping[str, Any] = event.before or {}
    after: Mapping[str, Any] = event.after or {}
    return [
        Value(_label(name), _text(name, before, people), _text(name, after, people))
        for name in {**before, **after}
    ]


def _label(name: str) -> str:
    return LABELS.get(name) or name.replace("_", " ").capitalize()


def _text(name: str, values: Mapping[str, Any], people: Mapping[str, str]) -> str:
    return _said(values[name], people) if name in values else ""


def _said(value: Any, people: Mapping[str, str]) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    match value:
        case bool():
            return "yes" if value else "no"
        case list() if len(value) > MOST_LISTED:
            return f"{len(value)}: the download names them"
        case list():
            return ", ".join(_said(inner, people) for inner in value)
        case dict():
            return "; ".join(
                f"{_label(name)}: {_said(inner, people)}" for name, inner in value.items()
            )
        case str() if value in people:
            return people[value]
        case str() if value in ACTIONS:
            return ACTIONS[value]
        case str() if A_MOMENT.fullmatch(value):
            return moment(parse_datetime(value))
        case str() if A_NAME_OF_OURS.fullmatch(value):
            return value.replace("_", " ")
    return str(value)
