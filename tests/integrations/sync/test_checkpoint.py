"""What a run needs to continue: written and read without loss, also across releases."""

from __future__ import annotations

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from agreements.models import Agreement
from integrations.connecting.credentials import keys_mark
from integrations.kinds import KINDS
from integrations.models import (
    CompanyLink,
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
    no_counts,
)
from integrations.psa.errors import PsaError
from integrations.runs import leases
from integrations.runs.starting import start_company_sync, start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.sync.checkpoint import VERSION, Checkpoint, Refusal
from integrations.sync.run_writer import RunWriter
from tests.integrations.sync.checkpoints import left_by_release_0_1
from tests.syncing import import_all
from tests.worker import work_off

EACH_FIELD: dict[str, tuple[str, Any, Any]] = {
    "request_id": ("request_id", "click-1", "click-1"),
    "credentials_mark": ("keys", "7bd1", "7bd1"),
    "phases_done": ("done", ["companies"], ["companies"]),
    "cursor": ("cursor", "id:20010", "id:20010"),
    "passed": ("passed", 10, 10),
    "after_link": ("after_link", "0193", "0193"),
    "lists_read": ("read", ["companies"], ["companies"]),
    "lists_read_whole": ("whole", ["contacts"], ["contacts"]),
    "newest": ("newest", {"contacts": "2026-11-25"}, {"contacts": "2026-11-25"}),
    "unproven": ("unproven", {"companies": True}, {"companies": True}),
    "moves": ("moves", {"1": "2"}, {"1": "2"}),
    "noted": ("noted", ["touched"], ["touched"]),
    "checks_all_rules": ("checks_all", False, False),
    "lines_refused": ("lines_refused", True, True),
    "reads_todays": ("todays", True, True),
    "postponements": ("parks", 3, 3),
    "attempts_at_last_page": ("attempts", 2, 2),
    "refusal": (
        "trouble",
        Refusal("too_many_gone", "m", "f"),
        {"code": "too_many_gone", "message": "m", "fix": "f"},
    ),
}


def loaded(stored: Any) -> Checkpoint:
    """The checkpoint as a worker reads it from a row that went through the database's JSON."""
    return Checkpoint.of(SyncRun(checkpoint=json.loads(json.dumps(stored))))


@pytest.mark.parametrize("field", EACH_FIELD)
def test_a_field_survives_a_round_trip_under_its_stored_name(field: str) -> None:
    key, value, stored = EACH_FIELD[field]
    checkpoint = Checkpoint(**{field: value})

    assert checkpoint.stored() == {key: stored, "version": 1}
    assert loaded(checkpoint.stored()) == checkpoint


def test_every_field_is_named_here() -> None:
    assert set(Checkpoint.__struct_fields__) == {"version", *EACH_FIELD}


def test_all_fields_together_survive_a_round_trip() -> None:
    checkpoint = Checkpoint(**{field: value for field, (_, value, _) in EACH_FIELD.items()})

    assert loaded(checkpoint.stored()) == checkpoint


def test_a_row_without_anything_is_at_its_beginning() -> None:
    assert loaded({}) == Checkpoint()
    assert Checkpoint().stored() == {"version": VERSION}


def test_a_checkpoint_is_a_copy_of_its_row() -> None:
    run = SyncRun(checkpoint={"done": ["companies"], "moves": {}})
    checkpoint = Checkpoint.of(run)

    checkpoint.end_phase("contacts")
    checkpoint.note_move("1", "2")

    assert run.checkpoint == {"done": ["companies"], "moves": {}}


def test_what_this_release_does_not_know_is_ignored() -> None:
    assert loaded({"passed": 3, "of_a_later_release": {"x": 1}}) == Checkpoint(passed=3)


# Its steps


def test_the_end_of_a_phase_is_the_beginning_of_the_next() -> None:
    checkpoint = Checkpoint(phases_done=["companies"], cursor="id:9", passed=9, after_link="0193")

    checkpoint.end_phase("contacts")

    assert checkpoint == Checkpoint(phases_done=["companies", "contacts"])
    assert checkpoint.is_done("contacts")
    assert not checkpoint.is_done("absences")


