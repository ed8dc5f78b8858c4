"""Agreements that people type in where no PSA has them: added, changed, removed, set aside.

They are agreements like all others, without an integration. When their company is linked to a PSA
they are set aside on all days, until a person counts them by a decision (`force_include`) made
after that; when that link is undone they are as they were before it. Every act is kept in
`TypedChange`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from agreements import stored_mrr
from agreements.causes import caused_by
from agreements.decisions import choose
from agreements.models import MANUAL, Agreement, AgreementChoices, TypedAgreement, TypedChange
from agreements.typed_values import FIELDS, read_typed, typed_values
from audit_site.db.bulk import AnyOf
from audit_site.errors import DomainError
from audit_site.ids import new_id
from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import User
from companies.models import Company
from integrations.models import CompanyLink

Act = TypedChange.Act
ACTIONS: Final = {
    Act.ADDED: "agreement.typed",
    Act.CHANGED: "agreement.changed",
    Act.REMOVED: "agreement.removed",
    Act.SET_ASIDE: "agreement.set_aside",
    Act.PUT_BACK: "agreement.put_back",
}

#: What an agreement says of being set aside.
ASIDE: Final = ("set_aside", "set_aside_psa", "set_aside_since")


@transaction.atomic
def add_agreement(*, company: Company, actor: User | None, values: Mapping[str, Any]) -> Agreement:
    """Add an agreement to a company; set aside at once where the company is linked to a PSA.

    `values` are those of `typed_values.FIELDS`. Raises FieldErrors.
    """
    columns = read_typed(values)
    note = columns.pop("note")
    _hold(company)
    links = CompanyLink.objects.for_tenant(company.tenant).in_force()
    link = links.filter(company=company).select_related("integration").first()
    now, pk = timezone.now(), new_id()
    agreement = Agreement(
        pk=pk,
        tenant=company.tenant,
        company=company,
        source=MANUAL,
        external_id=str(pk),
        cancelled=False,
        synced_at=now,
        **columns,
    )
    if link is not None:
        _aside(agreement, link)
    agreement.save(force_insert=True)
    TypedAgreement.objects.create(
        tenant=company.tenant,
        agreement=agreement,
        note=note,
        typed_by=actor,
        typed_by_name=_name_of(actor),
        typed_at=now,
        set_aside_at=now if link else None,
        set_aside_link=link,
    )
    _keep(agreement, Act.ADDED, actor, {}, typed_values(agreement, note))
    _follow(company, actor)
    return agreement


@transaction.atomic
def change_agreement(
    *, agreement: Agreement, actor: User | None, changes: Mapping[str, Any]
) -> Agreement:
    """Change some fields of a typed agreement. Raises `owned_by_psa` or FieldErrors."""
    stored = _held(agreement)
    details = stored.typed
    before = typed_values(stored, details.note)
    given = {**before, "start_date": stored.start_date, "end_date": stored.end_date, **changes}
    columns = read_typed(given)
    details.note = columns.pop("note")
    for name, value in columns.items():
        setattr(stored, name, value)
    after = typed_values(stored, details.note)
    if after == before:
        return stored
    stored.synced_at = details.changed_at = timezone.now()
    details.changed_by_name = _name_of(actor)
    stored.save(update_fields=[*columns, "synced_at"])
    details.save(update_fields=["note", "changed_at", "changed_by_name"])
    changed = [name for name in FIELDS if before[name] != after[name]]
    _keep(stored, Act.CHANGED, actor, *({n: v[n] for n in changed} for v in (before, after)))
    _follow(stored.company, actor)
    return stored


@transaction.atomic
def remove_agreement(*, agreement: Agreement, actor: User | None) -> None:
    """Take a typed agreement out of all days. What it said stays in the history."""
    stored = _held(agreement)
    company = stored.company
    _keep(stored, Act.REMOVED, actor, typed_values(stored, stored.typed.note), {})
    stored.delete()
    _follow(company, actor)


def _held(agreement: Agreement) -> Agreement:
    """The typed agreement as it is now, held until the transaction ends."""
    refuse_psas(agreement)
    _hold(agreement.company)
    stored = _typed_of(agreement.company).filter(pk=agreement.pk).first()
    if stored is None:
        message = "Somebody has removed this agreement."
        raise DomainError("not_found", message, status=404)
    return stored


def refuse_psas(agreement: Agreement) -> None:
    """Only what was typed in here is changed in here."""
    if agreement.integration is not None:
        name = agreement.integration.psa_info.name
        raise DomainError(
            "owned_by_psa",
            f"This agreement comes from {name}.",
            f"Change it in {name} and re-sync, or decide in its MRR whether it counts.",
        )


# When a PSA is linked


@transaction.atomic
def set_aside(*, links: Sequence[CompanyLink], actor: User | None) -> None:
    """Companies were linked: what was typed of them counts no more on any day, and stays listed.

    A decision that had counted it before is taken back, and kept for `put_back`. Call it in the
    transaction that makes the links of one tenant, under the companies' locks.
    """
    if not links:
        return
    tenant, by_company = links[0].tenant, {link.company_id: link for link in links}
    chosen = Agreement.objects.for_tenant(tenant).typed().filter(AnyOf("company_id", by_company))
    rows = list(_with_details(chosen.filter(set_aside=False)))
    counted, now = _counted_by_choice(rows), timezone.now()
    for agreement in rows:
        _aside(agreement, by_company[agreement.company_id])
        agreement.typed.counted_before = agreement.pk in counted
        agreement.typed.set_aside_at = now
        agreement.typed.set_aside_link = by_company[agreement.company_id]
    _save_aside(rows, Act.SET_ASIDE, actor)
    note = "It was set aside when a PSA was linked."
    _count(dict.fromkeys((row for row in rows if row.pk in counted), False), note, actor)
    if rows:
        stored_mrr.refresh(tenant, {row.company_id for row in rows})


@transaction.atomic
def put_back(*, link: CompanyLink, actor: User | None) -> None:
    """A link was undone: what was set aside for it is as it was before.

    Where the company was linked again since, it stays aside for that link. Call it in the
    transaction that undoes the link, under the company's lock, and refresh its figures after all
    that the undo changes.
    """
    rows = list(set_aside_for(link))
    following = next_link(link)
    if following is not None:
        for agreement in rows:
            _aside(agreement, following)
            agreement.typed.set_aside_link = following
        Agreement.objects.bulk_update(rows, ASIDE)
        TypedAgreement.objects.bulk_update([row.typed for row in rows], ["set_aside_link"])
        return
    counted = _counted_by_choice(rows)
    before = {agreement: agreement.typed.counted_before for agreement in rows}
    for agreement in rows:
        agreement.set_aside = agreement.typed.counted_before = False
        agreement.set_aside_psa, agreement.set_aside_since = "", None
        agreement.typed.set_aside_at = agreement.typed.set_aside_link = None
    _save_aside(rows, Act.PUT_BACK, actor)
    differ = {row: counts for row, counts in before.items() if counts != (row.pk in counted)}
    _count(differ, "The link was undone for which it had been set aside.", actor)


def _aside(agreement: Agreement, link: CompanyLink) -> None:
    """It waits, since this link was made."""
    agreement.set_aside = True
    agreement.set_aside_psa = link.integration.psa_info.name
    agreement.set_aside_since = agreement.tenant.today(link.linked_at)


def _counted_by_choice(rows: Sequence[Agreement]) -> set[UUID]:
    """Which of these somebody counts by a decision; held until the transaction ends."""
    if not rows:
        return set()
    chosen = AgreementChoices.objects.for_tenant(rows[0].tenant).filter(
        AnyOf("agreement_id", [row.pk for row in rows]), force_include=True
    )
    held = chosen.order_by("agreement").select_for_update()
    return set(held.values_list("agreement_id", flat=True))


def _count(counts: Mapping[Agreement, bool], note: str, actor: User | None) -> None:
    """Decide of each whether it counts by a decision. The caller refreshes the figures."""
    for agreement, is_counted in counts.items():
        changes = {"force_include": is_counted}
        choose(
            agreement=agreement,
            actor=actor,
            changes=changes,
            note=note,
            repeats=True,
            refresh=False,
        )


def set_aside_for(link: CompanyLink) -> QuerySet[Agreement]:
    """What was set aside for a link."""
    return _typed_of(link.company).filter(set_aside=True, typed__set_aside_link=link)


def next_link(link: CompanyLink) -> CompanyLink | None:
    """The link of the same company that came after this one, and was not undone."""
    rows = CompanyLink.objects.for_tenant(link.tenant).standing()
    rows = rows.filter(company=link.company_id, linked_at__gt=link.linked_at)
    return rows.select_related("integration").order_by("linked_at", "id").first()


def _save_aside(rows: Sequence[Agreement], act: str, actor: User | None) -> None:
    Agreement.objects.bulk_update(rows, ASIDE)
    details = [row.typed for row in rows]
    columns = ["set_aside_at", "set_aside_link", "counted_before"]
    TypedAgreement.objects.bulk_update(details, columns)
    for agreement in rows:
        is_aside = agreement.set_aside
        _keep(agreement, act, actor, {"set_aside": not is_aside}, {"set_aside": is_aside})


def _typed_of(company: Company) -> QuerySet[Agreement]:
    rows = Agreement.objects.for_tenant(company.tenant).typed().filter(company=company)
    return _with_details(rows)


def _with_details(rows: QuerySet[Agreement]) -> QuerySet[Agreement]:
    return rows.select_related("tenant", "company__tenant", "typed").order_by("id")


# What all of them do


def _hold(company: Company) -> None:
    """Nobody else types or links meanwhile."""
    rows = Company.objects.for_tenant(company.tenant).select_for_update(no_key=True)
    rows.filter(pk=company.pk).first()


def _follow(company: Company, actor: User | None) -> None:
    """The company's figures follow, and its book knows why."""
    with caused_by("manual", actor=actor):
        stored_mrr.refresh(company.tenant, [company.pk])


def _name_of(actor: User | None) -> str:
    return str(actor) if actor else ""


def _keep(
    agreement: Agreement,
    act: str,
    actor: User | None,
    before: Mapping[str, Any],
    after: Mapping[str, Any],
) -> None:
    """Keep an act in the history, and say so in the audit trail."""
    TypedChange.objects.create(
        tenant_id=agreement.tenant_id,
        company_id=agreement.company_id,
        agreement_pk=agreement.pk,
        name=agreement.name,
        act=act,
        before=dict(before),
        after=dict(after),
        actor=actor,
        actor_name=_name_of(actor),
    )
    record_audit(
        tenant=agreement.tenant,
        actor=actor,
        action=ACTIONS[Act(act)],
        subject=agreement,
        before=before,
        after=after,
    )


def typed_changes(company: Company) -> QuerySet[TypedChange]:
    """What people typed of a company's agreements, newest first."""
    rows = TypedChange.objects.for_tenant(company.tenant).filter(company=company)
    return rows.order_by("-at", "-id")
