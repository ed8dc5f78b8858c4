from __future__ import annotations

from typing import Any

import pytest
from django.template.loader import render_to_string

from integrations.connecting.checks import CHECK_LABELS, names_of
from integrations.models import ConnectionTest
from integrations.psa import registry


def test_a_test_reaches_signs_in_and_probes_every_right_that_the_psa_has() -> None:
    names = {info.key: names_of(info) for info in registry.infos()}

    rights = ("read_companies", "read_contacts", "read_agreements")
    assert names["kaseya_bms"] == ("reach_server", "authenticate", *rights)
    assert names["connectwise"] == (*names["kaseya_bms"], "read_lines")
    assert names["autotask"] == names["connectwise"]


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("reach_server", "Reach the server"),
        ("authenticate", "Sign in"),
        ("read_companies", "Read companies"),
        ("read_contacts", "Read contacts"),
        ("read_agreements", "Read agreements"),
        ("read_lines", "Read lines"),
    ],
)
def test_pages_call_a_check_by_its_label(name: str, label: str) -> None:
    checks: list[dict[str, Any]] = [
        {"name": name, "ok": None, "code": "", "message": "", "fix": ""}
    ]

    shown = render_to_string("integrations/_checks.html", {"test": ConnectionTest(checks=checks)})

    assert label in shown
    assert [other for other in CHECK_LABELS.values() if other in shown] == [label]
