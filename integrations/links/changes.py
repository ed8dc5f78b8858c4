"""What of an audITee's own becomes the PSA's by a link, as the sync after it does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypedDict

from companies.models import Company, Contact
from companies.primary import choices_that_hold
from integrations.models import PsaContactRecord


class Person(TypedDict):
    first_name: str
    last_name: str
    email: str
    phone: str


class Change(TypedDict):
    field: str
    before: str
    after: str


def changes_of(
    company: Company, name: str, people: Sequence[PsaContactRecord], by_rule: str
) -> list[Change]:
    """Its fields that differ afterwards. Its type stays: that is ours to say.

    `name` and `people` are the PSA's, as they would be stored; `by_rule` is the id of the contact
    that the import rules make the primary one, "" = none. What `integrations.sync.linked_companies`
    does, and nothing else.
    """
    typed = [person for person in company.people if not person.external_id]
    now, then = company.primary, _primary_after(company, people, by_rule)
    fields = [
        ("name", company.name, name),
        ("primary_contact", _text_of(now), _text_of(then)),
        ("contacts", str(len(company.people)), str(len(typed) + len(people))),
    ]
    return [
        {"field": field, "before": before, "after": after}
        for field, before, after in fields
        if before != after
    ]


def _primary_after(
    company: Company, people: Sequence[PsaContactRecord], by_rule: str
) -> Contact | PsaContactRecord | None:
    """Whom a person chose, if that contact is there; else the one of the rules, else the same."""
    shown = {person.external_id: person for person in people}
    there = {
        person.pk: shown[person.external_id] if person.external_id else person
        for person in company.people
        if not person.external_id or person.external_id in shown
    }
    choice = choices_that_hold(company.tenant, [company.pk]).get(company.pk)
    if choice is not None and choice.contact in there:
        return there[choice.contact]
    if by_rule in shown:
        return shown[by_rule]
    return there.get(company.primary.pk) if company.primary else None


def person_of(person: Contact | PsaContactRecord) -> Person:
    return {
        "first_name": person.first_name,
        "last_name": person.last_name,
        "email": person.email,
        "phone": person.phone,
    }


def _text_of(person: Contact | PsaContactRecord | None) -> str:
    return person_text(person_of(person) if person else None)


def person_text(person: Mapping[str, str] | Person | None) -> str:
    """A person in one line: name, e-mail address, phone number."""
    if person is None:
        return ""
    name = f"{person['first_name']} {person['last_name']}".strip()
    return ", ".join(part for part in (name, person["email"], person["phone"]) if part)
