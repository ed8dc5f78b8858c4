from __future__ import annotations

import json
from typing import Any

from tests.integrations.adapters.autotask.answers import (
    ZONE,
    adapter,
    answer,
)


def test_contacts_take_the_first_address_and_number_that_there_is(wire: Any) -> None:
    answer(
        wire, "Contacts",
        {"id": 1, "companyID": 0, "firstName": " Ana ", "emailAddress": "", "emailAddress2": None,
         "emailAddress3": " c@x.example ", "phone": "", "mobilePhone": "555-0101", "isActive": 1,
         "primaryContact": True},
        {"id": 2, "companyID": 7, "emailAddress": "a@x.example", "phone": "555-0102", "extension": "9",
         "isActive": 0, "primaryContact": None},
        {"id": 3, "companyID": 7, "isActive": False},
        {"id": 4, "companyID": 7, "isActive": "1"},
        {"id": 5, "companyID": 7, "isActive": None},
    )  # fmt: skip

    (page,) = adapter().contacts(company_ids=["7"])

    assert [(c.company_id, c.email, c.phone, c.is_active, c.is_default) for c in page.records] == [
        ("0", "c@x.example", "555-0101", True, True),
        ("7", "a@x.example", "555-0102 x9", False, False),
        ("7", "", "", False, False),
        ("7", "", "", True, False),
        ("7", "", "", False, False),
    ]


def test_the_msps_own_organisation_is_marked_and_the_inactive_say_so(wire: Any) -> None:
    fields = [{"name": "companyType", "picklistValues": [{"value": "6", "label": "Former client"}]}]
    wire.replace("GET", f"{ZONE}/Companies/entityInformation/fields", json={"fields": fields})
    wire.post(f"{ZONE}/Companies/query/count", json={"queryCount": 2})
    answer(
        wire, "Companies",
        {"id": 0, "companyName": "Us", "companyType": 1, "isActive": True},
        {"id": 5, "companyName": "Gone", "companyType": 6, "isActive": False},
    )  # fmt: skip

    (page,) = adapter().companies()

    own, gone = page.records
    assert (own.external_id, own.is_own, own.status) == ("0", True, "Active")
    assert (gone.is_own, gone.status, gone.is_active, gone.type) == (
        False, "Inactive", False, "Former client",
    )  # fmt: skip
    assert gone.url.endswith("Code=OpenAccount&AccountID=5")


def test_pages_go_on_after_the_last_id_whatever_the_page_size(wire: Any) -> None:
    """A server may clip the page (`requestCount`), or name a next page beside a short one."""
    wire.post(f"{ZONE}/Contacts/query/count", json={"queryCount": 3})
    pages = [
        {"items": [{"id": 1}, {"id": 4}], "pageDetails": {"requestCount": 2}},
        {"items": [{"id": 6}], "pageDetails": {"requestCount": 500, "nextPageUrl": "https://x"}},
        {"items": [], "pageDetails": {"requestCount": 500, "nextPageUrl": None}},
    ]
    asked: list[Any] = []

    def reply(request: Any) -> tuple[int, dict[str, str], str]:
        asked.append(json.loads(request.body)["filter"][0])
        return 200, {}, json.dumps(pages[len(asked) - 1])

    wire.add_callback("POST", f"{ZONE}/Contacts/query", callback=reply)

    found = [c.external_id for page in adapter().contacts() for c in page.records]

    assert found == ["1", "4", "6"]
    assert [(one["op"], one["value"]) for one in asked] == [("gte", 0), ("gt", 4), ("gt", 6)]
