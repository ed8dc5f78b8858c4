"""What a page says that is asked in a way it doesn't take: never an empty answer."""

from __future__ import annotations

import pytest
from django.test import Client

from audit_site.tenants.models import Tenant, User
from integrations.models import SyncRun
from tests.clients import browser, text
from tests.factories import PASSWORD, make_company, make_integration, make_invitation, make_issue

SIGNED_OUT = "You had been signed out, so nothing was done. Do it again."

#: A page that only takes what a button sends, and the page it belongs to.
BUTTONS = (
    ("/integrations/{integration}/sync/", "/integrations/{integration}/"),
    ("/integrations/{integration}/schedule/", "/integrations/{integration}/"),
    ("/integrations/{integration}/test/", "/integrations/{integration}/"),
    ("/integrations/{integration}/companies/review/", "/integrations/{integration}/companies/"),
    ("/import/choose/", "/import/"),
    ("/integrations/{integration}/issues/retry/", "/integrations/{integration}/issues/"),
    ("/companies/{company}/sync/", "/companies/{company}/"),
    ("/companies/{company}/restore/", "/companies/{company}/"),
    ("/sync-runs/{run}/cancel/", "/sync-runs/{run}/"),
    ("/issues/{issue}/dismiss/", "/issues/"),
    ("/tenant/", "/"),
    ("/account/people/{person}/invite/", "/account/people/{person}/"),
)


@pytest.mark.parametrize("address", ["/accounts/login/", "/integrations/", "/healthz/"])
def test_what_arrives_is_not_sent_back(client: Client, alex: User, address: str) -> None:
    for asking in (client, browser(alex)):
        answer = asking.trace(address, headers={"X-Canary": "canary"})

        assert answer.status_code in {302, 405}  # who is not signed in is led there
        assert b"canary" not in answer.content


@pytest.fixture
def ids(tenant: Tenant) -> dict[str, str]:
    integration = make_integration(tenant)
    run = SyncRun.objects.create(tenant=tenant, integration=integration, state="succeeded")
    return {
        "integration": str(integration.pk),
        "person": str(make_invitation(tenant).pk),
        "company": str(make_company(tenant).pk),
        "run": str(run.pk),
        "issue": str(make_issue(integration).pk),
    }


@pytest.mark.parametrize(("button", "belongs_to"), BUTTONS)
def test_a_look_at_a_button_leads_to_its_page(
    alex: User, ids: dict[str, str], button: str, belongs_to: str
) -> None:
    answer = browser(alex).get(button.format(**ids))

    assert answer.status_code == 405
    assert answer["Allow"] == "POST"
    assert "This address is only for a button" in text(answer)
    assert f'href="{belongs_to.format(**ids)}"' in text(answer)


@pytest.mark.parametrize(("button", "belongs_to"), BUTTONS)
def test_who_signs_in_after_pressing_a_button_is_back_on_its_page(
    alex: User, ids: dict[str, str], button: str, belongs_to: str
) -> None:
    client, address = Client(), button.format(**ids)

    sign_in = client.post(address)["Location"]
    done = client.post(
        sign_in,
        {
            "login": alex.email,
            "password": PASSWORD,
            "next": f"{address}?signed-out=1",
        },
    )
    back = client.get(done["Location"])

    assert sign_in == f"/accounts/login/?next={address}%3Fsigned-out%3D1"
    assert done["Location"] == f"{address}?signed-out=1"
    assert back["Location"] == belongs_to.format(**ids)
    assert text(client.get(back["Location"], follow=True)).count(SIGNED_OUT) == 1
    assert list(SyncRun.objects.values_list("state", flat=True)) == ["succeeded"]


def test_a_form_whose_session_had_ended_says_that_nothing_was_saved(
    alex: User, ids: dict[str, str]
) -> None:
    address = f"/companies/{ids['company']}/edit/"
    assert Client().post(address)["Location"].endswith(f"{address}%3Fsigned-out%3D1")

    back = browser(alex).get(f"{address}?signed-out=1", follow=True)

    assert back.redirect_chain == [(address, 302)]
    assert text(back).count(SIGNED_OUT) == 1


def test_a_method_that_no_page_takes_is_explained(alex: User) -> None:
    answer = browser(alex).delete("/companies/")

    assert answer.status_code == 405
    assert answer["Allow"] == "GET"
    assert "Nothing was done." in text(answer)
