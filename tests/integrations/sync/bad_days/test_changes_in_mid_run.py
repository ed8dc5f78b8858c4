"""Keys, links, licence and address change in the middle of a run."""

from __future__ import annotations

from typing import Any

import pytest

from agreements.models import Agreement
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.connecting.lifecycle import disconnect_integration, update_integration
from integrations.links.linking import unlink_company
from tests.integrations.sync.bad_days.day import Day, Outcome, gone, said, stored
from tests.worker import work_off

pytestmark = pytest.mark.once


def test_keys_that_are_replaced_in_mid_run(day: Day, outcome: Outcome) -> None:
    run = day.in_the_middle()
    secrets = {
        name: value
        for name, value in day.sandbox.credentials(day.psa).items()
        if name in day.integration.credentials
    }
    update_integration(integration=day.integration, actor=None, credentials=secrets)
    day.sandbox.faults.clear()
    work_off()

    run = day.go_on(run)

    assert run.state == "succeeded"
    day.integration.refresh_from_db()
    assert (day.integration.candidate, day.integration.status) == (None, "connected")
    outcome("goes on with the new ones")


def test_keys_that_are_refused_in_mid_run(day: Day, outcome: Outcome) -> None:
    before = stored()
    run = day.in_the_middle()
    day.sandbox.faults.clear()
    day.fault("bad_keys")

    run = day.go_on(run, clear=False)

    day.integration.refresh_from_db()
    assert (run.state, run.error_code) == ("failed", "invalid_credentials")
    assert day.integration.status == "failing"
    assert day.issues() == [("integration", "invalid_credentials")]
    assert stored() == before
    day.sandbox.faults.clear()
    assert day.sync().state == "succeeded"
    day.integration.refresh_from_db()
    assert day.integration.status == "connected"
    assert day.issues() == []
    outcome(f"{said(run)}, an issue, nothing lost")


def test_a_company_that_is_unlinked_in_mid_run(day: Day, outcome: Outcome) -> None:
    run = day.in_the_middle()
    link = day.linked()
    agreement = Agreement.objects.filter(company=link.company).order_by("external_id")[0]
    day.rename("agreements", agreement.external_id, "Not To Be Read", touch=False)
    unlink_company(company=link.company, actor=None)

    run = day.go_on(run)

    assert run.state == "succeeded"
    agreement.refresh_from_db()
    assert agreement.name != "Not To Be Read"
    assert agreement.gone_at is None
    outcome("left as it was, the rest is read")


def test_an_integration_that_is_disconnected_in_mid_run(day: Day, outcome: Outcome) -> None:
    before = stored()
    run = day.in_the_middle()

    disconnect_integration(integration=day.integration, actor=None)

    run = day.go_on(run)
    assert run.state == "cancelled"
    assert stored() == before
    outcome("cancelled, everything stays")


def test_a_licence_that_is_lowered_in_mid_run(day: Day, outcome: Outcome) -> None:
    run = day.in_the_middle()
    active = Company.objects.filter(status="active").count()
    Tenant.objects.filter(pk=day.tenant.pk).update(company_limit=1)

    run = day.go_on(run)

    assert run.state == "succeeded"
    assert Company.objects.filter(status="active").count() == active
    outcome("nobody is dropped, nobody can be added")


#: What becomes of an address or a token of each PSA while a run uses it.
MOVED: dict[str, tuple[str, dict[str, Any]]] = {
    "connectwise": ("new_release", {"kind": "contacts", "times": 1}),
    "autotask": ("zone_moved", {}),
    "kaseya_bms": ("token_expired", {"kind": "contacts", "times": 1}),
}


def test_an_address_or_token_that_changes_in_mid_run(day: Day, outcome: Outcome) -> None:
    name, options = MOVED[day.psa]
    day.fault(name, **options)

    run = day.sync()

    assert run.state == "succeeded"
    assert gone() == 0
    outcome({"new_release": "the new release is found", "zone_moved": "the new zone is found",
          "token_expired": "a new token is taken"}[name])  # fmt: skip
