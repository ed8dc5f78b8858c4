"""What is said about a record that can't be used: for people first, then for programmers."""

from __future__ import annotations

import msgspec
import pytest

from integrations.models import Integration, Issue
from integrations.psa.contract import RejectedRecord
from integrations.psa.decoding import RecordUnusableError, name_of, read_lowered, read_records
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from tests.worker import work_off

KEPT = "The record was set aside; what was stored before was kept."
CORRECT = "Correct it in the PSA, then press Sync Now; each night reads it again too."
SEND = "Press Sync Now. If it stays, send this to us: help@auditforit.com."


class Owner(msgspec.Struct):
    id: int


class Wire(msgspec.Struct, rename="camel"):
    id: int
    deleted_flag: bool | None = None
    owner: Owner | None = None


def rejected(text: str) -> RejectedRecord:
    _, (record,) = read_records([msgspec.Raw(text.encode())], Wire, lambda raw: raw)
    return record


@pytest.mark.parametrize(
    ("text", "code", "said", "detail"),
    [
        (
            '{"id": 7, "deletedFlag": {}}',
            "invalid_record",
            "Your PSA sent `deletedFlag` in a form that we can't read.",
            "Expected `bool | null`, got `object` - at `$.deletedFlag`",
        ),
        (
            '{"id": 7, "owner": {"id": "x"}}',
            "invalid_record",
            "Your PSA sent `owner.id` in a form that we can't read.",
            "Expected `int`, got `str` - at `$.owner.id`",
        ),
        (
            '{"id": 7, "owner": {}}',
            "invalid_record",
            "Your PSA sent a record without `id`.",
            "Object missing required field `id` - at `$.owner`",
        ),
        (
            "[7]",
            "missing_id",
            "Your PSA sent a record in a form that we can't read.",
            "Expected `object`, got `array`",
        ),
    ],
)
def test_what_is_unreadable_is_said_for_people(
    text: str, code: str, said: str, detail: str
) -> None:
    record = rejected(text)

    assert record.code == code
    assert record.message == f"{said} {KEPT}\n{detail}"
    assert not record.can_mend


def test_what_a_person_can_mend_is_said() -> None:
    def build(raw: Wire) -> str:
        return name_of("x" * 256, "name")

    _, found = read_lowered([{"id": 7}], Wire, build)

    assert found == [
        RejectedRecord(
            "7", "too_long", f"`name` is longer than 255 characters. {KEPT}", can_mend=True
        )
    ]


def test_what_nobody_there_can_mend_is_said_without_a_detail() -> None:
    def build(raw: Wire) -> str:
        raise RecordUnusableError("invalid_record", "The currency could not be read.")

    _, found = read_lowered([{"id": 7}], Wire, build)

    assert found == [
        RejectedRecord("7", "invalid_record", f"The currency could not be read. {KEPT}")
    ]


@pytest.mark.parametrize(("how", "fix"), [("too_long", CORRECT), ("wrong_type", SEND)])
def test_the_issue_says_what_to_do(
    connected: Integration, sandbox: SandboxServer, how: str, fix: str
) -> None:
    sandbox.faults.switch_on("bad_record", path="/company/companies$", times=1, how=how)

    start_sync_run(integration=connected)
    work_off()

    issue = Issue.objects.get(kind="company")
    assert issue.fix == fix
    assert KEPT in issue.message
