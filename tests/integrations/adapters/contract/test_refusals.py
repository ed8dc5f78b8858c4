from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.kinds import RIGHTS, Right
from integrations.psa import registry
from tests.integrations.adapters.contract.adapters import (
    Adapters,
    ids,
    listing,
    truth,
)


def test_refused_keys_have_their_code(make: Adapters) -> None:
    secret = next(iter(registry.get_adapter(make.psa).info.secret_fields))
    make.secrets.append("not-the-secret")

    error = make.error(make(**{secret: "not-the-secret"}).authenticate)

    assert error.code == "invalid_credentials"


@pytest.mark.parametrize("form", ["401", "json", "html"])
def test_keys_refused_in_any_form_are_asked_once_where_that_locks_the_user(
    make: Adapters, form: str
) -> None:
    make.server.faults.switch_on("bad_keys", form=form if form != "401" else 401)
    if make.psa == "kaseya_bms" and form != "401":
        pytest.skip("its forms are statuses")
    adapter = make()
    adapter.reach()
    make.server.forget_requests()

    error = make.error(adapter.authenticate)

    assert error.code == "invalid_credentials"
    refused = [r for r in make.server.requests() if r["status"] >= 400]
    assert len(refused) == (1 if adapter.info.locks_users else 2)


def test_where_users_are_locked_each_try_of_keys_is_told(make: Adapters) -> None:
    adapter = make()

    adapter.reach()
    before = len(make.tried.tries)
    adapter.authenticate()

    assert before == 0
    assert make.tried.tries[:1] == ([False] if adapter.info.locks_users else [])


def test_one_refusal_among_good_answers_condemns_no_keys_where_nobody_is_locked(
    make: Adapters,
) -> None:
    path = make.path_of("companies")
    make.server.faults.switch_on("bad_keys", path=path, times=1, after=1)
    adapter = make()

    if make.psa == "autotask":
        assert make.error(lambda: list(adapter.companies())).code == "invalid_credentials"
    else:  # BMS refuses keys at its sign-in alone
        assert ids(adapter.companies()) == list(truth(make))


#: Where each PSA with lines shows them.
LINES_PATHS = {"connectwise": "/additions", "autotask": "/ContractService"}


def skip_without(make: Adapters, right: Right) -> None:
    if right not in registry.get_adapter(make.psa).info.rights:
        pytest.skip("its agreements have no lines")


@pytest.mark.parametrize("right", RIGHTS)
def test_a_missing_right_is_named_with_its_menu_path(make: Adapters, right: Right) -> None:
    skip_without(make, right)
    adapter = make()
    adapter.authenticate()
    path = LINES_PATHS[make.psa] if right == "read_lines" else ""
    make.server.faults.switch_on("refused_right", path=path)

    error = make.error(lambda: adapter.probe(right))

    assert (error.code, error.right) == ("permission_denied", right)
    assert ">" in error.fix


@pytest.mark.parametrize("right", RIGHTS)
def test_empty_because_rights_are_missing_does_not_look_like_no_data(
    make: Adapters, right: Right
) -> None:
    skip_without(make, right)
    adapter = make()
    adapter.authenticate()
    assert not adapter.probe(right).sees_nothing
    make.server.faults.switch_on("empty_answer")

    found = adapter.probe(right)

    assert (found.sees_nothing, found.seen) == (True, 0)
    assert " at all" in found.message
    assert ">" in found.message


def test_everything_checks_out_with_good_keys(make: Adapters) -> None:
    memory: dict[str, str] = {}
    adapter = make(memory)

    adapter.reach()
    adapter.authenticate()

    found = [adapter.probe(right) for right in adapter.info.rights]
    assert [(one.message, one.sees_nothing) for one in found] == [("", False)] * len(found)
    shown = [len(ids(listing(adapter, kind))) for kind in ("companies", "contacts")]
    assert [one.seen for one in found[:2]] == shown
    assert all(one.seen for one in found)
    assert not [secret for secret in make.secrets if secret in str(memory)]


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
