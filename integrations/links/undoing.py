"""Undoing a link: the audITee is what it was before, as if the link had never been."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from agreements import stored_mrr, typed
from agreements.causes import caused_by
from agreements.models import Agreement
from agreements.stored_values import KeptValues, restore_values
from audit_site.db.bulk import AnyOf
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.models import Company, Contact, PrimaryChoice
from companies.names import keep_former_names
from companies.services import suggestions_may_differ
from integrations.issues.inbox import close_issues
from integrations.kinds import AGREEMENTS
from integrations.links.kept import KEPT_FIELDS, Kept, moment_of
from integrations.links.linking import audited, lock_companies, stop_reading
from integrations.links.plan_undo import link_to_undo, plan_undo
from integrations.links.undo_plan import UndoPlan, before_of
from integrations.models import CompanyLink, lock_integration
from integrations.runs.starting import start_company_sync

NOBODY: Final = UUID(int=0)


@transaction.atomic
def undo_link(*, company: Company, actor: User | None, link_id: UUID | None = None) -> UndoPlan:
    """Undo a link of an audITee, its newest unless another one is named; returns what was done.

    Name, type, contacts and primary contact are as before the link; what it brought in agreements
    is out of all days. What people changed on our side after it stays. The integration's lock comes
    first, so that a page of a run that is being written ends before; then the audITee's. Raises the
    DomainErrors of `link_to_undo`: of two undos at once the second.
    """
    asked = link_to_undo(company, link_id)
    lock_accounts([asked])
    company = lock_companies(company.tenant, [company.pk])[company.pk]
    link = link_to_undo(company, asked.pk)
    plan = plan_undo(company, link)
    if link.is_in_force:
        stop_reading(link, company, actor)
    if plan.next_link is None:
        _put_back(plan)
    else:
        _rewrite(plan, plan.next_link)
    _end(link)
    with caused_by("undo_link", actor=actor):
        typed.put_back(link=link, actor=actor)
        _take_out_agreements(plan)
    _audit(plan, actor)
    _lead_back(plan)
    _read_again(plan)
    suggestions_may_differ(company.tenant)
    return plan


def lock_accounts(links: Collection[CompanyLink]) -> None:
    """The accounts of links, and those that their audITees came from, in the order of ids."""
    accounts = {link.integration_id: link.integration for link in links}
    for former in (link.moved_from for link in links):
        if former is not None:
            accounts[former.integration_id] = former.integration
    for _, integration in sorted(accounts.items()):
        lock_integration(integration)


def _lead_back(plan: UndoPlan) -> None:
    former = plan.leads_back_to
    if former is None:
        return
    rows = CompanyLink.objects.of(former.integration).filter(pk=former.pk)
    rows.update(unlinked_at=None, read_at=None)
    if not former.integration.is_disconnected:
        start_company_sync(company=plan.company, actor=None)


def _read_again(plan: UndoPlan) -> None:
    """What left may stand in the PSA below the link in force, unchanged: its reading shows that."""
    current = plan.later[-1] if plan.later else None
    if current is None or current.read_at is None or not current.is_active:
        return
    of_account = [row for row in plan.leaving if row.integration_id == current.integration_id]
    if any(row.gone_at is None for row in of_account):
        start_company_sync(company=plan.company, actor=None)


def _end(link: CompanyLink) -> None:
    now = timezone.now()
    link.unlinked_at, link.undone_at = link.unlinked_at or now, now
    # what it was before is needed no more, and people stand in it
    link.before, link.left = None, None
    link.save(update_fields=["unlinked_at", "undone_at", "before", "left"])


def _put_back(plan: UndoPlan) -> None:
    """Set the audITee and its contacts to what they were."""
    company = plan.company
    if plan.name != company.name:
        keep_former_names(company.tenant, {company.pk: company.name})
    company.name, company.type = plan.name, plan.type
    company.save(update_fields=["name", "type", "updated_at"])
    _settle_people(plan)
    _settle_choice(plan)
    ours = Contact.objects.for_tenant(company.tenant).filter(company=company)
    wanted = ours.filter(pk=plan.primary or NOBODY)
    ours.filter(is_primary=True).exclude(pk__in=wanted.values("pk")).update(is_primary=False)
    wanted.filter(is_primary=False).update(is_primary=True)


def _settle_people(plan: UndoPlan) -> None:
    ours = Contact.objects.for_tenant(plan.company.tenant).filter(company=plan.company)
    ours.filter(AnyOf("id", [person.pk for person in plan.leaving_people])).delete()
    for person, entry in plan.back_people:
        for name in KEPT_FIELDS:
            setattr(person, name, entry[name])
        person.gone_at = moment_of(entry["gone_at"])
    Contact.objects.bulk_update(
        [person for person, _ in plan.back_people], [*KEPT_FIELDS, "gone_at"]
    )
    kept = [person.pk for person in plan.kept_people]
    ours.filter(AnyOf("id", kept)).update(external_id="", fingerprint="", gone_at=None)


def _settle_choice(plan: UndoPlan) -> None:
    """Whom a person had chosen before the link is chosen again; what was chosen after it stays."""
    tenant, link = plan.company.tenant, plan.link
    rows = PrimaryChoice.objects.for_tenant(tenant).filter(company=plan.company)
    current = rows.first()
    if current and current.contact_id and link.unlinked_at and current.chosen_at > link.unlinked_at:
        return
    rows.delete()
    choice = before_of(link).get("choice")
    if not choice or choice["contact"] not in plan.people:
        return
    PrimaryChoice.objects.create(
        tenant=tenant,
        company=plan.company,
        contact=plan.people[choice["contact"]],
        chosen_by=User.objects.filter(pk=choice["by"]).first() if choice["by"] else None,
        chosen_by_name=choice["by_name"] or "",
        chosen_at=moment_of(choice["at"]) or timezone.now(),
        gone_at=moment_of(choice["gone_at"]),
    )


def _rewrite(plan: UndoPlan, following: CompanyLink) -> None:
    """The next link came upon what was before this one: its own undo leads back to that."""
    _settle_people(plan)
    now, before = before_of(following), before_of(plan.link)
    people = {entry["id"]: entry for entry in before["contacts"] if entry["external_id"]}
    edited = {str(person.pk) for person in plan.kept_people}
    contacts = [
        people.get(entry["id"], entry)
        for entry in now["contacts"]
        if entry["id"] not in plan.brought
    ]
    contacts += [
        {**entry, "external_id": "", "fingerprint": "", "gone_at": None}
        for entry in now["contacts"]
        if entry["id"] in edited
    ]
    following.before = {
        "name": plan.name,
        "type": plan.type,
        "primary": plan.primary,
        "choice": _choice_before(plan, now),
        "contacts": contacts,
        "agreements": {
            id_: before["agreements"].get(id_, gone_at)
            for id_, gone_at in now["agreements"].items()
            if id_ not in plan.brought
        },
        "values": _values_before(plan, now),
    }
    following.given_name = following.given_name or plan.link.given_name
    following.save(update_fields=["before", "given_name"])
    if plan.is_followed:
        _forget_place(plan, following)
    for later in plan.later[1:]:
        _forget_earlier(plan, later)
    _keep_a_primary(plan)


def _forget_place(plan: UndoPlan, following: CompanyLink) -> None:
    """The next link took the place of the one before this; of none, what it brought counts on all
    days. So it is with links to the same PSA company that went on where that was.
    """
    recount = plan.recount
    following.moved_from = plan.link.moved_from
    following.save(update_fields=["moved_from"])
    if recount is None:
        return
    account, was, becomes = recount
    rows = Agreement.objects.for_tenant(plan.company.tenant).filter(company=plan.company)
    rows.filter(integration=account, counts_from=was).update(counts_from=becomes)
    links = CompanyLink.objects.for_tenant(plan.company.tenant).filter(company=plan.company)
    links = links.filter(integration=account, external_id=following.external_id, counts_from=was)
    links.update(counts_from=becomes)


def _forget_earlier(plan: UndoPlan, later: CompanyLink) -> None:
    """What stays came with the first later link that has shown it; it was not there before that."""
    came = {id_ for id_, by in plan.shown_by.items() if later.linked_at <= by.linked_at}
    if later.before is None or not came:
        return
    before = before_of(later)
    contacts = [entry for entry in before["contacts"] if entry["id"] not in came]
    agreements = {id_: at for id_, at in before["agreements"].items() if id_ not in came}
    later.before = {**before, "contacts": contacts, "agreements": agreements}
    later.save(update_fields=["before"])


def _keep_a_primary(plan: UndoPlan) -> None:
    """Where the primary contact left and the link in force was not read yet: the one of before."""
    ours = Contact.objects.for_tenant(plan.company.tenant).filter(company=plan.company)
    if not ours.filter(is_primary=True).exists():
        ours.filter(pk=plan.primary or NOBODY).update(is_primary=True)


def _values_before(plan: UndoPlan, now: Kept) -> dict[str, KeptValues]:
    """What agreements said when the next link came, as if this one had never been."""
    kept = {**now.get("values", {}), **before_of(plan.link).get("values", {})}
    return {id_: values for id_, values in kept.items() if id_ not in plan.brought}


def _choice_before(plan: UndoPlan, now: Kept) -> dict[str, str | None] | None:
    """Whom a person had chosen when the next link came, as if this one had never been."""
    choice, ended = now.get("choice"), plan.link.unlinked_at
    at = moment_of(choice["at"]) if choice else None
    return choice if at and ended and at > ended else before_of(plan.link).get("choice")


def _take_out_agreements(plan: UndoPlan) -> None:
    """Out of every day, with the decisions about them; the audit trail keeps those."""
    tenant, company = plan.company.tenant, plan.company
    touched = stored_mrr.with_children(tenant, [company.pk])
    rows = Agreement.objects.for_tenant(tenant).filter(company=company)
    restore_values(tenant, plan.restored)
    for agreement_id, gone_at in plan.gone.items():
        rows.filter(pk=agreement_id).update(gone_at=gone_at)
    rows.filter(AnyOf("id", [row.pk for row in plan.leaving])).delete()
    close_issues(
        plan.link.integration,
        kind=AGREEMENTS.singular,
        external_ids={row.external_id for row in plan.leaving},
    )
    stored_mrr.refresh(tenant, touched)


def _audit(plan: UndoPlan, actor: User | None) -> None:
    changes = [one for one in plan.changes if one.field != "primary_contact"]
    record_audit(
        tenant=plan.company.tenant,
        actor=actor,
        action="company.link_undone",
        subject=plan.company,
        before={**audited(plan.link), **{one.field: one.before for one in changes}},
        after={
            **{one.field: one.after for one in changes},
            "agreements_taken_out": [row.external_id for row in plan.leaving],
            "contacts_taken_out": [str(row.pk) for row in plan.leaving_people],
        },
    )
