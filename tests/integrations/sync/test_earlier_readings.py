"""What is inactive, renewed or recurring, as the day of a reading and the readings before say it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.utils import timezone

from agreements import mrr
from agreements.models import Agreement, AgreementLine
from agreements.stored_values import keep_values, restore_values
from audit_site.tenants.models import Tenant, User
from integrations.importing.record_store import store
from integrations.links.linking import link_company, unlink_company
from integrations.links.shown_book import book_with
from integrations.models import CompanyLink, Integration
from integrations.psa.contract import PsaAgreement, PsaAgreementLine, RejectedRecord
from integrations.sync.agreement_batch import AgreementBatch, keep_renewals
from integrations.sync.earlier_readings import (
    first_day_out,
    has_moved_on,
    left_to_its_dates,
    note_earlier_readings,
    went_out_before,
)
from integrations.words.saying import say_word
from tests.factories import make_agreement, make_company, make_line, make_link
from tests.integrations.sync.practised import amounts, book_of, bridge, client_of
from tests.syncing import synced
from tests.worker import work_off

TODAY = date(2026, 11, 25)


def noon(month: int, day: int, year: int = 2026) -> datetime:
    return datetime(year, month, day, 12, 0, tzinfo=UTC)


def midnight(day: str) -> str:
    return f"{day}T00:00:00"


def add_bms_contract(client: Any, price: float, status: str, start: str, end: str) -> None:
    client.change(
        "add", "contracts", 59999, accountId=int(client.id), contractName="Managed IT",
        contractType="Recurring Services", contractBillingPrice=price, status=status,
        billingCycle="Monthly", startDate=midnight(start), endDate=midnight(end),
    )  # fmt: skip


# What the day of a reading says


@pytest.mark.parametrize(
    ("over", "active"),
    [
        ({"end_date": date(2026, 11, 24)}, None),
        ({"end_date": TODAY}, False),
        ({"end_date": date(2026, 11, 24), "no_end": True}, False),
        ({}, False),
        ({"end_date": date(2026, 11, 24), "active": True}, True),
    ],
    ids=["it ran out", "its last day is today", "it has no end", "no end date", "it is active"],
)
def test_the_dates_decide_once_an_inactive_agreement_has_run_out(
    over: dict[str, Any], active: bool | None
) -> None:
    record = replace(PsaAgreement("1", "7", active=False), **over)

    assert left_to_its_dates(record, TODAY).active is active


@pytest.mark.parametrize(
    ("out", "is_before"),
    [
        (date(2026, 11, 10), True),
        (date(2026, 11, 24), True),
        (None, True),
        (date(2026, 11, 25), False),
    ],
    ids=["before its end", "on its last day", "nobody knows", "the day after: it ran its course"],
)
def test_an_end_that_passes_brings_back_no_day_on_which_it_was_out(
    out: date | None, is_before: bool
) -> None:
    record = PsaAgreement("1", "7", active=False, end_date=date(2026, 11, 24))
    is_known_out = went_out_before(out, record.end_date)

    read = left_to_its_dates(record, TODAY, is_known_out=is_known_out)

    assert (is_known_out, read.active) == (is_before, False if is_before else None)


@pytest.mark.parametrize(
    ("read_on", "former_end", "expected"),
    [
        (date(2026, 11, 20), None, date(2026, 11, 21)),
        (date(2026, 11, 20), date(2026, 12, 31), date(2026, 11, 21)),
        (date(2026, 11, 20), date(2026, 11, 14), date(2026, 11, 15)),
        (None, None, TODAY),
    ],
    ids=["after the reading", "its end was ahead", "it had ended by then", "nobody noted when"],
)
def test_an_agreement_is_out_from_the_day_after_it_was_last_read_in_force(
    read_on: date | None, former_end: date | None, expected: date
) -> None:
    assert first_day_out(read_on, former_end, TODAY) == expected


@pytest.mark.parametrize(
    ("former_end", "end", "expected"),
    [
        (date(2026, 11, 30), date(2026, 12, 31), True),
        (date(2026, 11, 30), date(2026, 11, 30), False),
        (date(2026, 11, 30), date(2026, 11, 15), False),
        (None, date(2026, 12, 31), False),
        (date(2026, 11, 30), None, False),
    ],
)
def test_a_line_recurs_whose_end_moves_on(
    former_end: date | None, end: date | None, expected: bool
) -> None:
    assert has_moved_on(former_end, end) is expected


# Whole syncs


def test_an_early_autotask_renewal_is_expansion_and_nobody_new(
    tenant: Tenant, settings: Any, time_machine: Any
) -> None:
    time_machine.move_to(noon(11, 25))
    with client_of("autotask", settings) as client:
        client.change("change", "companies", client.id, currencyID=1)
        old = client.change(
            "add", "contracts", 29799990, companyID=int(client.id), contractName="Managed",
            contractPeriodType=2, status=1, setupFee=0,
            startDate=midnight("2026-01-01"), endDate=midnight("2026-12-31"),
        )  # fmt: skip
        client.change("add", "lines", contractID=old["id"], units=20, unitPrice="60.00")
        client.sandbox.change(
            {"do": "renew", "kind": "contracts", "id": old["id"], "increase": "5.00"}
        )

        _, company = client.imported(tenant)  # nobody read it before the wizard acted

    renewed, renewal = Agreement.objects.order_by("start_date")
    assert (renewed.status, renewed.active, renewed.end_date) == (
        "Inactive", None, date(2026, 12, 31),
    )  # fmt: skip
    assert (renewal.renews_external_ids, renewal.start_date) == (["29799990"], date(2027, 1, 1))
    assert amounts(company, TODAY, date(2026, 12, 31), date(2027, 1, 1)) == [
        "1200.00", "1200.00", "1300.00",
    ]  # fmt: skip
    assert bridge(company, date(2026, 11, 30), date(2027, 1, 31)) == {
        "opening": "1200.00", "expansion": "100.00", "closing": "1300.00",
    }  # fmt: skip
    (average,) = mrr.averages(book_of(company), date(2027, 1, 15))["trailing12"]
    assert average.amount == "1200.00"


def test_a_bms_contract_that_ran_out_is_churn_on_its_day(
    tenant: Tenant, settings: Any, time_machine: Any
) -> None:
    time_machine.move_to(noon(11, 25))
    with client_of("kaseya_bms", settings) as client:
        add_bms_contract(client, 1950.5, "Inactive", "2025-11-01", "2026-10-31")

        _, company = client.imported(tenant)

    agreement = Agreement.objects.get()
    assert (agreement.status, agreement.active) == ("Inactive", None)
    assert agreement.stored_mrr.reason == "expired"
    assert bridge(company, date(2026, 10, 31), date(2026, 11, 1)) == {
        "opening": "1950.50", "churn": "-1950.50",
    }  # fmt: skip
    (october,) = mrr.recognized(book_of(company), date(2026, 10, 1))
    assert october.amount == "1950.50"


def test_what_goes_inactive_counts_up_to_the_reading_that_had_it_active(
    tenant: Tenant, settings: Any, time_machine: Any
) -> None:
    time_machine.move_to(noon(11, 10))
    with client_of("kaseya_bms", settings) as client:
        add_bms_contract(client, 1000.0, "Active", "2026-01-01", "2027-06-30")
        integration, company = client.imported(tenant)

        def read(day: int, **values: Any) -> tuple[bool | None, date | None]:
            time_machine.move_to(noon(11, day))
            client.change("change", "contracts", 59999, **values)
            synced(integration)
            return Agreement.objects.values_list("active", "inactive_from").get()

        assert read(20, status="Inactive") == (False, date(2026, 11, 11))
        assert bridge(company, date(2026, 11, 10), date(2026, 11, 11)) == {
            "opening": "1000.00", "churn": "-1000.00",
        }  # fmt: skip
        assert read(21, contractName="Managed") == (False, date(2026, 11, 11))  # as it was noted
        assert read(22, status="Active") == (True, None)
        assert amounts(company, date(2026, 11, 15)) == ["1000.00"]

        client.change("change", "contracts", 59999, status="Inactive")
        unlink_company(company=company, actor=None)
        time_machine.move_to(noon(11, 25))
        link_company(company=company, integration=integration, external_id=client.id, actor=None)
        work_off()

        read_again = Agreement.objects.values_list("active", "inactive_from").get()
        assert read_again == (False, date(2026, 11, 23)), "the former link knows the last reading"
        assert read(26, endDate=midnight("2026-11-24")) == (None, None)
        assert amounts(company, date(2026, 11, 24), date(2026, 11, 25)) == ["1000.00", ""]


def test_what_counted_by_the_word_of_its_status_keeps_its_past(
    tenant: Tenant, alex: User, settings: Any, time_machine: Any
) -> None:
    """Somebody said that "Signed" means active; the PSA's own word for inactive comes later."""
    time_machine.move_to(noon(11, 10))
    with client_of("kaseya_bms", settings) as client:
        add_bms_contract(client, 1000.0, "Signed", "2026-01-01", "2026-11-15")
        integration, company = client.imported(tenant)
        assert amounts(company, date(2026, 11, 10)) == [""]
        say_word(
            integration=integration, actor=alex, kind="status", word="signed", meaning="active"
        )
        assert amounts(company, date(2026, 11, 10)) == ["1000.00"]

        def read(day: int, **values: Any) -> tuple[bool | None, date | None]:
            time_machine.move_to(noon(11, day))
            client.change("change", "contracts", 59999, **values)
            synced(integration)
            return Agreement.objects.values_list("active", "inactive_from").get()

        assert read(12, status="Inactive") == (False, date(2026, 11, 11))
        assert read(13, status="Signed") == (False, None)
        assert read(14, status="Active") == (True, None)
        assert read(15, status="Signed") == (False, None)
        assert bridge(company, date(2026, 11, 15), date(2026, 11, 16)) == {
            "opening": "1000.00", "churn": "-1000.00",
        }  # fmt: skip
        former = CompanyLink(company=company, integration=integration)
        shown = PsaAgreement(
            "59999", client.id, currency="USD", cycle="monthly", amount=Decimal(1000),
            status="Inactive", active=False, recurring=True,
            start_date=date(2026, 1, 1), end_date=date(2026, 11, 15),
        )  # fmt: skip

        time_machine.move_to(noon(11, 20))
        (ended,) = book_with(former, [shown])
        (moved,) = book_with(former, [replace(shown, end_date=date(2026, 12, 31))])

        assert read(20, status="Inactive") == (None, None), "it ran its course"
    assert (ended.agreement.active, moved.agreement.inactive_from) == (None, date(2026, 11, 16))
    assert amounts(company, date(2026, 11, 15), date(2026, 11, 16)) == ["1000.00", ""]


