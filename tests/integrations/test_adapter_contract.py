"""What every adapter must do, whatever its PSA: each test runs once for each PSA there is.

The PSAs are the sandboxes, over real HTTP. Nothing here knows a PSA by name.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.psa import registry
from integrations.psa.contract import Finding, PsaAdapter, PsaAgreement, PsaPage, Right
from integrations.psa.errors import CODES, PsaError, PsaRateLimited
from integrations.psa.http import PsaHttp
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY

COMPANIES = 1050
RIGHTS: tuple[Right, ...] = ("read_companies", "read_contacts", "read_agreements")
Make = Callable[..., PsaAdapter]


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=3, companies=COMPANIES, today=TODAY) as running:
        yield running


@pytest.fixture(params=sorted(registry.adapters()))
def psa(request: Any, server: SandboxServer) -> Iterator[str]:
    yield request.param
    server.faults.clear()


class Adapters:
    """Makes adapters of one PSA, and remembers every error and log line for the secrets' sake."""

    def __init__(self, server: SandboxServer, psa: str) -> None:
        self.server, self.psa = server, psa
        self.credentials = server.credentials(psa)
        self.secrets = [
            self.credentials[name] for name in registry.get_adapter(psa).info.secret_fields
        ]
        self.http: list[PsaHttp] = []
        self.told: list[str] = []

    def __call__(self, memory: dict[str, str] | None = None, **credentials: str) -> PsaAdapter:
        http = PsaHttp(allow_private_hosts=True, attempts=3, read_seconds=2, first_pause=0)
        self.http.append(http)
        adapter = registry.get_adapter(self.psa)
        given = self.server.settings()
        chosen = {s.name: given.get(s.name, s.default) for s in adapter.info.settings}
        known = {} if memory is None else memory
        return adapter({**self.credentials, **credentials}, chosen, http, known)

    def error(self, ask: Callable[[], Any]) -> PsaError:
        with pytest.raises(PsaError) as caught:
            ask()
        error = caught.value
        assert error.code in CODES
        assert error.fix, error
        self.told += [repr(error), str(error), error.message, error.fix]
        return error

    def path_of(self, kind: str) -> str:
        """The path of a list, whatever it is called there: the one that all its pages have."""
        self.server.forget_requests()
        list(listing(self(), kind))
        paths = Counter(str(request["path"]) for request in self.server.requests())
        return paths.most_common(1)[0][0] + "$"


@pytest.fixture
def make(server: SandboxServer, psa: str, caplog: Any) -> Iterator[Adapters]:
    adapters = Adapters(server, psa)
    with caplog.at_level(logging.DEBUG):
        yield adapters
    for http in adapters.http:
        http.close()
    for secret in adapters.secrets:
        assert secret not in caplog.text + "".join(adapters.told)


def first(pages: Iterator[PsaPage[Any]]) -> PsaPage[Any]:
    return next(pages)


def all_of(pages: Iterator[PsaPage[Any]]) -> list[Any]:
    return [record for page in pages for record in page.records]


def ids(pages: Iterator[PsaPage[Any]]) -> list[str]:
    return [record.external_id for record in all_of(pages)]


def truth(make: Adapters) -> dict[str, Any]:
    found: dict[str, Any] = make.server.psas[make.psa].truth(TODAY)["companies"]
    return found


def listing(adapter: PsaAdapter, kind: str) -> Iterator[PsaPage[Any]]:
    return adapter.companies() if kind == "companies" else adapter.contacts()


# Reading


def test_two_pages_and_more_give_every_company_once(make: Adapters) -> None:
    pages = list(make().companies())

    assert len(pages) >= 2
    assert [r.external_id for page in pages for r in page.records] == list(truth(make))
    assert all(isinstance(r.external_id, str) for page in pages for r in page.records)
    assert pages[-1].cursor is None
    assert all(page.cursor for page in pages[:-1])
    assert pages[0].total in {None, len(truth(make))}


@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_a_listing_goes_on_behind_a_page_in_another_process(make: Adapters, kind: str) -> None:
    pages = list(listing(make(), kind))
    assert pages[0].cursor

    adapter = make()
    rest = adapter.companies if kind == "companies" else adapter.contacts
    later = list(rest(cursor=pages[0].cursor))

    assert [page.records for page in later] == [page.records for page in pages[1:]]


def test_the_same_data_read_twice_are_the_same_records(make: Adapters) -> None:
    chosen = list(truth(make))[3:20]

    def read() -> list[Any]:
        adapter = make()
        return [
            *all_of(adapter.companies()),
            *all_of(adapter.contacts()),
            *all_of(adapter.agreements(company_ids=chosen)),
        ]

    assert read() == read()


def test_agreements_are_those_of_the_companies_asked_for(make: Adapters) -> None:
    chosen = list(truth(make))[2:40]
    companies = truth(make)
    expected = {id_: set(companies[id_]["agreements"]) for id_ in chosen}

    found: dict[str, set[str]] = {id_: set() for id_ in chosen}
    for agreement in all_of(make().agreements(company_ids=chosen)):
        found[agreement.company_id].add(agreement.external_id)

    assert found == expected
    assert sum(map(len, expected.values())) > 20


