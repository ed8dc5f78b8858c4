from __future__ import annotations

import json
from typing import Any

import responses

from tests.integrations.adapters.connectwise.answers import (
    BASE,
    adapter,
    companies,
    contact,
    item,
)


def test_missing_null_and_empty_are_alike(wire: responses.RequestsMock) -> None:
    page = companies(
        wire,
        {"id": 1},
        {"id": 2, "name": "", "status": None, "types": None, "deletedFlag": None},
        {"id": 3, "name": " B\u200e ", "status": {"id": 1, "name": " ACTIVE "}, "types": []},
        {
            "id": 4,
            "name": "D",
            "status": {"id": 2, "name": "Inactive"},
            "dateDeleted": "2020-01-01",
        },
    )

    assert [(c.external_id, c.name, c.is_active, c.is_deleted) for c in page.records] == [
        ("1", "Company 1", False, False),
        ("2", "Company 2", False, False),
        ("3", "B", True, False),
        ("4", "D", False, False),
    ]


def test_one_bad_record_is_set_aside_and_the_page_goes_on(wire: responses.RequestsMock) -> None:
    page = companies(
        wire,
        {"id": 1, "name": "A"},
        {"id": 2, "name": {"secret": "value-of-the-field"}},
        {"name": "no id"},
        {"id": 3, "name": "x" * 256},
        {"id": 4, "name": "D"},
    )

    assert [company.external_id for company in page.records] == ["1", "4"]
    assert [(r.external_id, r.code) for r in page.rejected] == [
        ("2", "invalid_record"),
        ("", "missing_id"),
        ("3", "too_long"),
    ]
    assert "name" in page.rejected[0].message
    assert "value-of-the-field" not in page.rejected[0].message


def test_the_status_is_looked_up_when_only_its_id_comes(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/company/companies/statuses", json=[{"id": 1, "name": "Active"}])

    page = companies(wire, {"id": 1, "name": "A", "status": {"id": 1}})

    assert page.records[0].is_active


def test_a_server_that_knows_only_numbered_pages_is_read_to_the_end(
    wire: responses.RequestsMock,
) -> None:
    def answer(request: Any) -> tuple[int, dict[str, str], str]:
        number = int(request.params.get("page", 1))
        address = "https://evil.example/steal"
        links = {1: f'<{address}?page=2>; rel="next"', 2: f'<{address}?page=3>; rel="next"'}
        rows = {1: [{"id": 1}, {"id": 2}], 2: [{"id": 2}, {"id": 3}], 3: []}
        return 200, {"Link": links[number]} if number in links else {}, json.dumps(rows[number])

    wire.get(f"{BASE}/company/companies/count", json={"count": 3})
    wire.add_callback("GET", f"{BASE}/company/companies", callback=answer)

    ids = [c.external_id for page in adapter().companies() for c in page.records]

    assert ids == ["1", "2", "3"]
    assert {call.request.url.split("/")[2] for call in wire.calls} == {"api-na.myconnectwise.net"}


def test_the_email_is_the_default_one_of_its_kind(wire: responses.RequestsMock) -> None:
    found = contact(
        wire,
        company={"id": 7},
        communicationItems=[
            item("555", "Phone", default=True),
            item("fax@fax.example", "Fax"),
            item("first@x.example", "Email"),
            item(" \u200bdefault@x.example ", "Email", default=True),
        ],
    )

    assert (found.email, found.phone, found.company_id) == ("default@x.example", "555", "7")


def test_an_at_sign_does_not_make_an_email(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/company/communicationTypes", json={"code": "Security"}, status=403)

    found = contact(wire, communicationItems=[item("a@x.example", None, type_name="Skype")])

    assert found.email == ""


def test_a_missing_kind_is_told_by_the_type(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/company/communicationTypes", json=[{"id": 5, "emailFlag": True}])

    found = contact(wire, communicationItems=[item("a@x.example", None, type_name="Posta")])

    assert found.email == "a@x.example"


def test_an_id_that_is_no_number_never_reaches_a_condition(wire: responses.RequestsMock) -> None:
    psa = adapter()

    assert psa.company("1) or (1=1") is None
    assert list(psa.contacts(company_ids=["1) or id>0"])) == []
    assert list(psa.agreements(company_ids=["x"])) == []
    assert len(wire.calls) == 0


def test_one_company_that_is_not_there_is_none(wire: responses.RequestsMock) -> None:
    wire.get(f"{BASE}/company/companies/5", json={"code": "NotFound", "message": "x"}, status=404)
    wire.get(f"{BASE}/company/companies", json=[])

    assert adapter().company("5") is None
