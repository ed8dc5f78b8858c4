"""What is said of a type or a product holds for what comes later, too."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from agreements.models import Agreement, AgreementLine
from audit_site.tenants.models import Tenant, User
from integrations.words.saying import say_word, undo_word
from tests.integrations.sync.practised import KINDS, Client, amounts, book_of, client_of
from tests.syncing import synced

TODAY = date(2026, 11, 25)
FIRST, SECOND = 49990, 49991


def add_agreement(client: Client, id_: int) -> None:
    """One of 100.00 a month, of the same type as the other."""
    values: dict[str, dict[str, Any]] = {
        "connectwise": {
            "company": {"id": int(client.id), "name": "Client"}, "name": f"Block {id_}",
            "type": {"id": 13, "name": "Block Time"}, "startDate": "2026-01-01T00:00:00Z",
            "billingCycle": {"id": 2, "name": "Monthly"}, "billAmount": 100.0,
            "agreementStatus": "Active", "noEndingDateFlag": True, "cancelledFlag": False,
            "billOneTimeFlag": False, "currency": {"id": 7, "currencyCode": "USD"},
        },
        "autotask": {
            "companyID": int(client.id), "contractName": f"Block {id_}", "contractPeriodType": 2,
            "status": 1, "setupFee": 0, "startDate": "2026-01-01T00:00:00",
            "endDate": "2026-12-31T00:00:00",
        },
        "kaseya_bms": {
            "accountId": int(client.id), "contractName": f"Block {id_}", "status": "Active",
            "contractType": "Recurring Services", "contractBillingPrice": 100.0,
            "billingCycle": "Monthly", "startDate": "2026-01-01T00:00:00",
            "endDate": "2027-12-31T00:00:00",
        },
    }  # fmt: skip
    client.change("add", KINDS[client.psa][1], id_, **values[client.psa])
    if client.psa == "autotask":
        client.change("change", "companies", client.id, currencyID=1)
        client.change("add", "lines", contractID=id_, units=4, unitPrice="25.00")


@pytest.mark.parametrize("psa", KINDS)
def test_a_type_that_is_left_out_leaves_out_what_comes_later(
    tenant: Tenant, alex: User, settings: Any, time_machine: Any, psa: str
) -> None:
    time_machine.move_to(datetime(2026, 11, 25, 12, tzinfo=UTC))
    with client_of(psa, settings) as client:
        add_agreement(client, FIRST)
        integration, company = client.imported(tenant)
        assert amounts(company, TODAY) == ["100.00"]
        kind = Agreement.objects.values_list("type", flat=True).get()
        word, _ = say_word(
            integration=integration, actor=alex, kind="agreement_type", word=kind,
            meaning="leave_out", note="Prepaid hours",
        )  # fmt: skip

        add_agreement(client, SECOND)
        synced(integration)

    assert Agreement.objects.filter(stored_mrr__reason="excluded_by_user").count() == 2
    assert amounts(company, TODAY, date(2026, 2, 1)) == ["", ""]
    said = {choice.sentence for item in book_of(company) for choice in item.meaning.decided}
    assert said == {f'The type "{kind}" is left out here, said by {alex} on 25 Nov 2026.'}
    undo_word(word=word, actor=alex)
    assert amounts(company, TODAY) == ["200.00"]


@pytest.mark.parametrize("psa", ["connectwise", "autotask"])  # BMS has no lines
def test_a_product_that_is_usage_takes_out_lines_that_come_later(
    tenant: Tenant, alex: User, settings: Any, time_machine: Any, psa: str
) -> None:
    time_machine.move_to(datetime(2026, 11, 25, 12, tzinfo=UTC))
    with client_of(psa, settings) as client:

        def add_line(id_: int, amount: str) -> None:
            if psa == "autotask":
                client.change("add", "lines", contractID=FIRST, units=1, unitPrice=amount)
                return
            client.sandbox.change(
                {
                    "do": "add", "kind": "additions", "parent": FIRST, "id": id_,
                    "values": {
                        "product": {"id": 800, "identifier": "AZURE"}, "quantity": 1,
                        "unitPrice": float(amount), "billCustomer": "Billable",
                        "effectiveDate": "2026-01-01T00:00:00Z",
                    },
                }
            )  # fmt: skip

        add_agreement(client, FIRST)
        add_line(4999001, "40.00")
        integration, company = client.imported(tenant)
        before = amounts(company, TODAY)
        (product,) = set(AgreementLine.objects.values_list("product", flat=True))
        word, _ = say_word(
            integration=integration, actor=alex, kind="product", word=product, meaning="usage",
            note="By consumption",
        )  # fmt: skip
        add_line(4999002, "60.00")
        synced(integration)

    rows = [row for item in book_of(company) for row in item.rows if row.line]
    assert before == ["140.00"]
    assert {row.reason_on(TODAY.toordinal()) for row in rows} == {"usage"}
    brought = sorted(row.rate(TODAY.toordinal()) or 0 for row in rows)
    assert brought == ([40, 60] if psa == "connectwise" else [40, 60, 100])
    undo_word(word=word, actor=alex)
    assert amounts(company, TODAY) == ["200.00"]