def test_an_agreement_tells_whose_it_is(make: Adapters) -> None:
    (agreement, *_) = all_of(make().agreements(company_ids=list(truth(make))[2:40]))

    owner = make().agreement_owner(agreement.external_id)

    assert owner == (None if make.psa == "kaseya_bms" else agreement.company_id)
    assert make().agreement_owner("999999999") is None


def test_money_is_exact_and_dates_are_days(make: Adapters) -> None:
    agreements: list[PsaAgreement] = all_of(make().agreements(company_ids=list(truth(make))[:50]))
    amounts: list[Any] = [agreement.amount for agreement in agreements]
    days: list[Any] = [day for a in agreements for day in (a.start_date, a.end_date)]
    for line in (line for agreement in agreements for line in agreement.lines):
        amounts += [line.quantity, line.unit_price, line.less_included]
        for row in line.units or ():
            amounts += [row.units, row.unit_price, row.amount]
            days += [row.start_date, row.end_date]

    assert {type(amount) for amount in amounts} <= {Decimal, type(None)}
    assert {type(day) for day in days} <= {date, type(None)}
    assert any(amount for amount in amounts)


def test_contacts_of_some_companies_are_theirs_alone(make: Adapters) -> None:
    everybody = all_of(make().contacts())
    chosen = set(list(truth(make))[5:12])

    found = all_of(make().contacts(company_ids=sorted(chosen)))

    assert sorted(r.external_id for r in found) == sorted(
        r.external_id for r in everybody if r.company_id in chosen
    )
    assert found


def test_one_company_reads_as_in_the_list(make: Adapters) -> None:
    listed = {record.external_id: record for record in all_of(make().companies())}
    wanted = list(listed)[7]

    assert make().company(wanted) == listed[wanted]


@pytest.mark.parametrize("unknown", ["999999999", "no such id", ""])
def test_an_id_that_is_not_there_is_none(make: Adapters, unknown: str) -> None:
    assert make().company(unknown) is None
    assert all_of(make().agreements(company_ids=[unknown])) == []
    assert all_of(make().contacts(company_ids=[unknown])) == []


def test_only_what_changed_since_is_read(make: Adapters) -> None:
    moment = datetime.now(UTC) - timedelta(minutes=1)
    changed = list(truth(make))[9]
    make.server.psas[make.psa].change(
        {"do": "change", "kind": COMPANY_KINDS.get(make.psa, "companies"), "id": changed}
    )

    assert ids(make().companies(changed_since=moment)) == [changed]
    new = make.server.psas[make.psa].change(
        {
            "do": "add",
            "kind": COMPANY_KINDS.get(make.psa, "companies"),
            "values": {NAMES[make.psa]: "Made A Moment Ago"},
        }
    )
    found = all_of(make().companies(changed_since=moment))
    assert sorted(record.external_id for record in found) == sorted([changed, str(new["id"])])
    assert all(record.changed_at and record.changed_at >= moment for record in found)


COMPANY_KINDS = {"kaseya_bms": "accounts"}  # what the sandbox's own control calls them
NAMES = {"connectwise": "name", "autotask": "companyName", "kaseya_bms": "accountName"}


def test_members_that_are_null_missing_or_new_change_nothing(make: Adapters) -> None:
    before = [all_of(make().companies()), all_of(make().contacts())]

    make.server.faults.switch_on("explicit_nulls")
    make.server.faults.switch_on("extra_members")

    assert [all_of(make().companies()), all_of(make().contacts())] == before


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("pascal_case", {}),
        ("small_pages", {"most": 60}),
        ("no_totals", {}),
        ("wrapped_by_id", {}),
        ("missing_item", {}),
        ("missing_item", {"form": "204"}),
        ("missing_item", {"form": "false"}),
        ("missing_item", {"form": "result"}),
        ("zone_moved", {}),
        ("zone_moved", {"form": "404"}),
        ("zone_moved", {"form": "redirect"}),
    ],
)
def test_what_no_document_settles_is_borne_either_way(
    make: Adapters, fault: str, options: dict[str, Any]
) -> None:
    memory: dict[str, str] = {}
    before = make(memory)
    listed = ids(before.companies())
    one = before.company(listed[7])
    make.server.faults.switch_on(fault, **options)

    adapter = make(memory)

    assert ids(adapter.companies()) == listed
    found = adapter.company(listed[7])
    assert found
    assert one
    assert replace(found, url="") == replace(one, url="")  # its pages move with a zone
    assert adapter.company("999999999") is None


# Records that can't be used


