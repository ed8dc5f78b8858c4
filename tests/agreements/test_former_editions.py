"""What a release before edition 7 kept and stored is read right by it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.db import connection

from agreements import mrr, stored_mrr
from agreements.known.editions import RULES
from agreements.known.rows import input_of
from agreements.models import Agreement, ChoiceRecord, TypedAgreement
from agreements.mrr.cycles import months_on
from agreements.mrr.edition import EDITIONS
from agreements.stored_values import differing, keep_values, restore_values
from audit_site.tenants.models import Tenant
from integrations.models import Integration
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_link,
    make_typed,
)
from tests.migrating import migrate_back, migrate_forward, models_behind

#: An agreement as edition 6 kept it: one id of what it replaces, and no field that came since.
KEPT = (
    b'[["connectwise","2","C","Gold","USD","2026-06-01",null,false,null,null,null,null,"monthly",'
    b'"1100","","1",false,false,false,false,"a","","","",null,false,null],'
    b'["00000000-0000-0000-0000-000000000002","Monthly",null],[[["L","addition","2","10",null,'
    b'"billable","2026-06-15","2026-06-30",null,"M365",null,false,null],'
    b'["00000000-0000-0000-0000-00000000000a","Seats"]]]]'
)
#: A typed agreement as edition 7 kept it: set aside, and not for which link.
SET_ASIDE = (
    b'[["manual","1","C","Gold","USD","2026-01-01",null,false,false,null,null,null,"annual",'
    b'"1200","",[],false,false,false,false,"","","","",null,true,null,null,null,null],'
    b'["00000000-0000-0000-0000-000000000001","Annually",null],[]]'
)


def test_a_book_of_edition_6_is_read_by_its_rules() -> None:
    agreement, _, (line,) = RULES[6].first.decode(KEPT)
    agreement.lines = [line.line]

    assert agreement.replaced_ids == ["1"]
    assert (agreement.inactive_from, agreement.right, agreement.chosen_cycle) == (None, None, None)
    assert (line.line.has_recurred, line.line.usage, line.gone_from) == (False, False, None)
    assert input_of(agreement, None, "renews") == "1"


def test_what_edition_7_kept_set_aside_is_told_as_it_was_then() -> None:
    rules = RULES[7]
    agreement, _, _ = rules.first.decode(SET_ASIDE)
    (item,) = mrr.prepare(mrr.Book([agreement], edition=EDITIONS[7]))

    (row,) = mrr.ledger([item], date(2026, 6, 15))

    assert (agreement.set_aside_psa, agreement.set_aside_since) == ("", None)
    assert row.sentence == (
        "Left out: it was typed by hand and set aside when a PSA was linked; it counts as soon as "
        "someone in your team says so."
    )


def test_former_editions_say_account_where_it_was_a_link() -> None:
    agreement = mrr.Agreement(
        "s", "1", currency="USD", start_date=date(2025, 1, 1), counts_from=date(2026, 5, 4)
    )

    def said(number: int) -> str:
        book = mrr.prepare(mrr.Book([agreement], edition=EDITIONS[number]))
        return mrr.ledger(book, date(2026, 5, 3))[0].sentence

    account = (
        "Left out: its audITee moved here on 2026-05-04; before that its former account counts."
    )
    assert [said(6), said(7)] == [account, account]
    assert said(8) == (
        "Left out: its audITee was linked to this company of the PSA on 2026-05-04; until the day "
        "before, what it was linked to before counts."
    )


def test_what_a_link_kept_before_is_put_back_with_what_it_renewed(
    tenant: Tenant, integration: Integration
) -> None:
    company = make_company(tenant)
    agreement = make_agreement(company, integration, renews_external_ids=["1"])
    (kept,) = keep_values(tenant, [agreement]).values()
    for name in ("renews_external_ids", "inactive_from"):
        del kept["own"][name]
    kept["own"]["renews_external_id"] = "1"
    assert differing(tenant, {str(agreement.pk): kept}, [agreement]) == {}

    for before, now in (("", []), ("7", ["7"])):
        kept["own"]["renews_external_id"] = before
        assert differing(tenant, {str(agreement.pk): kept}, [agreement]).keys() == {agreement.pk}
        restore_values(tenant, {agreement.pk: kept})
        agreement = Agreement.objects.get(pk=agreement.pk)
        assert agreement.renews_external_ids == now


def test_nothing_replaced_is_nothing_however_it_was_kept() -> None:
    nothing: list[list[str] | str] = ["", []]
    one: list[list[str] | str] = ["4000", ["4000"]]

    def told(renews: list[str] | str) -> str | None:
        return input_of(mrr.Agreement("s", "1", renews=renews), None, "renews")

    assert [told(renews) for renews in nothing] == [None, None]
    assert [told(renews) for renews in one] == ["4000", "4000"]
    assert told(["4001", "4000"]) == "4000, 4001"


def test_two_that_name_each_other_were_both_left_out_by_edition_6() -> None:
    book = [
        mrr.Agreement("s", "1", "C", currency="USD", start_date=date(2025, 1, 1), renews=["2"]),
        mrr.Agreement("s", "2", "C", currency="USD", start_date=date(2026, 1, 1), renews=["1"]),
    ]
    day = date(2026, 6, 15).toordinal()

    reasons = {
        number: [item.reason_on(day) for item in mrr.prepare(mrr.Book(book, edition=edition))]
        for number, edition in EDITIONS.items()
    }

    settled = ["superseded", None]
    assert reasons == {6: ["superseded", "superseded"], 7: settled, 8: settled}


@pytest.mark.parametrize("months", [101_000, 10**9])
def test_a_cycle_beyond_the_calendar_has_a_day_all_the_same(months: int) -> None:
    assert months_on(date(2026, 1, 31), months) > date.max.toordinal()


def test_a_reason_that_a_day_brings_is_known_ahead(
    tenant: Tenant, integration: Integration, time_machine: Any
) -> None:
    """Read active and inactive on one day, before it began: from tomorrow on that is why."""
    time_machine.move_to("2026-06-15T12:00:00Z", tick=False)
    company = make_company(tenant)
    make_agreement(company, integration, start_date="2026-07-01", active=False,
                   inactive_from="2026-06-16")  # fmt: skip
    stored_mrr.refresh(tenant, [company.pk])

    time_machine.move_to("2026-06-16T12:00:00Z", tick=False)

    assert stored_mrr.pass_days() == 1
    assert Agreement.objects.get().stored_mrr.reason == "inactive"
    assert stored_mrr.verify([tenant.pk], mend=False) == {}


@pytest.mark.django_db(transaction=True)
def test_what_was_set_aside_before_says_for_which_link(tenant: Tenant) -> None:
    """Where the link is known still, on the day of the tenant's own calendar."""
    Tenant.objects.filter(pk=tenant.pk).update(timezone="Asia/Tokyo")
    for name, is_known in (("Known", True), ("Not known", False)):
        company = make_company(tenant)
        evening = datetime(2026, 5, 4, 20, tzinfo=UTC)
        make_link(company, make_integration(tenant, psa="autotask"), linked_at=evening)
        typed = make_typed(company, name=name)
        if not is_known:
            TypedAgreement.objects.filter(agreement=typed).update(set_aside_link=None)
    make_typed(make_company(tenant), name="Counts")

    migrate_back("agreements", "0013_as_it_is_practised")
    migrate_forward()

    rows = Agreement.objects.order_by("name")
    assert list(rows.values_list("name", "set_aside", "set_aside_psa", "set_aside_since")) == [
        ("Counts", False, "", None),
        ("Known", True, "Autotask", date(2026, 5, 5)),
        ("Not known", True, "", None),
    ]


