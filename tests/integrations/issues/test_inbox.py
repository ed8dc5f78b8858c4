"""The issues inbox: whose an issue is, what stays in the trail, what is forgotten."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone

from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.issues import inbox
from integrations.issues.selectors import list_issues
from integrations.models import Issue, SyncRun
from integrations.runs import history
from tests.factories import (
    make_company,
    make_integration,
    make_issue,
    make_link,
    make_psa_company,
)


def test_each_act_is_in_the_audit_trail_and_no_name_of_a_person(alex: User, tenant: Tenant) -> None:
    integration, actor = make_integration(tenant, name="Our ConnectWise"), alex
    person = make_issue(
        integration,
        kind="contacts",
        external_id="31",
        name="Ada Lovelace",
        company_external_id="7",
    )
    question = make_issue(integration, code="too_many_gone", external_id="")

    read, _ = inbox.retry(person, actor=actor)
    inbox.dismiss(person, actor=actor)
    gone = inbox.confirm_gone(question, actor=actor)
    SyncRun.objects.update(state="succeeded")
    everything, _ = inbox.retry_all(integration, actor=actor)

    rows = AuditEvent.objects.exclude(action="sync.started").order_by("id")
    about = {"kind": "contacts", "external_id": "31", "code": "invalid_record"}
    assert [(row.action, row.after) for row in rows] == [
        ("issue.retried", {"issue": str(person.pk), **about, "run": str(read.pk)}),
        ("issue.dismissed", {"issue": str(person.pk), **about}),
        (
            "issue.gone_confirmed",
            {
                "issue": str(question.pk),
                "kind": "companies",
                "external_id": "",
                "code": "too_many_gone",
                "run": str(gone.pk),
            },
        ),
        ("issues.retried", {"run": str(everything.pk)}),
    ]
    trail = AuditEvent.objects.all()
    assert {row.person_id for row in trail} == {str(actor.pk)}
    assert {row.object_name for row in trail} == {"Our ConnectWise"}


def test_the_inbox_knows_the_auditee_or_the_psa_company(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    integration, foreign = make_integration(tenant), make_integration(other_tenant)
    company = make_company(tenant, name="Acme")
    make_link(company, integration, external_id="7")
    make_psa_company(integration, external_id="8", name="Only there")
    make_link(make_company(other_tenant), foreign, external_id="9")
    make_psa_company(foreign, external_id="9")
    for external_id in ("7", "8", "9", ""):
        make_issue(integration, external_id=f"x{external_id}", company_external_id=external_id)

    make_issue(integration, kind="company", external_id="8")  # the company itself
    make_issue(integration, kind="contact", external_id="8")  # only by chance the same id

    rows = list_issues(tenant, integration=integration)

    assert [
        (row.external_id, row.linked_company_id, row.linked_company_name, row.psa_company_name)
        for row in rows
    ] == [
        ("8", None, None, None),
        ("8", None, None, "Only there"),
        ("x", None, None, None),
        ("x9", None, None, None),
        ("x8", None, None, "Only there"),
        ("x7", company.pk, "Acme", None),
    ]


def test_closed_ones_are_forgotten_with_the_history(tenant: Tenant, settings: Any) -> None:
    integration = make_integration(tenant)
    old, new, still_open = (make_issue(integration) for _ in range(3))
    days = settings.SYNC_HISTORY_DAYS
    Issue.objects.update(first_seen_at=timezone.now() - timedelta(days=days + 9))
    for issue, age in ((old, days + 1), (new, days - 1)):
        Issue.objects.filter(pk=issue.pk).update(closed_at=timezone.now() - timedelta(days=age))

    history.prune_history()

    assert set(Issue.objects.all()) == {new, still_open}