def test_seats_that_are_caught_up_count_once_and_a_commitment_that_moves_on_recurs(
    tenant: Tenant, settings: Any, time_machine: Any
) -> None:
    time_machine.move_to(noon(11, 25))
    with client_of("connectwise", settings) as client:
        company_of = {"id": int(client.id), "name": "Client"}
        client.change(
            "add", "agreements", 49990, company=company_of, name="Cloud", noEndingDateFlag=True,
            type={"id": 12, "name": "Cloud"}, startDate=midnight("2026-01-01") + "Z",
            billingCycle={"id": 2, "name": "Monthly"}, billAmount=0.0, agreementStatus="Active",
            cancelledFlag=False, billOneTimeFlag=False,
            currency={"id": 7, "currencyCode": "USD"},
        )  # fmt: skip

        def add(id_: int, product: str, quantity: int, **dates: str) -> None:
            values = {f"{name}Date": f"{midnight(day)}Z" for name, day in dates.items()}
            client.sandbox.change(
                {
                    "do": "add", "kind": "additions", "parent": 49990, "id": id_,
                    "values": {
                        "product": {"id": 800, "identifier": product}, "quantity": quantity,
                        "unitPrice": 22.0, "billCustomer": "Billable", **values,
                    },
                }
            )  # fmt: skip

        add(4999001, "M365", 12, effective="2026-01-01")
        add(4999002, "M365", 2, effective="2026-11-14", cancelled="2026-11-30")
        add(4999003, "AZURE", 3, effective="2026-11-01", cancelled="2026-11-30")

        integration, company = client.imported(tenant)

        # 264.00 and not 308.00; what lives for a month is billed once, as far as anybody knows
        assert amounts(company, TODAY, date(2026, 12, 1)) == ["264.00", "264.00"]

        moved = {"effectiveDate": "2026-12-01T00:00:00Z", "cancelledDate": "2026-12-31T00:00:00Z"}
        client.change("change", "additions", 4999003, **moved)
        time_machine.move_to(noon(12, 2))
        synced(integration)

    assert set(AgreementLine.objects.filter(has_recurred=True).values_list("product")) == {
        ("AZURE",)
    }
    assert amounts(company, TODAY, date(2026, 12, 2)) == ["264.00", "330.00"]
    assert bridge(company, TODAY, date(2026, 12, 2)) == {
        "opening": "264.00", "expansion": "66.00", "closing": "330.00",
    }  # fmt: skip


