"""When suggestions are worked out, and which are stored."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from audit_site.tenants.models import Tenant
from companies.models import Company, Contact
from companies.services import archive_company, create_company, update_company
from integrations.importing.ignoring import ignore_company, unignore_company
from integrations.importing.suggested import suggestions_for
from integrations.links.following import refused_returns
from integrations.links.linking import link_company, unlink_company
from integrations.matching.suggesting import match_links, send_due, want_suggestions
from integrations.models import Integration, LinkMatching, LinkSuggestion, PsaCompanyRecord
from tests.factories import (
    make_company,
    make_integration,
    make_link,
    make_psa_company,
    make_psa_contact,
)
from tests.integrations.matching.suggestions import brief, matched, pair


def test_a_pair_is_stored_with_its_reasons(integration: Integration) -> None:
    company, record = pair(integration, "Amber Vet", email="ada@ambervet.com", phone="2125550142")

    matched(integration.tenant)

    row = LinkSuggestion.objects.get()
    assert (row.company, row.record, row.kind, row.source) == (company, record, "link", None)
    assert (row.score, row.rivals, row.is_sure) == (100, 0, True)
    assert row.reasons == [
        {"code": "same_name", "message": "Same name."},
        {"code": "same_domain", "message": "Same e-mail domain (ambervet.com)."},
        {"code": "same_phone", "message": "Same phone number."},
    ]
    (of_list,) = suggestions_for([record]).values()
    assert (of_list.company_id, of_list.company_name, of_list.score) == (
        company.pk,
        "Amber Vet",
        100,
    )


@pytest.mark.parametrize(
    ("left_for", "is_undone", "is_refused"),
    [
        ("another account", False, True),
        ("another company", False, True),
        ("the same company", False, False),
        ("another account", True, False),
    ],
)
def test_what_an_auditee_has_left_before_is_not_suggested(
    integration: Integration, left_for: str, is_undone: bool, is_refused: bool
) -> None:
    """It would be refused: the offer, the working out and the refusal have one answer."""
    tenant, now = integration.tenant, timezone.now()
    company, record = pair(integration, "Amber Vet")
    matched(tenant)
    account = make_integration(tenant) if left_for == "another account" else integration
    again = {"external_id": record.external_id} if left_for == "the same company" else {}
    first = make_link(company, integration, external_id=record.external_id, unlinked_at=now)
    undone_at = now if is_undone else None
    make_link(company, account, moved_from=first, unlinked_at=now, undone_at=undone_at, **again)

    refused = refused_returns(integration, [(company, record.external_id)])

    assert [error.code for error in refused.values()] == ["moved_before"] * is_refused
    left = 0 if is_refused else 1
    assert LinkSuggestion.objects.offered().count() == left
    assert len(suggestions_for([record])) == left
    matched(tenant)
    assert LinkSuggestion.objects.count() == left


def test_what_is_as_it_was_is_not_written_again(integration: Integration) -> None:
    pair(integration, "Amber Vet")
    _, gone = pair(integration, "Zephyr Legal")
    matched(integration.tenant)
    first = {row.pk: row.found_at for row in LinkSuggestion.objects.all()}

    PsaCompanyRecord.objects.filter(pk=gone.pk).update(name="Somebody else")
    matched(integration.tenant)

    (kept,) = LinkSuggestion.objects.all()
    assert kept.found_at == first[kept.pk]


def _no_longer(integration: Integration, company: Company, record: PsaCompanyRecord) -> dict:
    other = make_psa_company(integration, name="Another")
    return {
        "linked": lambda: make_link(company, integration, external_id=other.external_id),
        "taken": lambda: make_link(
            make_company(integration.tenant), integration, external_id=record.external_id
        ),
        "archived": lambda: archive_company(company=company, actor=None),
        "gone": lambda: PsaCompanyRecord.objects.update(gone_at=timezone.now()),
        "ignored": lambda: ignore_company(
            integration=integration, external_id=record.external_id, actor=None
        ),
        "disconnected": lambda: Integration.objects.update(status="disconnected"),
    }


@pytest.mark.parametrize("what", ["linked", "taken", "archived", "gone", "ignored", "disconnected"])
def test_what_can_not_be_linked_is_not_offered_from_that_moment_on(
    integration: Integration, what: str
) -> None:
    company, record = pair(integration, "Amber Vet")
    matched(integration.tenant)
    assert brief() == [("Amber Vet", "Amber Vet", 80)]

    _no_longer(integration, company, record)[what]()

    assert brief() == []
    matched(integration.tenant)
    assert LinkSuggestion.objects.count() == 0


@pytest.mark.parametrize("flag", ["is_deleted", "is_merged", "is_own"])
def test_what_is_no_company_of_theirs_is_not_suggested(integration: Integration, flag: str) -> None:
    pair(integration, "Amber Vet")
    PsaCompanyRecord.objects.update(**{flag: True})

    matched(integration.tenant)

    assert brief() == []


def test_companies_that_can_not_be_imported_are_suggested_all_the_same(
    integration: Integration,
) -> None:
    pair(integration, "Amber Vet")
    PsaCompanyRecord.objects.update(importable=False, rule_codes=["inactive"])

    matched(integration.tenant)

    assert brief() == [("Amber Vet", "Amber Vet", 80)]


def test_contacts_that_are_gone_say_nothing(integration: Integration) -> None:
    company, _ = pair(integration, "Amber Vet", email="ada@ambervet.com")
    Contact.objects.filter(company=company).update(gone_at=timezone.now())

    matched(integration.tenant)

    assert brief() == [("Amber Vet", "Amber Vet", 80)]


def test_several_accounts_are_rivals_of_each_other(integration: Integration) -> None:
    pair(integration, "Amber Vet", email="ada@ambervet.com")
    other = make_integration(integration.tenant)
    record = make_psa_company(other, name="Amber Vet")
    make_psa_contact(other, "1", record.external_id, email="bob@ambervet.com")

    matched(integration.tenant)

    rows = LinkSuggestion.objects.order_by("record__integration")
    assert [(row.score, row.rivals, row.is_sure) for row in rows] == [(92, 1, False)] * 2
    PsaCompanyRecord.objects.filter(pk=record.pk).update(name="Amber Vet Group")
    matched(integration.tenant)
    rows = LinkSuggestion.objects.order_by("-score")
    assert [(row.score, row.rivals, row.is_sure) for row in rows] == [
        (92, 1, True),
        (78, 1, False),
    ]


def test_tenants_are_not_mixed(integration: Integration, other_tenant: Tenant) -> None:
    make_company(other_tenant, name="Amber Vet")
    make_psa_company(integration, name="Amber Vet")

    matched(integration.tenant)
    matched(other_tenant)

    assert LinkSuggestion.objects.count() == 0


# When


def due(tenant: Tenant) -> LinkMatching:
    want_suggestions(tenant_id=str(tenant.pk))
    return LinkMatching.objects.get(tenant=tenant)


def test_many_changes_are_worked_out_once(integration: Integration) -> None:
    first = due(integration.tenant)
    again = due(integration.tenant)

    assert (again.wanted_at, again.due_at) == (first.wanted_at, first.due_at)
    assert first.due_at - first.wanted_at == timedelta(seconds=5)
    assert (first.state, LinkMatching.objects.count()) == ("queued", 1)


def test_it_is_done_when_it_is_due_and_then_not_again_for_a_while(
    integration: Integration,
) -> None:
    pair(integration, "Amber Vet")
    matching = due(integration.tenant)
    ids = {"tenant_id": str(matching.tenant_id), "matching_id": str(matching.pk)}
    match_links(**ids)
    assert LinkSuggestion.objects.count() == 0

    LinkMatching.objects.update(due_at=timezone.now())
    match_links(**ids)

    matching.refresh_from_db()
    assert (matching.state, matching.found, matching.lease_until) == ("done", 1, None)
    later = due(integration.tenant)
    assert later.due_at - matching.done_at == timedelta(seconds=30)


def test_what_changes_while_it_is_worked_out_is_worked_out_again(
    integration: Integration,
) -> None:
    matching = due(integration.tenant)
    LinkMatching.objects.update(lease_until=timezone.now() + timedelta(minutes=1))

    again = due(integration.tenant)

    assert again.state == "running"
    assert again.wanted_at > matching.wanted_at


def test_who_holds_it_is_not_disturbed_until_its_time_is_over(integration: Integration) -> None:
    pair(integration, "Amber Vet")
    matching = due(integration.tenant)
    ids = {"tenant_id": str(matching.tenant_id), "matching_id": str(matching.pk)}
    now = timezone.now()
    LinkMatching.objects.update(due_at=now, lease_until=now + timedelta(minutes=1))
    match_links(**ids)
    assert LinkSuggestion.objects.count() == 0

    LinkMatching.objects.update(lease_until=now - timedelta(seconds=1))
    match_links(**ids)

    assert LinkSuggestion.objects.count() == 1


ACTS = {
    "created": lambda company, record: create_company(
        tenant=company.tenant, actor=None, name="New", primary_contact={"phone": "2125550142"}
    ),
    "renamed": lambda company, record: update_company(company=company, actor=None, name="New"),
    "archived": lambda company, record: archive_company(company=company, actor=None),
    "linked": lambda company, record: link_company(
        company=company,
        integration=record.integration,
        external_id=record.external_id,
        actor=None,
    ),
    "ignored": lambda company, record: ignore_company(
        integration=record.integration, external_id=record.external_id, actor=None
    ),
}


@pytest.mark.parametrize("act", ACTS)
def test_whatever_changes_a_side_asks_for_them(
    integration: Integration,
    act: str,
    django_capture_on_commit_callbacks: Any,
    messages: list[str],
) -> None:
    company, record = pair(integration, "Amber Vet")

    with django_capture_on_commit_callbacks(execute=True):
        ACTS[act](company, record)

    assert "integrations.want_suggestions" in messages


def test_taking_back_asks_for_them_too(
    integration: Integration, django_capture_on_commit_callbacks: Any, messages: list[str]
) -> None:
    company, record = pair(integration, "Amber Vet")
    ACTS["linked"](company, record)
    unlink = {"company": company, "actor": None}
    with django_capture_on_commit_callbacks(execute=True):
        unlink_company(**unlink)
    assert messages.count("integrations.want_suggestions") == 1
    ACTS["ignored"](company, record)
    with django_capture_on_commit_callbacks(execute=True):
        unignore_company(integration=integration, external_id=record.external_id, actor=None)
    assert messages.count("integrations.want_suggestions") == 2


def test_the_clock_sends_what_is_due(
    integration: Integration, django_capture_on_commit_callbacks: Any, messages: list[str]
) -> None:
    due(integration.tenant)
    with django_capture_on_commit_callbacks(execute=True):
        send_due()
    assert messages == []

    LinkMatching.objects.update(due_at=timezone.now())
    with django_capture_on_commit_callbacks(execute=True):
        send_due()

    assert messages == ["integrations.match_links"]