@pytest.mark.parametrize(
    ("how", "code"),
    [("wrong_type", "invalid_record"), ("missing_id", "missing_id"), ("too_long", "too_long")],
)
@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_one_bad_record_is_set_aside_and_all_others_come(
    make: Adapters, kind: str, how: str, code: str
) -> None:
    good = ids(listing(make(), kind))
    path = make.path_of(kind)
    make.server.faults.switch_on("bad_record", path=path, times=1, how=how)

    pages = list(listing(make(), kind))

    rejected = [record for page in pages for record in page.rejected]
    assert [record.code for record in rejected] == [code]
    assert rejected[0].external_id == ("" if how == "missing_id" else good[1])
    found = [record.external_id for page in pages for record in page.records]
    assert found == [good[0], *good[2:]]


def test_a_bad_agreement_is_set_aside_and_all_others_come(make: Adapters) -> None:
    chosen = [id_ for id_, c in truth(make).items() if len(c["agreements"]) > 1][:1]
    good = ids(make().agreements(company_ids=chosen))
    make.server.faults.switch_on("bad_record", times=None, how="too_long", path=path_of_lists(make))

    pages = list(make().agreements(company_ids=chosen))

    rejected = {r.external_id for page in pages for r in page.rejected if r.code == "too_long"}
    found = {r.external_id for page in pages for r in page.records}
    assert rejected
    assert found == set(good) - rejected


def path_of_lists(make: Adapters) -> str:
    """The path of the list of agreements: the first one that was asked only for them."""
    make.server.forget_requests()
    adapter = make()
    first(adapter.companies())
    before = {request["path"] for request in make.server.requests()}
    company = next(id_ for id_, c in truth(make).items() if c["agreements"])
    all_of(adapter.agreements(company_ids=[company]))
    return next(
        str(request["path"]) + "$"
        for request in make.server.requests()
        if request["path"] not in before
    )


# Refusals


def test_refused_keys_have_their_code(make: Adapters) -> None:
    secret = next(iter(registry.get_adapter(make.psa).info.secret_fields))
    make.secrets.append("not-the-secret")

    error = make.error(make(**{secret: "not-the-secret"}).authenticate)

    assert error.code == "invalid_credentials"


@pytest.mark.parametrize("form", ["401", "json", "html"])
def test_keys_refused_in_any_form_are_asked_once(make: Adapters, form: str) -> None:
    make.server.faults.switch_on("bad_keys", form=form if form != "401" else 401)
    if make.psa == "kaseya_bms" and form != "401":
        pytest.skip("its forms are statuses")
    adapter = make()
    adapter.reach()
    make.server.forget_requests()

    error = make.error(adapter.authenticate)

    assert error.code == "invalid_credentials"
    refused = [r for r in make.server.requests() if r["status"] >= 400]
    assert len(refused) == 1  # repeated refusals lock users out


@pytest.mark.parametrize("right", RIGHTS)
def test_a_missing_right_is_named_with_its_menu_path(make: Adapters, right: Right) -> None:
    adapter = make()
    adapter.authenticate()
    make.server.faults.switch_on("refused_right")

    error = make.error(lambda: adapter.probe(right))

    assert (error.code, error.right) == ("permission_denied", right)
    assert ">" in error.fix


@pytest.mark.parametrize("right", RIGHTS)
def test_empty_for_want_of_rights_does_not_look_like_no_data(make: Adapters, right: Right) -> None:
    adapter = make()
    adapter.authenticate()
    assert adapter.probe(right) == Finding()
    make.server.faults.switch_on("empty_answer")

    found = adapter.probe(right)

    assert found.sees_nothing
    assert " at all" in found.message
    assert ">" in found.message


def test_everything_checks_out_with_good_keys(make: Adapters) -> None:
    memory: dict[str, str] = {}
    adapter = make(memory)

    adapter.reach()
    adapter.authenticate()

    assert [adapter.probe(right) for right in RIGHTS] == [Finding()] * 3
    assert not [secret for secret in make.secrets if secret in str(memory)]


# Bad days


@pytest.mark.parametrize(
    ("fault", "options"),
    [
        ("rate_limited", {"retry_after": 0}),
        ("rate_limited", {"retry_after": None}),
        ("bad_gateway_html", {}),
        ("maintenance_html", {}),
        ("html_200", {}),
        ("truncated_json", {}),
        ("truncated_body", {}),
        ("dropped_connection", {}),
        ("token_expired", {}),
        ("new_release", {}),
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
        ("html_200", {}, "bad_response"),
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
    """What is gone may come or not; whoever stays must come, or the list must prove nothing."""
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


# Accounts


def test_two_spellings_of_one_account_have_one_key_without_secrets(make: Adapters) -> None:
    adapter = registry.get_adapter(make.psa)
    key = adapter.account_key(make.credentials)
    spelled = {name: f"  {value} " for name, value in make.credentials.items()}

    assert adapter.account_key(spelled) == key
    assert not [secret for secret in make.secrets if secret in key]


@given(value=st.text(max_size=40))
def test_whatever_is_typed_never_breaks_the_form(value: str) -> None:
    """Keys and addresses are typed by people: an adapter is made of them, or refuses cleanly."""
    for adapter in registry.adapters().values():
        typed = {field.name: value for field in adapter.info.fields}
        assert isinstance(adapter.account_key(typed), str)
