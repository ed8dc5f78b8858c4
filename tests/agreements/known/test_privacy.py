"""What was known of books is in an export as text, and a contact is taken out of it."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

from rest_framework.test import APIClient

from agreements.models import AgreementLine
from audit_site.privacy.contact_erasure import erase_contact
from audit_site.privacy.tenant_export import export_stream
from tests.agreements.known.moments import HOUR, NOON, sync, text
from tests.clients import V1


def test_an_export_holds_what_was_known_as_text(line: AgreementLine, time_machine: Any) -> None:
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, unit_price="3100")

    with zipfile.ZipFile(io.BytesIO(b"".join(export_stream(line.tenant)))) as archive:
        lines = archive.read("tables/agreements_bookpiece.jsonl").decode().splitlines()

    values = [json.loads(json.loads(row)["value"]) for row in lines]
    prices = [value[2][0][0][3] for value in values if isinstance(value, list)]
    assert sorted(map(float, prices)) == [100.0, 3100.0]


def test_a_contact_is_taken_out_of_what_was_known(
    line: AgreementLine, api: APIClient, time_machine: Any
) -> None:
    company = line.agreement.company
    contact = company.contacts.get()
    contact.email = "ada.lovelace@client.example"
    contact.save()
    sync(line, description="Mailbox of ada.lovelace@client.example")
    time_machine.move_to(NOON + HOUR, tick=False)
    sync(line, unit_price="3100")
    time_machine.move_to(NOON + 2 * HOUR, tick=False)

    erased = erase_contact(contact=contact, actor=None)

    assert erased.left_in() == []
    address = f"{V1}/companies/{company.pk}/mrr/"
    for moment, amount in ((NOON + HOUR / 2, "150.00"), (NOON + HOUR, "3150.00")):
        known = api.get(address, {"known_at": text(moment)}).json()
        assert known["totals"][0]["amount"] == amount
