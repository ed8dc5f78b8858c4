"""The address that a load balancer asks."""

from __future__ import annotations

from django.test import Client

from tests.factories import PASSWORD


def test_health_needs_no_sign_in(client: Client, db: None) -> None:
    from audit_site import worker_heartbeat  # noqa: PLC0415

    assert client.get("/healthz/").json() == {"status": "ok"}
    silent = client.get("/readyz/")
    assert (silent.status_code, silent.json()["worker"]) == (503, "failing")
    worker_heartbeat.beat()
    assert client.get("/readyz/").json() == {
        "status": "ok", "database": "ok", "broker": "ok", "worker": "ok",
    }  # fmt: skip
    assert PASSWORD not in str(client.get("/readyz/").content)


def test_health_answers_whatever_name_it_is_asked_by(client: Client, db: None) -> None:
    """A load balancer asks by an address that is no name of ours, and by http."""
    answer = client.get("/healthz/", headers={"host": "10.1.2.3"})

    assert (answer.status_code, answer["Content-Length"]) == (200, "16")
    assert client.get("/accounts/login/", headers={"host": "10.1.2.3"}).status_code == 400
