"""What was known of books is in an export as text, and a contact is taken out of it."""

from __future__ import annotations

import io
import json
import zipfile
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from agreements import stored_mrr
from agreements.as_known import company_as_known
from agreements.known import editions, values
from agreements.known.free_text import check, with_changes
from agreements.known.texts import opened
from agreements.models import AgreementLine, BookPiece
from agreements.mrr.words import CURRENCY, PRODUCT, STATUS, WordChoice
from audit_site.privacy.contact_erasure import erase_contact
from audit_site.privacy.tenant_export import export_stream
from audit_site.privacy.traces import Needles
from audit_site.tenants.models import Tenant
from integrations.words.saying import say_word
from tests.agreements.known.moments import HOUR, NOON, sync, text
from tests.clients import V1
from tests.factories import make_agreement, make_company, make_integration, make_line, make_link


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


@pytest.mark.django_db
def test_a_number_of_a_contact_is_taken_out_of_free_text_alone(tenant: Tenant) -> None:
    """Its number is the price of a line and stands in ids too: those stay as they were."""
    company, integration = make_company(tenant), make_integration(tenant)
    contact = company.contacts.get()
    contact.last_name, contact.phone = "Byron", "312500"
    contact.save()
    make_link(company, integration)
    agreement = make_agreement(
        company, integration, amount=None, name="Care of 312500", external_id="A-312500"
    )
    agreement.cycle_label = "Monthly, ask Ada Byron"
    agreement.type, agreement.status = "Care by  ada byron", "With Ada Byron"
    agreement.former_type, agreement.cycle = "Ada Byron's", {"unknown": "As Ada Byron says"}
    agreement.save()
    line = make_line(
        agreement,
        quantity="1",
        unit_price="312500",
        description="Firewall of ADA BYRON",
        product="FW-312500",
        external_id="9312500",
    )
    stored_mrr.refresh(tenant, [company.pk])
    (before,) = [text for text in kept_of(tenant) if isinstance(text, list)]
    for kind, word, meaning in (
        ("cycle", "as ada  byron says", "monthly"),
        ("agreement_type", "Care by Ada Byron", "count"),
    ):
        say_word(integration=integration, actor=None, kind=kind, word=word, meaning=meaning)
    sync(line, quantity="2")
    then = timezone.now()

    erased = erase_contact(contact=contact, actor=None)

    assert set(erased.left_in()) == {  # keys and causes, the trail, and ids stay what they are
        "integrations_psaword.key",
        "agreements_bookversion.name",
        "tenants_auditevent.object_name",
        "tenants_auditevent.after",
        "agreements_bookpiece.value",
    }
    first, second = [text for text in kept_of(tenant) if isinstance(text, list)]
    before[0][3], before[1][1] = "Care of [erased]", "Monthly, ask [erased]"
    before[0][12] = {"unknown": "As [erased] says"}
    before[0][21:24] = ["Care by [erased]", "With [erased]", "[erased]'s"]
    before[2][0][0][9], before[2][0][1][1] = "FW-[erased]", "Firewall of [erased]"
    assert first == before
    assert (Decimal(second[2][0][0][2]), second[0][1]) == (Decimal(2), "A-312500")
    figure = company_as_known(company, then)
    assert [total["amount"] for total in figure.totals] == ["625000.00"]
    assert [row.agreement.name for row in figure.agreements] == ["Care of [erased]"]


def test_what_agreements_are_read_with_still_fits_to_them() -> None:
    said = [
        (
            "CW-312500",
            PRODUCT,
            "backup of 312500",
            WordChoice(PRODUCT, "Backup of 312500", "usage"),
        ),
        ("CW-312500", STATUS, "312500", WordChoice(STATUS, "312500", "active", "Eve")),
        ("CW-312500", CURRENCY, "312500", WordChoice(CURRENCY, "312500", "USD", "Eve")),
    ]
    frame = values.Frame(
        editions.current().edition,
        "USD",
        "UTC",
        {},
        [(*key, msgspec.Raw(values.encode(word))) for *key, word in said],
        [msgspec.Raw(b'["cw","312500","","Care of 312500"]')],
    )
    needles = Needles(["312500"])

    text = with_changes(values.FRAME, values.encode(frame), needles.without)

    check(values.FRAME, text, editions.current())
    found = json.loads(text)
    assert [word[:3] for word in found["words"]] == [
        ["CW-312500", PRODUCT, "backup of [erased]"],
        ["CW-312500", STATUS, "[erased]"],
        ["CW-312500", CURRENCY, "312500"],
    ]
    assert [word[3]["word"] for word in found["words"]] == [
        "Backup of [erased]",
        "[erased]",
        "[erased]",
    ]
    assert found["context"] == [["cw", "312500", "", "Care of [erased]"]]


def test_what_is_rewritten_and_can_not_be_read_is_refused() -> None:
    key: values.Key = ("0", 0)

    with pytest.raises(msgspec.ValidationError):
        check(key, b'[["cw","1"],["no id"],[]]', editions.current())


def kept_of(tenant: Tenant) -> list[Any]:
    """What is kept, in the order in which it was; numbers exact."""
    rows = BookPiece.objects.for_tenant(tenant).order_by("known_from", "pk").values()
    return [
        json.loads(row["value"], parse_float=Decimal, parse_int=Decimal) for row in opened(rows)
    ]
