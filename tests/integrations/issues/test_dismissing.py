"""A dismissed issue is quiet until its cause was gone and returned."""

from __future__ import annotations

import pytest
from django.utils import timezone

from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.issues import inbox
from integrations.issues.inbox import IssueReport, raise_issues
from integrations.issues.selectors import open_issues_of
from integrations.models import Integration, Issue
from tests.factories import make_integration, make_issue


def test_a_dismissed_one_is_quiet_until_its_cause_was_gone_and_returned(
    alex: User, tenant: Tenant
) -> None:
    integration = make_integration(tenant)
    first = make_issue(integration, external_id="7")

    inbox.dismiss(first, actor=alex)
    assert (first.state, first.dismissed_by) == ("dismissed", alex)
    assert make_issue(integration, external_id="7") == first
    first.refresh_from_db()
    assert (first.state, first.times) == ("dismissed", 2)
    assert open_issues_of(tenant, [integration]) == {}

    assert inbox.close_issues(integration, kind="companies", external_ids={"7"}) == 1
    second = make_issue(integration, external_id="7")

    first.refresh_from_db()
    assert first.state == "closed"
    assert second != first
    assert (second.state, second.times, second.dismissed_by) == ("open", 1, None)
    assert open_issues_of(tenant, [integration]) == {integration.pk: 1}


def test_who_dismissed_first_stays(alex: User, mia: User, tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant))
    first, second = alex, mia

    inbox.dismiss(issue, actor=first)
    inbox.dismiss(issue, actor=second)

    assert issue.dismissed_by == first
    assert AuditEvent.objects.get().actor_id == str(first.pk)


def test_what_was_put_aside_and_cured_can_not_be_dismissed_again(connected: Integration) -> None:
    raise_issues(connected, [IssueReport("company", "deleted", "m", external_id="1")])
    Issue.objects.update(closed_at=timezone.now())

    with pytest.raises(inbox.DomainError) as error:
        inbox.dismiss(Issue.objects.get(), actor=None)

    assert error.value.code == "issue_closed"
