"""The list of sync runs."""

from __future__ import annotations

import re

from django.utils import timezone

from audit_site.tenants.models import Tenant, User
from tests.clients import browser, text
from tests.factories import make_integration, make_run


def test_the_list_says_what_started_each_run_and_what_it_does(alex: User, tenant: Tenant) -> None:
    integration = make_integration(tenant)
    done = {"state": "succeeded", "phase": ""}
    make_run(integration, **done, trigger="connect")
    make_run(integration, **done, trigger="schedule", reading="changes")
    make_run(integration, **done, trigger="import", scope="companies", companies=["1", "2"],
             started_by=alex)  # fmt: skip
    make_run(integration, started_by=alex, progress_done=1200, progress_total=5000)

    page = text(browser(alex).get("/sync-runs/"))

    cells = [
        " ".join(re.sub(r"<[^>]*>", " ", cell).split())
        for cell in re.findall(r"<td>(.*?)</td>", page, re.DOTALL)
    ]
    rows = [cells[start + 1 : start + 4] for start in range(0, 16, 4)]
    assert rows == [
        ["Sync Now by Alex Admin", "Everything",
         "Running Reading contacts, 1,200 of 5,000 contacts"],
        ["Import by Alex Admin", "2 companies", "Succeeded"],
        ["Schedule", "What changed", "Succeeded"],
        ["Connected", "Everything", "Succeeded"],
    ]  # fmt: skip


def test_the_list_is_filtered_by_integration_and_state(
    alex: User, tenant: Tenant, other_tenant: Tenant
) -> None:
    one, two = make_integration(tenant, name="One"), make_integration(tenant, name="Two")
    foreign = make_integration(other_tenant, name="Foreign")
    wanted = make_run(one, state="failed", phase="")
    others = [
        make_run(one, state="succeeded", phase=""),
        make_run(two, state="failed", phase=""),
        make_run(foreign, state="failed", phase=""),
    ]
    client = browser(alex)

    def found(query: str) -> set[str]:
        page = text(client.get(f"/sync-runs/{query}"))
        assert "Foreign" not in page
        return {str(r.pk) for r in [wanted, *others] if f"/sync-runs/{r.pk}/" in page}

    ids = [str(run.pk) for run in others]
    assert found("") == {str(wanted.pk), ids[0], ids[1]}
    assert found(f"?integration={one.pk}") == {str(wanted.pk), ids[0]}
    assert found("?state=failed") == {str(wanted.pk), ids[1]}
    assert found(f"?integration={one.pk}&state=failed") == {str(wanted.pk)}
    for nothing in (f"?integration={foreign.pk}", "?integration=no-id", "?state=no-state"):
        assert found(nothing) == set()
    page = text(client.get(f"/sync-runs/?integration={one.pk}&state=failed"))
    assert f'<option value="{one.pk}" selected>One</option>' in page
    assert '<option value="failed" selected>Failed</option>' in page


def test_sync_now_during_a_small_reading_says_that_another_follows(
    mia: User, tenant: Tenant
) -> None:
    integration = make_integration(tenant, full_pass_at=timezone.now())
    small = make_run(integration, trigger="schedule", reading="changes", attempts=1)

    page = browser(mia).post(f"/integrations/{integration.pk}/sync/", follow=True)

    assert page.redirect_chain[-1][0] == f"/sync-runs/{small.pk}/"
    shown = text(page)
    assert "A sync is under way already; this is it. Another one follows it." in shown
    assert "<dt>Followed by</dt><dd>Sync Now, asked for meanwhile</dd>" in shown
