from __future__ import annotations

import time
from typing import Any

import pytest

from integrations.psa.errors import PsaRateLimited
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY
from tests.integrations.adapters.contract.adapters import (
    COMPANY_KINDS,
    Adapters,
    all_of,
    ids,
    truth,
)


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("rate_limited", {"retry_after": 0}),
        ("rate_limited", {"retry_after": None}),
        ("bad_gateway_html", {}),
        ("maintenance_html", {}),
        ("html_200", {}),
        ("blocked", {}),
        ("blocked", {"status": 404}),
        ("blocked", {"form": "json"}),
        ("truncated_json", {}),
        ("truncated_body", {}),
        ("dropped_connection", {}),
        ("token_expired", {}),
        ("new_release", {}),
        ("old_release", {}),
        ("old_release", {"status": 406}),
        ("server_error", {}),
    ],
)
def test_one_hiccup_in_the_middle_of_a_list_is_survived(
    make: Adapters, fault: str, options: dict[str, Any]
) -> None:
    path = make.path_of("companies")
    make.server.faults.switch_on(fault, path=path, times=1, after=1, **options)

    found = ids(make().companies())

    assert found == list(truth(make))


@pytest.mark.parametrize(
    ("fault", "options", "code"),
    [
        ("rate_limited", {"retry_after": 120}, "rate_limited"),
        ("rate_limited", {"retry_after": None}, "rate_limited"),
        ("server_error", {}, "psa_unavailable"),
        ("bad_gateway_html", {}, "psa_unavailable"),
        ("maintenance_html", {}, "psa_unavailable"),
        ("dropped_connection", {}, "psa_unavailable"),
        ("truncated_body", {}, "psa_unavailable"),
        ("html_200", {}, "psa_unavailable"),
        ("blocked", {}, "psa_unavailable"),
        ("blocked", {"status": 404}, "psa_unavailable"),
        ("blocked", {"status": 406}, "psa_unavailable"),
        ("blocked", {"status": 503}, "psa_unavailable"),
        ("blocked", {"form": "json"}, "psa_unavailable"),
        ("blocked", {"form": "text"}, "psa_unavailable"),
        ("truncated_json", {}, "bad_response"),
        ("redirect", {}, "not_a_psa_server"),
    ],
)
def test_trouble_that_lasts_has_its_code(
    make: Adapters, fault: str, options: dict[str, Any], code: str
) -> None:
    path = make.path_of("companies")
    make.server.faults.switch_on(fault, path=path, **options)

    error = make.error(lambda: list(make().companies()))

    assert error.code == code
    if isinstance(error, PsaRateLimited):
        assert error.retry_after == options["retry_after"]


@pytest.mark.parametrize("status", [403, 406, 503])
@pytest.mark.parametrize("form", ["html", "json"])
def test_what_blocks_us_everywhere_proves_nothing_of_keys_or_rights(
    make: Adapters, status: int, form: str
) -> None:
    memory: dict[str, str] = {}
    known = make(memory)
    known.authenticate()
    make.server.faults.switch_on("blocked", status=status, form=form)
    new = make()

    steps = [
        new.reach,
        known.authenticate if make.psa != "kaseya_bms" else make(memory).authenticate,
        lambda: known.probe("read_companies"),
        lambda: list(known.contacts()),
        lambda: list(known.agreements(company_ids=["1"])),
        lambda: known.company("1"),
    ]
    errors = [make.error(step) for step in steps]

    assert {error.code for error in errors} == {"psa_unavailable"}
    assert all("in front of it blocks us" in e.fix for e in errors if form == "html")


def test_a_slow_answer_times_out(make: Adapters) -> None:
    adapter = make()
    adapter.authenticate()
    path = make.path_of("companies")
    make.http[0]._read_seconds = 0.1
    make.server.faults.switch_on("slow", path=path, seconds=0.4)

    error = make.error(lambda: list(adapter.companies()))
    time.sleep(0.5)  # the answers that nobody waits for still count as requests under way

    assert error.code == "timeout"


def test_a_record_deleted_while_we_page_costs_no_other(make: Adapters) -> None:
    """What is gone may come or not; what stays must come, or the list must prove nothing."""
    before = list(truth(make))
    path = make.path_of("companies")
    make.server.faults.switch_on("shift_page", path=path, times=1)

    pages = list(make().companies())

    left = list(truth(make))
    assert len(left) == len(before) - 1
    assert set(left) <= {record.external_id for page in pages for record in page.records}


def test_a_deleted_company_costs_no_agreement_of_another(psa: str) -> None:
    """Also when nobody has asked for its agreements before."""

    def read(*, delete: bool) -> dict[str, list[Any]]:
        with SandboxServer(seed=1, companies=33, today=TODAY, only=psa) as server:
            make = Adapters(server, psa)
            if delete:
                server.psas[psa].change(
                    {"do": "delete", "kind": COMPANY_KINDS.get(psa, "companies"), "id": doomed}
                )
                assert make().company(doomed) is None
            return {id_: all_of(make().agreements(company_ids=[id_])) for id_ in owners}

    with SandboxServer(seed=1, companies=33, today=TODAY, only=psa) as server:
        owners = [id_ for id_, row in truth(Adapters(server, psa)).items() if row["agreements"]]
    before = read(delete=False)
    assert len(before) > 10
    for doomed in owners[:2]:
        after = read(delete=True)
        assert {**after, doomed: before[doomed]} == before
