"""PSAs and integrations over REST: connect, test, disconnect, and no answer holds a secret."""

from __future__ import annotations

from datetime import datetime, timedelta

from rest_framework.test import APIClient

from integrations.sandbox.server import SandboxServer
from tests.clients import V1, create, problem
from tests.worker import work_off


def test_psas_show_their_form_and_guide(api: APIClient) -> None:
    (connectwise,) = [p for p in api.get(f"{V1}/psas/").json() if p["psa"] == "connectwise"]

    assert connectwise["name"] == "ConnectWise Manage"
    assert [(f["name"], f["type"], f["required"]) for f in connectwise["fields"]] == [
        ("server_url", "url", True),
        ("company_id", "text", True),
        ("public_key", "text", True),
        ("private_key", "secret", True),
    ]
    assert {"label": "Member ID", "value": "audit"} in connectwise["guide"][1]["values"]


def test_connecting_answers_at_once_and_the_worker_tests(
    api: APIClient, sandbox: SandboxServer
) -> None:
    made = create(api, sandbox)

    body = made.json()
    assert made.status_code == 201
    assert body["status"] == "testing"
    secret = body["credentials"]["private_key"]
    assert secret == {
        "set": True,
        "saved_at": secret["saved_at"],
        "saved_by": {"id": str(api.user.pk), "name": api.user.email},
    }
    saved_at = datetime.fromisoformat(secret["saved_at"])
    assert datetime.fromisoformat(body["created_at"]) - saved_at < timedelta(seconds=5)
    assert body["credentials"]["public_key"] == "demo"
    assert body["last_test"]["state"] == "queued"
    assert body["candidate"] is None
    work_off()
    test_id = body["last_test"]["id"]
    test = api.get(f"{V1}/integrations/{body['id']}/tests/{test_id}/").json()
    assert (test["state"], test["ok"], test["code"]) == ("done", True, "ok")
    assert [check["name"] for check in test["checks"]] == [
        "reach_server", "authenticate", "read_companies", "read_contacts", "read_agreements", "read_lines",
    ]  # fmt: skip
    after = api.get(f"{V1}/integrations/{body['id']}/").json()
    assert after["status"] == "connected"
    assert after["last_sync"]["trigger"] == "connect"
    assert after["last_sync"]["counts"]["companies"]["created"] == 40
    assert problem(create(api, sandbox)) == (409, "integration_exists")


def test_no_answer_holds_a_secret(api: APIClient, sandbox: SandboxServer) -> None:
    made = create(api, sandbox)
    work_off()
    listed = api.get(f"{V1}/integrations/")
    patched = api.patch(
        f"{V1}/integrations/{made.json()['id']}/", {"credentials": {"private_key": "canary-2"}}
    )
    work_off()
    again = api.get(f"{V1}/integrations/{made.json()['id']}/")

    for answer in (made, listed, patched, again):
        assert "demo-private" not in answer.content.decode()
        assert "canary-2" not in answer.content.decode()
    assert patched.json()["candidate"]["state"] == "testing"
    assert again.json()["candidate"]["state"] == "refused"
    assert again.json()["candidate"]["test"]["code"] == "invalid_credentials"
    assert again.json()["status"] == "connected"
    assert again.json()["last_test"]["ok"] is True


def test_disconnecting_leaves_the_list_and_connecting_again_revives(
    api: APIClient, sandbox: SandboxServer
) -> None:
    pk = create(api, sandbox).json()["id"]
    work_off()
    imported = api.post(f"{V1}/companies/import/", {"integration": pk, "external_ids": ["20002"]})
    company = imported.json()["imported"][0]["id"]

    gone = api.delete(f"{V1}/integrations/{pk}/")

    assert gone.status_code == 204
    assert api.get(f"{V1}/integrations/").json()["results"] == []
    listed = api.get(f"{V1}/integrations/?status=disconnected").json()["results"]
    assert [row["id"] for row in listed] == [pk]
    secret = {"set": False, "saved_at": None, "saved_by": None}
    assert listed[0]["credentials"] == {
        "server_url": sandbox.url,
        "company_id": "audit-demo",
        "public_key": "demo",
        "private_key": secret,
    }
    assert api.get(f"{V1}/companies/{company}/").json()["link"]["active"] is False
    assert create(api, sandbox).json()["id"] == pk
    assert api.get(f"{V1}/companies/{company}/").json()["link"]["active"] is True
