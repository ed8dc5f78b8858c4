"""What goes to Sentry holds nothing that opens something by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.transport import Transport

from audit_site import error_reports

TOKEN = "audit_" + "T" * 40
LINKS = (
    "/account/invitation/OPENS-1/",
    "/accounts/password/reset/key/OPENS-2/",
    "/account/you/email/prove/OPENS-3/",
)


class Wire(Transport):
    """Keeps what would go over the network."""

    def __init__(self) -> None:
        super().__init__()
        self.sent: list[Any] = []

    def capture_envelope(self, envelope: Envelope) -> None:
        self.sent += [item.payload.json for item in envelope.items]


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    client = sentry_sdk.Client(
        dsn="https://key@sentry.example.com/1",
        transport=wire,
        traces_sample_rate=1.0,
        default_integrations=False,
        **error_reports.options(),
    )
    with sentry_sdk.isolation_scope() as scope, sentry_sdk.new_scope() as inner:
        scope.set_client(client)
        inner.set_client(client)
        yield wire
    client.close()


def with_request(event: dict[str, Any], _: Any) -> dict[str, Any]:
    """What Sentry's Django integration adds."""
    event["request"] = {
        "url": f"https://audit.example.com{LINKS[0]}",
        "query_string": f"next={LINKS[1]}&key={TOKEN}",
        "cookies": {"sessionid": "OPENS-4"},
        "headers": {
            "Authorization": "Bearer OPENS-5",
            "Cookie": "sessionid=OPENS-6",
            "Referer": f"https://audit.example.com{LINKS[2]}?x=1",
            "Host": "audit.example.com",
        },
    }
    return event


def test_an_error_is_sent_without_what_opens_something(wire: Wire) -> None:
    sentry_sdk.get_isolation_scope().add_event_processor(with_request)
    sentry_sdk.add_breadcrumb(category="httplib", data={"url": LINKS[1]}, message=LINKS[2])

    try:
        raise ValueError(f"no such page {LINKS[0]} for {TOKEN}")
    except ValueError as error:
        sentry_sdk.capture_exception(error)

    (event,) = wire.sent
    text = json.dumps(event)
    assert "OPENS" not in text
    assert "TTTT" not in text
    assert event["request"] == {
        "url": "https://audit.example.com/account/invitation/…/",
        "query_string": "next=/accounts/password/reset/key/…/&key=audit_…",
        "headers": {
            "Referer": "https://audit.example.com/account/you/email/prove/…/?x=1",
            "Host": "audit.example.com",
        },
    }
    (crumb,) = event["breadcrumbs"]["values"]
    assert (crumb["data"], crumb["message"]) == (
        {"url": "/accounts/password/reset/key/…/"},
        "/account/you/email/prove/…/",
    )
    assert event["exception"]["values"][0]["value"] == (
        "no such page /account/invitation/…/ for audit_…"
    )


def test_so_is_a_transaction(wire: Wire) -> None:
    sentry_sdk.get_isolation_scope().add_event_processor(with_request)

    with (
        sentry_sdk.start_transaction(name=LINKS[0]),
        sentry_sdk.start_span(op="http", name=LINKS[1]),
    ):
        pass

    (event,) = wire.sent
    assert event["type"] == "transaction"
    assert event["transaction"] == "/account/invitation/…/"
    assert [span["description"] for span in event["spans"]] == ["/accounts/password/reset/key/…/"]
    assert "OPENS" not in json.dumps(event)
    assert "TTTT" not in json.dumps(event)
