"""A person decides what the billing cycle of an agreement or a line is; the PSA's own stays beside."""

from __future__ import annotations

from typing import Any

import pytest
from rest_framework.test import APIClient

from agreements.models import Agreement, ChoiceRecord
from audit_site.tenants.models import User
from tests.clients import V1, api_of, browser, text
from tests.factories import make_line


@pytest.fixture
def api(mia: User) -> APIClient:
    return api_of(mia)


def amount(api: APIClient, agreement: Agreement) -> str:
    totals = api.get(f"{V1}/companies/{agreement.company_id}/mrr/").json()["totals"]
    return ", ".join(total["amount"] for total in totals)


@pytest.mark.parametrize(
    ("cycle", "kept", "comes_to"),
    [
        ("Quarterly", "quarterly", "33.33"),
        ({"every": 2, "unit": "month"}, {"every": 2, "unit": "month"}, "50.00"),
        (None, None, "100.00"),
    ],
)
def test_it_counts_by_the_cycle_that_was_decided(
    api: APIClient, agreement: Agreement, cycle: Any, kept: Any, comes_to: str
) -> None:
    body = {"cycle": cycle, "note": "As it is invoiced."}

    answer = api.patch(f"{V1}/agreements/{agreement.pk}/choices/", body, format="json")

    assert (answer.status_code, answer.json()["cycle"]) == (200, kept)
    assert amount(api, agreement) == comes_to
    assert Agreement.objects.get(pk=agreement.pk).cycle == "monthly"


def test_a_line_has_its_own_and_the_undo_is_as_before(
    api: APIClient, mia: User, agreement: Agreement
) -> None:
    line = make_line(agreement, external_id="L", quantity="2", unit_price="60")
    path = f"{V1}/agreement-lines/{line.pk}/choices/"

    refused = api.patch(path, {"cycle": "annual"}, format="json")
    api.patch(path, {"cycle": "annual", "note": "Once a year"}, format="json")
    decided = amount(api, agreement)
    page = text(browser(mia).get(f"/agreement-lines/{line.pk}/decide/"))
    browser(mia).post(f"/decisions/{ChoiceRecord.objects.get().pk}/undo/")

    assert [(e["field"], e["code"]) for e in refused.json()["errors"]] == [("note", "required")]
    assert decided == "110.00"
    assert "Billed annual" in page
    assert '<option value="annual" selected>' in page
    assert amount(api, agreement) == "220.00"
    assert api.get(path).json()["cycle"] is None


@pytest.mark.parametrize("cycle", ["sometimes", {"every": 0, "unit": "day"}, 3, ["monthly"], ""])
def test_what_is_no_cycle_is_refused(api: APIClient, agreement: Agreement, cycle: Any) -> None:
    body = {"cycle": cycle, "note": "Hm"}

    answer = api.patch(f"{V1}/agreements/{agreement.pk}/choices/", body, format="json")

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["cycle"]
    assert not ChoiceRecord.objects.exists()


def test_the_form_keeps_what_a_program_decided(
    api: APIClient, mia: User, agreement: Agreement
) -> None:
    every = {"every": 2, "unit": "month"}
    body = {"cycle": every, "note": "Every other month"}
    api.patch(f"{V1}/agreements/{agreement.pk}/choices/", body, format="json")
    address, client = f"/agreements/{agreement.pk}/decide/", browser(mia)

    shown = text(client.get(address))
    form = {"cycle": '{"every": 2, "unit": "month"}', "count": "exclude", "note": "Not ours"}
    client.post(address, form)

    assert "every 2 months" in shown
    found = api.get(f"{V1}/agreements/{agreement.pk}/choices/").json()
    assert (found["cycle"], found["exclude"]) == (every, True)
