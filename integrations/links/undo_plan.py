"""What undoing a link would do to an audITee, worked out before anything is done.

A link took hold between the `before` of its own and what stands now; or, where the audITee was
linked again after it, the `before` of that next link. What came in between came by the link.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Final, Literal
from uuid import UUID

from agreements import books
from agreements.figures import Part, Total, totals_of
from agreements.models import Agreement, ChoiceRecord
from agreements.stored_values import KeptValues, differing
from agreements.typed import set_aside_for
from audit_site.db.bulk import AnyOf
from audit_site.errors import DomainError
from companies.models import Company, Contact
from integrations.importing.record_store import contact_values, fingerprint
from integrations.links.kept import KEPT_FIELDS, Kept, Left, moment_of, moment_text
from integrations.links.shown_later import later_links, shows_agreement, shows_person
from integrations.models import CompanyLink

#: So many ended links are shown.
MOST_EARLIER: Final = 20


@dataclass(frozen=True, slots=True)
class Replaced:
    """A field that goes back: what it is, and what it was."""

    field: str
    before: str
    after: str


@dataclass
class UndoPlan:
    """What an undo does. `later`: the links that followed it and stand, in their order.

    `people`: the audITee's contacts by id. `brought`: ids of contacts and agreements that came with
    the link, also of those that stay since a later link has shown them (`shown_by`). `gone` says of
    agreements that were here before the link since when they are gone, None = they are not, and
    `restored` what they had said then.
    """

    company: Company
    link: CompanyLink
    later: list[CompanyLink]
    people: dict[str, Contact]
    name: str = ""
    type: str = ""
    primary: str | None = None
    changes: list[Replaced] = field(default_factory=list)
    leaving_people: list[Contact] = field(default_factory=list)
    kept_people: list[Contact] = field(default_factory=list)
    back_people: list[tuple[Contact, dict[str, Any]]] = field(default_factory=list)
    leaving: list[Agreement] = field(default_factory=list)
    brought: set[str] = field(default_factory=set)
    shown_by: dict[str, CompanyLink] = field(default_factory=dict)
    gone: dict[UUID, datetime | None] = field(default_factory=dict)
    restored: dict[UUID, KeptValues] = field(default_factory=dict)
    typed_again: list[Agreement] = field(default_factory=list)

    @property
    def next_link(self) -> CompanyLink | None:
        """The one that followed, None = the audITee is as it is now."""
        return self.later[0] if self.later else None

    @cached_property
    def counts_always(self) -> UUID | None:
        """The account whose agreements counted from a move on that nothing precedes now."""
        following = self.next_link
        if following is None or following.moved_from_id != self.link.pk:
            return None
        return following.integration_id if self.link.moved_from_id is None else None

    @cached_property
    def mrr_before(self) -> list[Total]:
        return self._totals(books.prepare_company(self.company.tenant, self.company.pk))

    @cached_property
    def mrr_after(self) -> list[Total]:
        ids = {agreement.pk for agreement in self.leaving}
        book = books.prepare_company(
            self.company.tenant,
            self.company.pk,
            without=ids,
            gone=self.gone,
            put_back={agreement.pk for agreement in self.typed_again},
            as_kept=self.restored,
            counts_always=self.counts_always,
        )
        return self._totals(book)

    @cached_property
    def decisions(self) -> int:
        """How many decisions of people leave with the agreements."""
        rows = ChoiceRecord.objects.for_tenant(self.company.tenant)
        return rows.filter(AnyOf("agreement_pk", [row.pk for row in self.leaving])).count()

    def _totals(self, book: Any) -> list[Total]:
        return totals_of([Part(book)], self.company.tenant.today())


def _named(person: Contact | None) -> str:
    return str(person) if person else ""


def link_to_undo(company: Company, link_id: UUID | None = None) -> CompanyLink:
    """The link that was asked for, else the newest one of the audITee, in force or ended.

    DomainError when there is none, when it is undone already, or when nobody knows what was before
    it.
    """
    rows = CompanyLink.objects.for_tenant(company.tenant).filter(company=company)
    rows = rows.select_related("integration__tenant", "moved_from__integration__tenant")
    chosen = rows.filter(pk=link_id) if link_id else rows
    link = chosen.order_by("-linked_at", "-id").first()
    if link is None:
        raise DomainError("not_linked", "This audITee has not been linked to a PSA.")
    if link.undone_at is not None:
        raise DomainError(
            "already_undone",
            f"The link of “{company.name}” to {link.integration.name} is undone already.",
            "Load the audITee again to see it as it is now.",
        )
    if link.before is None:
        raise DomainError(
            "nothing_to_undo",
            f"Nothing is known of what “{company.name}” was before this link: the import made it, "
            "or the link is older than what is kept.",
            "Unlink it, or archive it.",
        )
    return link


def earlier_links(company: Company) -> list[CompanyLink]:
    """Ended links of an audITee that can still be undone, the newest first."""
    rows = CompanyLink.objects.for_tenant(company.tenant).filter(company=company)
    ended = rows.undoable_first().filter(can_undo=True).exclude(pk__in=rows.in_force())
    return list(ended.select_related("integration").defer("before", "left")[:MOST_EARLIER])


def can_undo(link: CompanyLink | None) -> bool:
    """Whether a link, the newest one of its audITee, can be undone."""
    return link is not None and link.undone_at is None and link.before is not None


def plan_undo(company: Company, link: CompanyLink) -> UndoPlan:
    """What undoing this link would do now. Six statements at the most."""
    people = Contact.objects.for_tenant(company.tenant).filter(company=company).order_by("id")
    plan = UndoPlan(company, link, later_links(link), {str(person.pk): person for person in people})
    _plan_people(plan)
    _plan_own_fields(plan)
    _plan_agreements(plan)
    return plan


def _before(link: CompanyLink) -> Kept:
    kept: Kept = link.before  # type: ignore[assignment]
    return kept


# Contacts


def _plan_people(plan: UndoPlan) -> None:
    """Contacts that came with the link leave, unless a person changed them; others are as before.

    What a person typed in stays as it is; a contact that was erased does not come back.
    """
    before = {entry["id"]: entry for entry in _before(plan.link)["contacts"]}
    for id_, person in plan.people.items():
        if not person.external_id or not _was_there(plan, "contacts", id_):
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


def _was_there(plan: UndoPlan, kind: Literal["contacts", "agreements"], id_: str) -> bool:
    """Whether it was there when the next link came; what came after that is not this link's."""
    if plan.next_link is None:
        return True
    kept = _before(plan.next_link)
    if kind == "agreements":
        return id_ in kept["agreements"]
    return any(entry["id"] == id_ for entry in kept["contacts"])


