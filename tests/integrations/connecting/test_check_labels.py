from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string

from integrations.connecting.connection_test import CHECK_LABELS, CHECKS
from integrations.kinds import RIGHTS
from integrations.models import ConnectionTest


def test_a_test_reaches_signs_in_and_probes_every_right() -> None:
    assert ("reach_server", "authenticate", *RIGHTS) == CHECKS


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("reach_server", "Reach the server"),
        ("authenticate", "Sign in"),
        ("read_companies", "Read companies"),
        ("read_contacts", "Read contacts"),
        ("read_agreements", "Read agreements and their lines"),
    ],
)
def test_pages_call_a_check_by_its_label(name: str, label: str) -> None:
    checks: list[dict[str, Any]] = [
        {"name": name, "ok": None, "code": "", "message": "", "fix": ""}
    ]

    shown = render_to_string("integrations/_checks.html", {"test": ConnectionTest(checks=checks)})

    assert label in shown
    assert [other for other in CHECK_LABELS.values() if other in shown] == [label]