def test_the_first_refusal_is_the_one_that_is_reported() -> None:
    checkpoint = Checkpoint()

    checkpoint.note_refusal(PsaError("permission_denied", "first", "f"))
    checkpoint.note_refusal(PsaError("too_many_gone", "second"))

    assert checkpoint.refusal == Refusal("permission_denied", "first", "f")


def test_a_page_that_fails_changes_no_checkpoint(connected: Integration) -> None:
    run, _ = start_sync_run(integration=connected)
    claimed = leases.claim(SyncRun, tenant_id=str(run.tenant_id), work_id=str(run.pk))
    writer = RunWriter(claimed)
    writer.checkpoint.postponements = 2

    with suppress(ZeroDivisionError), writer.page("companies", is_last=True):
        writer.seen.note("companies", ["1"], unnamed=True)
        writer.checkpoint.passed = 1
        raise ZeroDivisionError

    assert writer.checkpoint == Checkpoint(postponements=2)
    assert writer.seen.checkpoint is writer.checkpoint
    run.refresh_from_db()
    assert run.checkpoint == {}


# Rows of release 0.1, which had no version


def test_a_list_that_release_0_1_began_is_read_on(
    connected: Integration, sandbox: SandboxServer
) -> None:
    run, _ = start_sync_run(integration=connected)
    companies = list(PsaCompanyRecord.objects.values_list("external_id", flat=True))
    contacts = sorted(PsaContactRecord.objects.values_list("external_id", flat=True), key=int)
    row = {
        "keys": keys_mark(connected.credentials),
        "noted": ["companies", "contacts"],
        "newest": {
            "companies": "2026-11-25T08:00:00+00:00",
            "contacts": "2026-11-24T08:00:00+00:00",
        },
        "cursor": f"id:{contacts[9]}",
        "passed": 10,
        "parks": 0,
        "attempts": 1,
        "read": ["companies"],
        "done": ["companies"],
        "moves": {},
    }
    left_by_release_0_1(run, row, companies=companies, contacts=contacts[:10])
    sandbox.forget_requests()

    work_off()

    run.refresh_from_db()
    assert (run.state, run.attempts) == ("succeeded", 2)
    assert run.counts["companies"] == {**no_counts()["companies"], "seen": 40, "unchanged": 40}
    assert run.counts["contacts"]["seen"] == run.counts["contacts"]["unchanged"] == len(contacts)
    asked = {request["path"].split("/3.0")[-1] for request in sandbox.requests()}
    assert "/company/companies" not in asked
    assert run.checkpoint["version"] == 1
    assert run.checkpoint["done"] == ["companies", "contacts", "absences", "rules", "agreements"]
    connected.refresh_from_db()
    assert connected.full_pass_at == run.started_at