# What was stored before


def test_a_preview_says_what_the_reading_after_the_link_will_note(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to(noon(11, 25))
    company = make_company(tenant)
    make_link(company, integration, read_at=noon(11, 20), unlinked_at=noon(11, 21))
    stored = make_agreement(company, integration, amount="100", active=True, end_date=None)
    november = {"start_date": date(2026, 11, 1), "end_date": date(2026, 11, 30)}
    make_line(stored, external_id="5", quantity="1", unit_price="40", product="", **november)
    line = PsaAgreementLine(
        "5", quantity=Decimal(1), unit_price=Decimal(40), start_date=date(2026, 11, 1),
        end_date=date(2026, 12, 31),
    )  # fmt: skip
    shown = PsaAgreement(
        stored.external_id, "7", currency="USD", cycle="monthly", amount=Decimal(100),
        recurring=True, active=False, lines=(line,),
    )  # fmt: skip

    (book,) = book_with(CompanyLink(company=company, integration=integration), [shown])

    assert (book.agreement.inactive_from, book.agreement.lines[0].has_recurred) == (
        date(2026, 11, 21), True,
    )  # fmt: skip
    ended = replace(shown, end_date=date(2026, 11, 24))
    (book,) = book_with(CompanyLink(company=company, integration=integration), [ended])
    assert (book.agreement.active, book.agreement.inactive_from) == (None, None)


def test_one_that_returns_inactive_was_out_since_it_was_gone(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    time_machine.move_to(noon(11, 25))
    gone = make_agreement(
        make_company(tenant), integration, active=True, gone_at=noon(11, 16), end_date=None
    )

    changes = store(
        Agreement,
        existing=Agreement.objects.filter(pk=gone.pk),
        incoming=[{"external_id": gone.external_id, "active": False}],
        key=("external_id",),
        now=timezone.now(),
        owner={"tenant_id": tenant.pk},
    )
    note_earlier_readings(changes, integration, TODAY)

    gone.refresh_from_db()
    assert (gone.active, gone.inactive_from) == (False, date(2026, 11, 16))


def test_what_a_renewal_said_that_cannot_be_read_now_stays(
    tenant: Tenant, integration: Integration
) -> None:
    company = make_company(tenant)
    for id_, over in {
        "1": {"active": None, "status": "Inactive"},
        "2": {"active": None, "status": ""},
        "3": {"active": True, "renews_external_ids": ["1", "9"]},
    }.items():
        make_agreement(company, integration, external_id=id_, **over)
    now: Any = {"integration_id": integration.pk, "renews_external_ids": [], "active": False}
    values = [{**now, "external_id": id_, "status": "Inactive"} for id_ in ("1", "2", "3", "4")]
    batch = AgreementBatch([], "", timezone.now())

    assert keep_renewals(values, Agreement.objects.all(), batch) == values
    batch.rejected = [RejectedRecord("9", "invalid_record", "")]
    kept = keep_renewals(values, Agreement.objects.all(), batch)

    assert [(one["active"], one["renews_external_ids"]) for one in kept] == [
        (None, []), (False, []), (False, ["9"]), (False, []),
    ]  # fmt: skip


def test_what_readings_noted_comes_back_with_the_values_that_were_kept(
    tenant: Tenant, integration: Integration
) -> None:
    agreement = make_agreement(make_company(tenant), integration, active=False)
    line = make_line(agreement)
    agreement.inactive_from, line.has_recurred = TODAY, True
    agreement.save()
    line.save()
    kept = keep_values(tenant, [agreement])
    Agreement.objects.update(active=True, inactive_from=None)
    AgreementLine.objects.update(has_recurred=False)

    restore_values(tenant, kept)

    assert Agreement.objects.values_list("active", "inactive_from").get() == (False, TODAY)
    assert AgreementLine.objects.get().has_recurred
    for values in (kept[agreement.pk]["own"], *kept[agreement.pk]["lines"].values()):
        for name in ("inactive_from", "has_recurred", "renews_external_ids"):
            values.pop(name, None)  # as it was kept before there were these
    AgreementLine.objects.update(has_recurred=False)

    restore_values(tenant, kept)

    assert Agreement.objects.get().inactive_from == TODAY
    assert not AgreementLine.objects.get().has_recurred
