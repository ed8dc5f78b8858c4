"""What undoing a link does to name, type, contacts and primary contact of the audITee."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from companies.models import Contact
from integrations.importing.record_store import contact_values, fingerprint
from integrations.links.kept import KEPT_FIELDS, Kept, Left, moment_of, moment_text
from integrations.links.shown_later import shows_person
from integrations.links.undo_plan import Replaced, UndoPlan, before_of, was_there


def plan_people(plan: UndoPlan) -> None:
    """Contacts that came with the link leave, unless a person changed them; others are as before.

    What a person typed in stays as it is; a contact that was erased does not come back.
    """
    before = {entry["id"]: entry for entry in before_of(plan.link)["contacts"]}
    for id_, person in plan.people.items():
        if not person.external_id or not was_there(plan, "contacts", id_):
            continue
        if id_ in before:
            if plan.next_link is None and _differs(person, before[id_]) and not _is_edited(person):
                plan.back_people.append((person, before[id_]))
            continue
        plan.brought.add(id_)
        shown_by = next((one for one in plan.later if shows_person(plan.link, one, person)), None)
        if shown_by is not None:
            plan.shown_by[id_] = shown_by
            continue
        (plan.kept_people if _is_edited(person) else plan.leaving_people).append(person)


def _differs(person: Contact, entry: Mapping[str, Any]) -> bool:
    same_gone = person.gone_at == moment_of(entry["gone_at"])
    return not same_gone or any(getattr(person, name) != entry[name] for name in KEPT_FIELDS)


def _is_edited(person: Contact) -> bool:
    """Whether a person changed a contact after the PSA had shown it."""
    values = contact_values(person, person.company_id)  # type: ignore[arg-type]
    return fingerprint(values) != person.fingerprint


# Name, type, primary contact


def plan_own_fields(plan: UndoPlan) -> None:
    link, before = plan.link, before_of(plan.link)
    now = _now(plan)
    by_the_link = {before["name"], link.given_name}
    plan.name = before["name"] if now["name"] in by_the_link else now["name"]
    left: Left | None = link.left
    changed_since = left is not None and left["type"] != now["type"]
    plan.type = now["type"] if changed_since else before["type"]
    plan.primary = _primary(plan, now["primary"], left)
    plan.changes = _own_changes(plan)


def _now(plan: UndoPlan) -> Kept:
    """What followed the link: the audITee as it is, or as it was before the next link."""
    if plan.next_link is not None:
        return before_of(plan.next_link)
    current = (id_ for id_, person in plan.people.items() if person.is_primary)
    return {
        "name": plan.company.name,
        "type": plan.company.type,
        "primary": next(current, None),
        "choice": None,
        "contacts": [],
        "agreements": {},
    }


def _own_changes(plan: UndoPlan) -> list[Replaced]:
    """The audITee's own fields that change now; none of one that is linked again."""
    if plan.next_link is not None:
        return []
    company, primary = plan.company, plan.people.get(plan.primary or "")
    now = next((person for person in plan.people.values() if person.is_primary), None)
    changes = [
        Replaced(name, before, after)
        for name, before, after in (
            ("name", company.name, plan.name),
            ("type", company.type, plan.type),
        )
        if before != after
    ]
    if now != primary:
        changes.append(Replaced("primary_contact", _named(now), _named(primary)))
    return changes


def _primary(plan: UndoPlan, now: str | None, left: Left | None) -> str | None:
    """The one of before, if it is there; before it goes what a person chose after the end."""
    there = _there_afterwards(plan)
    chosen = now if left is not None and left["primary"] != now else None
    wanted = (chosen, before_of(plan.link)["primary"], now)
    return next((id_ for id_ in wanted if id_ in there), there[0] if there else None)


def _there_afterwards(plan: UndoPlan) -> list[str]:
    leaving = {str(person.pk) for person in plan.leaving_people}
    gone = {id_: moment_text(person.gone_at) for id_, person in plan.people.items()}
    gone |= {str(person.pk): entry["gone_at"] for person, entry in plan.back_people}
    if plan.next_link is not None:
        gone |= {entry["id"]: entry["gone_at"] for entry in before_of(plan.next_link)["contacts"]}
    return [id_ for id_ in plan.people if id_ not in leaving and gone[id_] is None]


def _named(person: Contact | None) -> str:
    return str(person) if person else ""
