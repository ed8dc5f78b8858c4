"""What a web process tells doctor of the way a request came, and nobody else."""

from __future__ import annotations

from datetime import timedelta

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from audit_site import probe
from audit_site.release import release_mark


def test_only_who_has_the_secret_key_is_told(client: Client) -> None:
    assert client.get("/healthz/", headers={probe.HEADER: "doctor:1:x"}).json() == {"status": "ok"}
    assert client.get("/healthz/", headers=probe.headers()).json() == {
        "status": "ok",
        "proxies": 0,
        "forwarded_proto": "",
        "release": release_mark(),
    }


def test_a_probe_that_was_written_down_is_of_no_use_later(client: Client) -> None:
    headers = probe.headers()

    with time_machine.travel(timezone.now() + timedelta(seconds=61)):
        assert client.get("/healthz/", headers=headers).json() == {"status": "ok"}


@pytest.mark.parametrize(
    ("forwarded", "proxies"),
    [
        (f"{probe.TYPED}, 10.0.0.1", 1),
        (f"{probe.TYPED}, 10.0.0.1, 10.0.0.2", 2),
        ("203.0.113.9", 1),  # a proxy that takes away what was typed
        ("203.0.113.9, 10.0.0.2", 2),
        ("", 0),
    ],
)
def test_proxies_are_what_comes_after_the_typed_address(
    client: Client, forwarded: str, proxies: int
) -> None:
    headers = {**probe.headers(), "X-Forwarded-For": forwarded, "X-Forwarded-Proto": "https"}

    told = client.get("/healthz/", headers=headers).json()

    assert (told["proxies"], told["forwarded_proto"]) == (proxies, "https")