@pytest.mark.django_db(transaction=True)
def test_the_tables_of_the_release_before_are_brought_over(
    tenant: Tenant, integration: Integration
) -> None:
    company = make_company(tenant)
    rows = {
        id_: make_agreement(company, integration, external_id=id_, active=False, end_date=end)
        for id_, end in (("old", "2026-05-31"), ("new", None), ("out", "2099-01-01"))
    }
    migrate_back("agreements", "0012_shown_and_decided")
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE agreements_agreement SET renews_external_id = 'old' WHERE external_id = 'new'"
        )
        cursor.execute("UPDATE agreements_agreement SET synced_at = '2026-06-15 12:00:00+00:00'")
    old = models_behind("agreements", "0012_shown_and_decided")
    choices = old.get_model("agreements", "AgreementChoices")
    choices.objects.create(
        tenant_id=tenant.pk, agreement_id=rows["out"].pk, renews_id=rows["old"].pk
    )
    old.get_model("agreements", "ChoiceRecord").objects.create(
        tenant_id=tenant.pk, agreement_id=rows["out"].pk, agreement_pk=rows["out"].pk,
        before={"renews": None}, after={"renews": str(rows["old"].pk)},
    )  # fmt: skip

    migrate_forward()

    found = {row.external_id: row for row in Agreement.objects.select_related("choices")}
    assert {id_: row.renews_external_ids for id_, row in found.items()} == {
        "old": [], "new": ["old"], "out": [],
    }  # fmt: skip
    assert {id_: row.active for id_, row in found.items()} == {
        "old": None, "new": False, "out": False,
    }  # fmt: skip
    assert found["out"].choices.renews == ["old"]
    record = ChoiceRecord.objects.get()
    assert (record.before["renews"], record.after["renews"]) == (None, [str(rows["old"].pk)])
