"""AudITees that move to another account: the same ones, with their history, and a way back."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from agreements.decisions import choose
from agreements.history import shown_versions, versions_of
from agreements.models import Agreement, AgreementChoices, ChoiceRecord
from companies.models import Company, Contact
from integrations.links.undoing import undo_link
from integrations.matching.batches import carry_undo_out
from integrations.models import CompanyLink, LinkBatch, PsaCompanyRecord
from integrations.sync.agreements_phase import AgreementsPhase
from tests.clients import V1
from tests.factories import make_api
from tests.integrations.matching.moves import Story, propose
from tests.syncing import synced
from tests.worker import work_off


def test_a_move_is_no_churn_and_the_past_stays_what_it_was(story: Story) -> None:
    before, contacts = story.series(), set(story.company.contacts.values_list("pk", flat=True))
    agreements = set(Agreement.objects.filter(company=story.company).values_list("pk", flat=True))

    story.move()
    assert story.series() == before, "until the new account was read"
    work_off()

    assert story.figure() == story.wanted
    assert story.series()[1:] == before[1:]
    assert story.wanted != before[0]
    for currency in story.movement():
        assert (currency["new"], currency["churn"], currency["reactivation"]) == (
            ("0.00", "0.00", "0.00")
        )
        assert (currency["opening"], currency["closing"]) == (
            dict(before[3])[currency["currency"]],
            dict(story.wanted)[currency["currency"]],
        )
    assert (
        set(
            Contact.objects.filter(company=story.company, pk__in=contacts).values_list(
                "pk", flat=True
            )
        )
        == contacts
    )
    assert agreements <= set(
        Agreement.objects.filter(company=story.company).values_list("pk", flat=True)
    )
    reasons = {
        row["reason"]["code"]
        for row in story.api.get(
            f"{V1}/companies/{story.company.pk}/mrr/",
            {"as_of": str(story.today - timedelta(days=1))},
        ).json()["agreements"]
        if row["reason"]
    }
    assert "before_move" in reasons
    assert synced(story.old).state == synced(story.new).state == "succeeded"
    assert story.figure() == story.wanted
    assert story.series()[1:] == before[1:]


def kept_figures(company: Company) -> list[tuple[str, list[str]]]:
    """What caused each version of its book, the first one first, and what it comes to."""
    shown = shown_versions(company, list(versions_of(company)))
    return [
        (one.version.kind, [f"{total['amount']} {total['currency']}" for total in one.mrr_after])
        for one in reversed(shown)
    ]


@pytest.mark.parametrize("many_books", [1, 100])
def test_no_version_counts_both_accounts(
    story: Story, monkeypatch: pytest.MonkeyPatch, many_books: int
) -> None:
    monkeypatch.setattr(AgreementsPhase, "many_books", many_books)

    story.move()
    work_off()

    assert story.wanted == [("USD", "2457.60")]
    assert kept_figures(story.company) == [
        ("import", ["4960.07 USD"]),
        ("link", ["2457.60 USD"]),
    ]


def test_a_decision_that_goes_on_is_no_version_of_both_accounts(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AgreementsPhase, "many_books", 1)
    theirs = Agreement.objects.exclude(tenant=story.company.tenant).filter(
        company__links__external_id=story.external_id, stored_mrr__included=True
    )
    old = Agreement.objects.filter(company=story.company, stored_mrr__included=True)
    first = old.order_by("id")[0]
    Agreement.objects.filter(pk=first.pk).update(name=theirs.order_by("id")[0].name)
    first.refresh_from_db()
    choose(
        agreement=first,
        actor=story.api.user,
        changes={"assume_renewal": True},
        note="They said so.",
    )

    story.move()
    work_off()

    assert ChoiceRecord.objects.filter(agreement__integration=story.new).count() == 1
    figures = [figure for _, figure in kept_figures(story.company)]
    assert figures[0] == ["4960.07 USD"]
    assert {*map(tuple, figures)} == {("4960.07 USD",), ("2457.60 USD",)}


def test_a_move_restates_no_day_before_it(story: Story) -> None:
    figure = story.figure(40)
    known = timezone.now().isoformat()
    story.move()
    work_off()

    days = {"from": str(story.today - timedelta(days=40)), "to": str(story.today)}
    answer = story.api.get(
        f"{V1}/mrr/movement/", {**days, "company": str(story.company.pk), "known_from": known}
    )

    assert answer.status_code == 200, answer.content
    for currency in answer.json()["currencies"]:
        assert (currency["restated"], currency["churn"]) == ("0.00", "0.00")
        assert currency["opening"] == dict(figure)[currency["currency"]]
        assert currency["closing"] == dict(story.wanted)[currency["currency"]]
    body = story.api.get(
        f"{V1}/companies/{story.company.pk}/mrr/",
        {"as_of": str(story.today - timedelta(days=40)), "known_at": known},
    ).json()
    assert [(one["currency"], one["amount"]) for one in body["totals"]] == figure


def test_a_move_that_is_read_days_later_counts_from_its_own_day_on(story: Story) -> None:
    before, at_first = story.series(), story.figure(4)
    story.move()
    moved_at = timezone.now() - timedelta(days=3)
    CompanyLink.objects.in_force().filter(company=story.company).update(
        linked_at=moved_at, counts_from=story.company.tenant.today(moved_at)
    )

    work_off()

    since = [story.figure(days) for days in (0, 1, 3)]
    assert since == [story.wanted_on(days) for days in (0, 1, 3)]
    assert story.figure(4) == at_first
    assert story.figure(40) == before[3] != story.wanted_on(40)


def test_the_way_back_is_the_undo(story: Story) -> None:
    before, name = story.series(), story.company.name
    contacts = list(
        story.company.contacts.order_by("id").values_list("pk", "email", "gone_at", "is_primary")
    )
    story.move()
    work_off()
    assert story.figure() == story.wanted

    undo_link(company=story.company, actor=None)
    assert story.series() == before
    work_off()

    link = CompanyLink.objects.in_force().get(company=story.company)
    assert link.integration == story.old
    assert story.series() == before
    company = Company.objects.get(pk=story.company.pk)
    assert company.name == name
    assert contacts == list(
        company.contacts.order_by("id").values_list("pk", "email", "gone_at", "is_primary")
    )
    assert all(currency["churn"] == "0.00" for currency in story.movement())
    story.move()
    work_off()
    assert story.figure() == story.wanted
    assert story.series()[1:] == before[1:]


def test_a_move_that_was_undone_with_its_batch_is_brought_back(story: Story) -> None:
    before = story.series()
    story.move()
    work_off()
    moved, batch = story.series(), LinkBatch.objects.get()
    address = f"{V1}/link-batches/{batch.pk}/"
    story.api.post(f"{address}undo/")
    carry_undo_out(tenant_id=str(batch.tenant_id), batch_id=str(batch.pk))
    work_off()
    assert story.series() == before
    assert story.api.get(address).json()["counts"]["unlinked"] == 1

    answer = story.api.post(f"{address}bring-back/")
    work_off()

    assert answer.json()["back"]["left"] == []
    assert story.series() == moved
    link = CompanyLink.objects.in_force().get(company=story.company)
    assert (link.external_id, link.batch, link.counts_from) == (
        story.external_id, batch, story.today,
    )  # fmt: skip
    assert link.moved_from is not None
    assert link.moved_from.integration == story.old
    for currency in story.movement():
        assert (currency["new"], currency["churn"], currency["reactivation"]) == ("0.00",) * 3


def test_who_moved_does_not_move_back_but_by_the_undo(story: Story) -> None:
    story.move()
    work_off()
    there = CompanyLink.objects.get(integration=story.old, company=story.company)
    PsaCompanyRecord.objects.filter(integration=story.old, external_id=there.external_id).update(
        name=story.company.name
    )
    proposed = propose(story.api, story.new, story.old)

    assert str(story.company.pk) not in {row["company"]["id"] for row in proposed}
    assert CompanyLink.objects.in_force().get(company=story.company).integration == story.new


def test_decisions_go_on_where_one_agreement_has_the_name_of_the_other(story: Story) -> None:
    new = Agreement.objects.filter(
        tenant__name__gt="",
        company__links__external_id=story.external_id,
        company__links__integration__psa="autotask",
    ).exclude(tenant=story.company.tenant)
    name = new.order_by("id")[0].name
    old = Agreement.objects.filter(company=story.company, gone_at=None).order_by("id")[0]
    Agreement.objects.filter(pk=old.pk).update(name=name)
    old.refresh_from_db()
    mia = make_api(story.company.tenant).user
    choose(agreement=old, actor=mia, changes={"exclude": True}, note="Billed elsewhere.")

    story.move()
    work_off()

    following = Agreement.objects.filter(company=story.company, integration=story.new, name=name)
    if following.count() != 1:
        pytest.skip("the sandbox has two of this name")
    choices = AgreementChoices.objects.get(agreement=following.get())
    assert choices.exclude
    record = ChoiceRecord.objects.get(agreement=following.get())
    assert record.note == (
        f"Carried over from {story.old.name} when the audITee moved. Billed elsewhere."
    )
    assert record.actor == story.api.user