def _differs(person: Contact, entry: Mapping[str, Any]) -> bool:
    same_gone = person.gone_at == moment_of(entry["gone_at"])
    return not same_gone or any(getattr(person, name) != entry[name] for name in KEPT_FIELDS)


def _is_edited(person: Contact) -> bool:
    """Whether a person changed a contact after the PSA had shown it."""
    values = contact_values(person, person.company_id)  # type: ignore[arg-type]
    return fingerprint(values) != person.fingerprint


# Name, type, primary contact


def _plan_own_fields(plan: UndoPlan) -> None:
    link, before = plan.link, _before(plan.link)
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
        return _before(plan.next_link)
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
    wanted = (chosen, _before(plan.link)["primary"], now)
    return next((id_ for id_ in wanted if id_ in there), there[0] if there else None)


def _there_afterwards(plan: UndoPlan) -> list[str]:
    leaving = {str(person.pk) for person in plan.leaving_people}
    gone = {id_: moment_text(person.gone_at) for id_, person in plan.people.items()}
    gone |= {str(person.pk): entry["gone_at"] for person, entry in plan.back_people}
    if plan.next_link is not None:
        gone |= {entry["id"]: entry["gone_at"] for entry in _before(plan.next_link)["contacts"]}
    return [id_ for id_ in plan.people if id_ not in leaving and gone[id_] is None]


# Agreements


def _plan_agreements(plan: UndoPlan) -> None:
    """What the link brought leaves for every day; what it ended goes on as before, and what was
    typed and set aside for it counts again.
    """
    if plan.next_link is None:
        plan.typed_again = list(set_aside_for(plan.link))
    before = _before(plan.link)["agreements"]
    ours = Agreement.objects.for_tenant(plan.company.tenant).filter(company=plan.company)
    rows = list(ours.from_psas().order_by("id"))
    for row in rows:
        id_ = str(row.pk)
        if not _was_there(plan, "agreements", id_):
            continue
        if id_ in before:
            if plan.next_link is None and row.gone_at != moment_of(before[id_]):
                plan.gone[row.pk] = moment_of(before[id_])
            elif _ended_by_move(plan, row):
                plan.gone[row.pk] = plan.later[0].linked_at
            continue
        plan.brought.add(id_)
        shown_by = next((one for one in plan.later if shows_agreement(plan.link, one, row)), None)
        if shown_by is None:
            plan.leaving.append(row)
        else:
            plan.shown_by[id_] = shown_by
    _plan_values(plan, rows)


def _ended_by_move(plan: UndoPlan, row: Agreement) -> bool:
    """Whether it ended as the audITee moved here, from where it moved on: it ends on that day."""
    former, following = plan.link.moved_from, plan.next_link
    if former is None or following is None or following.moved_from_id != plan.link.pk:
        return False
    return row.integration_id == former.integration_id and row.gone_at == plan.link.linked_at


def _plan_values(plan: UndoPlan, rows: list[Agreement]) -> None:
    """What was here before and was read again says what it said, unless a later link has read it.

    Then it is the later link's own undo that leads back to that.
    """
    kept = _before(plan.link).get("values", {})
    ours = [
        row
        for row in rows
        if str(row.pk) in kept
        and not any(shows_agreement(plan.link, one, row) for one in plan.later)
    ]
    plan.restored = differing(plan.company.tenant, kept, ours)
