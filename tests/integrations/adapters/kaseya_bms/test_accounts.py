from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.integrations.adapters.kaseya_bms.answers import (
    ACCOUNTS,
    CONTACTS,
    adapter,
    bad,
    good,
)


@pytest.mark.parametrize("spelled", ["camel", "pascal", "lower"])
def test_keys_are_read_in_any_case(wire: Any, spelled: str) -> None:
    def key(name: str) -> str:
        return {"camel": name, "pascal": name[0].upper() + name[1:], "lower": name.lower()}[spelled]

    row = {key("id"): 1, key("accountName"): "A", key("accountType"): "Prospect",
           key("isActive"): False}  # fmt: skip
    wire.get(ACCOUNTS, json={key("success"): True, key("result"): [row], key("totalRecords"): 1})

    (page,) = adapter().companies()

    (found,) = page.records
    assert (found.external_id, found.name, found.type, found.status, found.is_active) == (
        "1", "A", "Prospect", "Inactive", False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, ""),
        (204, ""),
        (200, "null"),
        (200, good(None)),
        (200, bad("The record was not found")),
    ],
)
def test_an_account_that_is_not_there_is_told_in_five_ways(
    wire: Any, status: int, body: Any
) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    wire.get(f"{ACCOUNTS}/5", status=status, body=text)

    assert adapter().company("5") is None


@pytest.mark.parametrize("wrapped", [True, False])
def test_an_account_comes_bare_or_in_an_envelope(wire: Any, wrapped: bool) -> None:
    row = {"id": 5, "accountName": "A", "isActive": True}
    wire.get(f"{ACCOUNTS}/5", json=good(row) if wrapped else row)

    found = adapter().company("5")

    assert found is not None
    assert (found.external_id, found.name) == ("5", "A")


def test_addresses_take_the_default_that_is_not_blank_else_the_lowest_id(wire: Any) -> None:
    def email(id_: int, value: Any, default: bool = False) -> Any:
        return {"id": id_, "emailAddress": value, "isDefault": default}

    emails: list[Any] = [
        [email(3, "b@x.example"), email(2, " a@x.example ")],
        [email(1, "a@x.example"), email(2, "b@x.example", True)],
        [email(1, " ", True), email(2, "b@x.example")],
        [email(1, "not an address", True)],
        [],
        None,
    ]
    rows = [{"id": n, "accountId": 7, "isPoc": n == 2, "isActive": True, "emails": one,
             "phones": None} for n, one in enumerate(emails, start=1)]  # fmt: skip
    wire.get(CONTACTS, json=good(rows, totalRecords=6))

    (page,) = adapter().contacts()

    assert [person.email for person in page.records] == [
        "a@x.example", "b@x.example", "b@x.example", "", "", "",
    ]  # fmt: skip
    assert [person.is_default for person in page.records] == [n == 2 for n in range(1, 7)]


def test_what_was_never_modified_has_the_stamp_of_its_creation(wire: Any) -> None:
    """Year 1 is how .NET writes "never"."""
    stamps = {"modifiedOn": "0001-01-01T00:00:00", "createdOn": "2021-03-02T15:20:11"}
    wire.get(ACCOUNTS, json=good([{"id": 7, "accountName": "A", **stamps}], totalRecords=1))
    wire.get(CONTACTS, json=good([{"id": 70, "accountId": 7, **stamps}], totalRecords=1))

    (accounts,) = adapter().companies()
    (people,) = adapter().contacts()

    created = datetime(2021, 3, 2, 15, 20, 11, tzinfo=UTC)
    assert [record.changed_at for record in (*accounts.records, *people.records)] == [created] * 2


def test_a_filter_that_the_server_ignores_is_applied_again(wire: Any) -> None:
    rows = [{"id": 1, "accountId": 7}, {"id": 2, "accountId": 8}]
    wire.get(CONTACTS, json=good(rows, totalRecords=2))

    found = [c.external_id for page in adapter().contacts(company_ids=["7"]) for c in page.records]

    assert found == ["1"]