def test_agreements_that_release_0_1_began_are_read_on(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    run, _ = start_sync_run(integration=connected)
    links = list(CompanyLink.objects.order_by("id"))
    read = Agreement.objects.filter(company__in=[link.company_id for link in links[:5]])
    row = {
        "keys": keys_mark(connected.credentials),
        "noted": ["companies", "contacts"],
        "read": ["companies", "contacts"],
        "done": ["companies", "contacts", "absences", "rules"],
        "moves": {},
        "passed": 5,
        "after_link": str(links[4].pk),
        "parks": 0,
        "attempts": 1,
        "trouble": {"code": "permission_denied", "message": "No lines.", "fix": "Grant them."},
        "lines_refused": True,
    }
    left_by_release_0_1(run, row)

    work_off()

    run.refresh_from_db()
    assert (run.state, run.error_code, run.error_message, run.error_fix) == (
        "partial", "permission_denied", "No lines.", "Grant them."
    )  # fmt: skip
    assert run.counts["agreements"]["seen"] == Agreement.objects.count() - read.count()
    assert run.counts["agreements"]["gone"] == 0
    assert (run.progress_done, run.progress_total) == (len(links), len(links))


def test_a_resync_that_release_0_1_began_does_what_is_left(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    link = CompanyLink.objects.select_related("company").order_by("external_id")[0]
    run, _ = start_company_sync(company=link.company, actor=None)
    row = {
        "keys": keys_mark(connected.credentials),
        "done": ["companies"],
        "parks": 0,
        "attempts": 1,
    }
    left_by_release_0_1(run, row)
    sandbox.forget_requests()

    work_off()

    run.refresh_from_db()
    assert (run.state, run.counts["companies"]["seen"]) == ("succeeded", 0)
    people = PsaContactRecord.objects.filter(company_external_id=link.external_id)
    assert run.counts["contacts"]["seen"] == people.count()


@pytest.mark.parametrize(("parks", "state"), [(15, "running"), (16, "failed")])
def test_postponements_of_release_0_1_count(
    connected: Integration, sandbox: SandboxServer, parks: int, state: str
) -> None:
    run, _ = start_sync_run(integration=connected)
    left_by_release_0_1(run, {"keys": keys_mark(connected.credentials), "parks": parks})
    sandbox.faults.switch_on("rate_limited", path="/company/companies", retry_after=300)

    work_off()

    run.refresh_from_db()
    assert run.state == state


def test_a_change_of_keys_is_seen_in_a_row_of_release_0_1(connected: Integration) -> None:
    """Watermarks stay where they are: the old keys may have seen less."""
    run, _ = start_sync_run(integration=connected)
    before = connected.watermarks
    left_by_release_0_1(run, {"keys": "of-other-credentials", "parks": 0, "attempts": 1})
    Integration.objects.update(full_pass_at=None)

    work_off()

    run.refresh_from_db()
    connected.refresh_from_db()
    assert (run.state, connected.full_pass_at, connected.watermarks) == ("succeeded", None, before)


# Damaged rows


def is_possible(field: str, value: Any) -> bool:
    try:
        msgspec.convert({EACH_FIELD[field][0]: value}, Checkpoint, strict=False)
    except msgspec.ValidationError:
        return False
    return True


ODD_VALUES: tuple[Any, ...] = (5, "x", [], None, {"companies": 1})
ODD = [
    (field, value) for field in EACH_FIELD for value in ODD_VALUES if not is_possible(field, value)
]


@pytest.mark.parametrize(("field", "odd"), ODD)
def test_an_odd_value_loses_its_own_field_only(field: str, odd: Any) -> None:
    key = EACH_FIELD[field][0]
    all_fields = Checkpoint(**{name: value for name, (_, value, _) in EACH_FIELD.items()})

    found = loaded({**all_fields.stored(), key: odd})

    default = getattr(Checkpoint(), field)
    expected = {name: getattr(all_fields, name) for name in EACH_FIELD} | {field: default}
    expected |= {
        "unproven": {kind.name: True for kind in KINDS},
        "checks_all_rules": True,
        "newest": {},
        "credentials_mark": expected["credentials_mark"] or "unreadable",
    }
    assert {name: getattr(found, name) for name in EACH_FIELD} == expected


@pytest.mark.parametrize(
    "row",
    [
        ["not", "an", "object"],
        {"done": 7, "read": ["companies", "contacts"], "cursor": None},
        {"done": ["companies", "contacts"], "read": ["companies", "contacts"], "noted": "all"},
    ],
    ids=["list", "done", "noted"],
)
def test_a_damaged_row_takes_nothing_away_and_ends_no_run(connected: Integration, row: Any) -> None:
    """By their pages, these runs have seen less than half of the records that are there."""
    import_all(connected)
    run, _ = start_sync_run(integration=connected)
    before = connected.watermarks
    left_by_release_0_1(run, row)
    moved = datetime(2026, 1, 1, tzinfo=UTC)
    Integration.objects.update(full_pass_at=moved)

    work_off()

    run.refresh_from_db()
    assert run.state == "succeeded"
    assert {kind: count["gone"] for kind, count in run.counts.items()} == {
        "companies": 0, "contacts": 0, "agreements": 0, "lines": 0
    }  # fmt: skip
    connected.refresh_from_db()
    assert (connected.watermarks, connected.full_pass_at) == (before, moved)
