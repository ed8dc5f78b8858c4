"""What a person does to an issue on its page: read again, dismiss, answer."""

from __future__ import annotations

import pytest

from audit_site.tenants.models import AuditEvent, Tenant, User
from integrations.issues import inbox
from integrations.models import Issue, SyncRun
from tests.clients import browser, text
from tests.factories import make_integration, make_issue, make_member
from tests.integrations.web.inbox_pages import inbox_of, words


def test_reading_again_shows_the_run(mia: User, tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant), company_external_id="7")
    client = browser(mia)

    first = client.post(f"/issues/{issue.pk}/retry/")
    run = SyncRun.objects.get()
    again = client.post(f"/issues/{issue.pk}/retry/", follow=True)

    assert first["Location"] == f"/sync-runs/{run.pk}/"
    assert (run.scope, run.companies, run.trigger) == ("companies", ["7"], "manual")
    assert again.redirect_chain == [(f"/sync-runs/{run.pk}/", 302)]
    assert "A sync is under way already; this is it." in text(again)


def test_reading_everything_again_is_sync_now(mia: User, tenant: Tenant) -> None:
    issue = make_issue(make_integration(tenant))
    client = browser(mia)

    answer = client.post(f"{inbox_of(issue.integration)}retry/")

    run = SyncRun.objects.get()
    assert answer["Location"] == f"/sync-runs/{run.pk}/"
    assert (run.scope, run.trigger, run.accept_gone) == ("all", "manual", {})
    page = text(client.get(inbox_of(issue.integration)))
    assert '<span class="mark busy">Reading</span>' in page
    assert "Waiting for a worker" in page
    assert f'href="/sync-runs/{run.pk}/"' in page


def test_dismissing_goes_back_to_where_it_was_pressed(mia: User, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    first, second = make_issue(integration), make_issue(integration)
    client = browser(mia)
    here = f"http://testserver{inbox_of(integration)}?state=all&page=2"

    plain = client.post(f"/issues/{first.pk}/dismiss/")
    there = client.post(f"/issues/{second.pk}/dismiss/", HTTP_REFERER=here)

    assert plain["Location"] == inbox_of(integration)
    assert there["Location"] == here
    assert set(Issue.objects.values_list("dismissed_by__email", flat=True)) == {mia.email}
    assert "It stays quiet as long as its cause lasts" in text(client.get(inbox_of(integration)))


def test_an_admin_is_asked_once_more_whether_they_are_gone(alex: User, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    question = make_issue(
        integration, code="too_many_gone", external_id="", message="38 of 40 companies are missing."
    )
    client = browser(alex)
    address = f"/issues/{question.pk}/gone/"

    listed = text(client.get(inbox_of(integration)))
    asked = client.get(address)

    assert f'href="{address}">Yes, they are gone…</a>' in listed
    assert "38 of 40 companies are missing." in text(asked)
    assert "Nothing is deleted." in text(asked)
    assert not SyncRun.objects.exists()
    said = client.post(address)
    run = SyncRun.objects.get()
    assert said["Location"] == f"/sync-runs/{run.pk}/"
    assert (run.scope, bool(run.accept_gone)) == ("all", True)
    twice = client.post(address, HTTP_REFERER=f"http://testserver{address}", follow=True)
    assert "is under way, and it began before you said so." in text(twice)
    assert SyncRun.objects.count() == 1


def test_what_asks_nothing_has_no_such_page(alex: User, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    ordinary = make_issue(integration)
    settled = make_issue(integration, code="too_many_gone", external_id="")
    inbox.close_issues(integration, kind="companies", codes=["too_many_gone"])
    client = browser(alex)

    for issue in (ordinary, settled):
        for method in (client.get, client.post):
            assert method(f"/issues/{issue.pk}/gone/")["Location"] == inbox_of(integration)
    assert "they are gone" not in text(client.get(inbox_of(integration)))
    assert not SyncRun.objects.exists()


def test_a_viewer_sees_no_buttons_and_a_member_no_question(
    vic: User, mia: User, tenant: Tenant
) -> None:
    issue = make_issue(make_integration(tenant), code="too_many_gone")

    viewer = words(browser(vic).get(inbox_of(issue.integration)))
    member = words(browser(mia).get(inbox_of(issue.integration)))

    for button in ("Read again", "Read everything again", "Dismiss ", "Yes, they are gone"):
        assert button not in viewer.replace("Dismissed", "")
    for button in ("Read again", "Read everything again", "Dismiss"):
        assert button in member.replace("Dismissed", "")
    assert "Yes, they are gone" not in member


@pytest.mark.parametrize(
    ("role", "path"),
    [
        ("viewer", "/issues/{issue}/retry/"),
        ("viewer", "/issues/{issue}/dismiss/"),
        ("viewer", "/integrations/{integration}/issues/retry/"),
        ("member", "/issues/{issue}/gone/"),
    ],
)
def test_the_server_refuses_what_a_role_may_not(tenant: Tenant, role: str, path: str) -> None:
    issue = make_issue(make_integration(tenant), code="too_many_gone")
    address = path.format(issue=issue.pk, integration=issue.integration_id)

    assert browser(make_member(tenant, role)).post(address).status_code == 403
    assert Issue.objects.get().state == "open"
    assert not SyncRun.objects.exists()
    assert not AuditEvent.objects.exists()
