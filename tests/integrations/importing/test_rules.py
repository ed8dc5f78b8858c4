from __future__ import annotations

from typing import Any

import pytest

from integrations.importing.rules import REASONS, CompanyFacts, broken_rules, explain
from integrations.psa.contract import PsaInfo

CONNECTWISE_LIKE = PsaInfo(key="x", name="X", fields=(), guide=(), only_active_importable=True)
AUTOTASK_LIKE = PsaInfo(key="y", name="Y", fields=(), guide=())


def facts(**over: Any) -> CompanyFacts:
    return CompanyFacts(
        **{
            "is_active": True,
            "is_deleted": False,
            "is_merged": False,
            "is_own": False,
            "is_gone": False,
            "contacts": 2,
            "active_contacts": 2,
            "reachable_contacts": 1,
            **over,
        }
    )


@pytest.mark.parametrize(
    ("over", "codes"),
    [
        ({}, []),
        ({"is_active": False}, ["inactive"]),
        ({"is_deleted": True}, ["deleted"]),
        ({"is_gone": True}, ["deleted"]),
        ({"is_merged": True}, ["merged"]),
        ({"is_own": True, "contacts": 0}, ["own_company"]),
        ({"contacts": 0, "active_contacts": 0, "reachable_contacts": 0}, ["no_contact"]),
        ({"active_contacts": 0, "reachable_contacts": 0}, ["contact_inactive"]),
        ({"reachable_contacts": 0}, ["contact_without_method"]),
        (
            {"is_active": False, "contacts": 0, "active_contacts": 0, "reachable_contacts": 0},
            ["inactive", "no_contact"],
        ),
    ],
)
def test_each_broken_rule_has_its_code(over: dict[str, Any], codes: list[str]) -> None:
    assert broken_rules(facts(**over), CONNECTWISE_LIKE) == codes


def test_the_active_rule_is_connectwises_alone() -> None:
    assert broken_rules(facts(is_active=False), AUTOTASK_LIKE) == []


@pytest.mark.parametrize("code", REASONS)
def test_every_reason_says_what_it_is_and_what_to_do(code: str) -> None:
    reason = explain(code, CONNECTWISE_LIKE)

    assert reason["code"] == code
    assert reason["message"].endswith(".")
    assert reason["fix"].endswith(".")
    assert "{" not in reason["message"] + reason["fix"]
