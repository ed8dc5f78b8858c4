"""Saying what a word means: figures, import list, history and audit trail follow."""

from __future__ import annotations

from typing import Any

import pytest

from agreements import stored_mrr
from agreements.figures import company_figure, company_totals
from agreements.models import Agreement, AgreementMrr
from agreements.versions import company_etag, tenant_etag
from audit_site.errors import DomainError, FieldErrors
from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company
from integrations.models import Integration, PsaWord
from integrations.words import following, saying
from integrations.words.following import follow_lost, follow_word
from integrations.words.saying import change_word, say_word, undo_word
from tests.concurrency import at_once
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_line,
    make_psa_company,
)
from tests.queries import queries
from tests.syncing import mrr_of

ODD = {"unknown": "Every Quarter"}


def say(integration: Integration, word: str, meaning: Any, **over: Any) -> PsaWord:
    values = {"kind": "cycle", "actor": None, **over}
    row, _ = say_word(integration=integration, word=word, meaning=meaning, **values)
    return row


@pytest.fixture
def company(tenant: Tenant, integration: Integration) -> Company:
    """Its one agreement is billed 100.00 every quarter, in a word that nobody knows."""
    company = make_company(tenant)
    make_agreement(company, integration, cycle=ODD, cycle_label="Every Quarter")
    return company


def amounts(company: Company) -> list[str]:
    totals = company_totals(company.tenant, [company.pk])[company.pk]
    return [f"{money['currency']} {money['amount']}" for money in totals]


def test_before_after_change_and_undo_to_the_cent(
    company: Company, integration: Integration
) -> None:
    before = amounts(company)

    word = say(integration, "every  quarter", "Quarterly")
    after, stored = amounts(company), mrr_of(company)
    change_word(word=word, actor=None, meaning={"every": 7, "unit": "month"})
    changed = amounts(company)
    undo_word(word=word, actor=None)

    assert (before, after, changed) == ([], ["USD 33.33"], ["USD 14.29"])
    assert stored == [("USD", "100/3")]
    assert (amounts(company), mrr_of(company)) == ([], [])


def test_the_ledger_names_the_word_who_said_it_and_when(
    company: Company, integration: Integration, alex: User
) -> None:
    word = say(integration, "Every Quarter", "quarterly", actor=alex)

    (row,) = company_figure(company).ledger

    on = f"{word.at.day} {word.at:%b %Y}"
    sentence = (
        f'The billing cycle "Every Quarter" means quarterly here, said by Alex Admin on {on}.'
    )
    assert row.sentence == f"Counted: 100 quarterly x 1/3 = 33.33 a month. {sentence}"
    assert row.said == [sentence]


def test_etags_change_with_each_word_that_a_figure_rests_on(
    company: Company, integration: Integration
) -> None:
    tags = [(company_etag(company.tenant, company.pk), tenant_etag(company.tenant))]

    word = say(integration, "Every Quarter", "quarterly")
    tags.append((company_etag(company.tenant, company.pk), tenant_etag(company.tenant)))
    undo_word(word=word, actor=None)
    tags.append((company_etag(company.tenant, company.pk), tenant_etag(company.tenant)))

    assert len({tag for tag, _ in tags}) == len({tag for _, tag in tags}) == 3


def test_a_word_of_another_account_or_tenant_changes_nothing(
    company: Company, tenant: Tenant, other_tenant: Tenant
) -> None:
    stranger = make_company(other_tenant)
    make_agreement(stranger, make_integration(other_tenant), cycle=ODD)

    say(make_integration(tenant), "Every Quarter", "quarterly")
    say(make_integration(other_tenant), "Every Quarter", "quarterly")

    assert (amounts(company), amounts(stranger)) == ([], [])


@pytest.mark.parametrize(
    ("kind", "word", "meaning", "over", "amount"),
    [
        ("currency", "euro", "EUR", {"currency": "Euro"}, "EUR 100.00"),
        ("status", "AKTIV", "active", {"active": False, "status": "Aktiv"}, "USD 100.00"),
        (
            "agreement_type",
            "Retainer",
            "count",
            {"recurring": False, "type": "retainer"},
            "USD 100.00",
        ),
        ("cycle", "Odd", {"every": 2, "unit": "month"}, {"cycle": {"unknown": "Odd"}}, "USD 50.00"),
    ],
)
def test_each_kind_brings_in_what_it_kept_out(
    tenant: Tenant,
    integration: Integration,
    kind: str,
    word: str,
    meaning: Any,
    over: dict[str, Any],
    amount: str,
) -> None:
    company = make_company(tenant)
    make_agreement(company, integration, **over)

    said = say(integration, word, meaning, kind=kind)
    after = amounts(company)
    undo_word(word=said, actor=None)

    assert (after, amounts(company)) == ([amount], [])


@pytest.mark.parametrize(
    ("kind", "word", "meaning", "reason"),
    [
        ("agreement_type", "managed", "leave_out", "excluded_by_user"),
        ("product", "azure", "usage", "usage"),
        ("product", "AZURE", "one_time", "one_time"),
    ],
)
def test_each_kind_takes_out_what_counted(
    tenant: Tenant, integration: Integration, kind: str, word: str, meaning: str, reason: str
) -> None:
    company = make_company(tenant)
    agreement = make_agreement(company, integration, amount="0", type="Managed")
    make_line(agreement, product="Azure")
    before = amounts(company)

    said = say(integration, word, meaning, kind=kind)
    stored = AgreementMrr.objects.get(agreement=agreement)
    undo_word(word=said, actor=None)

    assert before == amounts(company) == ["USD 20.00"]
    assert (stored.included, stored.reason) == (False, reason)


def test_a_child_elsewhere_inherits_what_was_said(
    tenant: Tenant, company: Company, integration: Integration
) -> None:
    parent = Agreement.objects.get(company=company)
    child = make_company(tenant)
    make_agreement(child, integration, cycle=None, parent_external_id=parent.external_id)

    say(integration, "Every Quarter", "quarterly")

    assert mrr_of(child) == [("USD", "100/3")]


def test_saying_the_same_again_is_no_news_and_another_meaning_is_refused(
    company: Company, integration: Integration, alex: User
) -> None:
    word = say(integration, "Every Quarter", "quarterly", actor=alex)

    again, is_new = say_word(
        integration=integration, actor=None, kind="cycle", word="every quarter", meaning="Quarterly"
    )
    with pytest.raises(DomainError) as refusal:
        say(integration, "Every Quarter", "annual")

    assert (again.pk, is_new) == (word.pk, False)
    assert (refusal.value.code, refusal.value.sentence) == (
        "already_said",
        "“Every Quarter” means quarterly already, as Alex Admin said. Change that, or undo it first.",
    )
    assert PsaWord.objects.count() == 1


@pytest.mark.parametrize(
    ("kind", "word", "meaning", "field", "code"),
    [
        ("weather", "x", "annual", "kind", "invalid_choice"),
        ("cycle", "  ", "annual", "word", "required"),
        ("cycle", "x" * 256, "annual", "word", "max_length"),
        ("currency", "usd", "EUR", "word", "understood"),
        ("currency", "Euro", "Euros", "meaning", "unknown_meaning"),
        ("status", "New", "maybe", "meaning", "unknown_meaning"),
        ("company_type", "Vendor", "vendor", "meaning", "unknown_meaning"),
        ("cycle", "Odd", {"every": 1}, "meaning", "unknown_meaning"),
    ],
)
def test_what_can_not_be_said_changes_nothing(
    integration: Integration, kind: str, word: str, meaning: Any, field: str, code: str
) -> None:
    with pytest.raises(FieldErrors) as refusal:
        say(integration, word, meaning, kind=kind)

    (error,) = refusal.value.errors
    assert (error["field"], error["code"]) == (field, code)
    assert not PsaWord.objects.exists()
    assert not AuditEvent.objects.exists()


def test_who_said_what_when_stays_to_be_seen(integration: Integration, alex: User) -> None:
    word = say(integration, "Odd", "annual", actor=alex, note="Asked Bo.")
    changed = change_word(word=word, actor=alex, meaning="monthly", note="Bo erred.")
    same = change_word(word=changed, actor=None, meaning="monthly")
    undo_word(word=word, actor=alex)

    past = PsaWord.objects.exclude(ended_at=None).order_by("at", "ended_at")
    assert word.pk == changed.pk == same.pk
    assert [(p.meaning, p.note, p.by_name, p.ended_by_name) for p in past] == [
        ("annual", "Asked Bo.", "Alex Admin", "Alex Admin"),
        ("monthly", "Bo erred.", "Alex Admin", "Alex Admin"),
    ]
    first = {"kind": "cycle", "word": "Odd", "meaning": "annual", "note": "Asked Bo."}
    second = {**first, "meaning": "monthly", "note": "Bo erred."}
    events = AuditEvent.objects.order_by("at", "id")
    assert [(e.action, e.before, e.after) for e in events] == [
        ("word.said", None, first),
        ("word.changed", first, second),
        ("word.undone", second, None),
    ]
    with pytest.raises(DomainError, match="taken back meanwhile"):
        undo_word(word=word, actor=alex)


def test_many_books_are_left_to_a_worker_and_one_figure_is_right_at_once(
    company: Company, integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_AT_ONCE", 0)
    stored_mrr.refresh(company.tenant, [company.pk])

    word = say(integration, "Every Quarter", "quarterly")

    assert (word.followed_at, mrr_of(company), amounts(company)) == (None, [], ["USD 33.33"])
    assert mrr_of(company) == [("USD", "100/3")], "who asks has it worked out and kept"
    follow_word(tenant_id=str(word.tenant_id), word_id=str(word.pk))
    word.refresh_from_db()
    assert word.followed_at is not None
    assert mrr_of(company) == [("USD", "100/3")]


def test_a_word_whose_message_was_lost_is_followed_all_the_same(
    company: Company, integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_AT_ONCE", 0)
    word = say(integration, "Every Quarter", "quarterly")

    follow_lost()
    assert mrr_of(company) == []  # its message may still come
    PsaWord.objects.update(at=word.at - 2 * following.LOST_AFTER)
    follow_lost()

    assert mrr_of(company) == [("USD", "100/3")]
    assert not PsaWord.objects.filter(followed_at=None).exists()


def test_a_word_that_can_not_be_followed_keeps_no_other_waiting(
    company: Company, integration: Integration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "MOST_AT_ONCE", 0)
    other = make_integration(company.tenant)
    make_psa_company(other, status="New")
    bad = say(other, "New", "active", kind="status")
    say(integration, "Every Quarter", "quarterly")
    Integration.objects.filter(pk=other.pk).update(psa="of another release")
    PsaWord.objects.update(at=bad.at - 2 * following.LOST_AFTER)

    follow_lost()

    assert list(PsaWord.objects.filter(followed_at=None)) == [bad]
    assert mrr_of(company) == [("USD", "100/3")]


def test_the_books_of_many_words_cost_one_statement_more(
    company: Company, integration: Integration
) -> None:
    one = queries(lambda: company_figure(company))
    for number in range(5):
        say(integration, f"Word {number}", "annual")

    assert queries(lambda: company_figure(company)) == one


def test_a_note_has_its_length(integration: Integration) -> None:
    with pytest.raises(FieldErrors) as refusal:
        say(integration, "Odd", "annual", note="x" * (saying.MOST_NOTE_LENGTH + 1))

    assert refusal.value.errors[0]["field"] == "note"


@pytest.mark.django_db(transaction=True)
def test_of_two_people_who_say_different_things_at_once_one_is_told(
    company: Company, integration: Integration
) -> None:
    refused: list[str] = []

    def act(meaning: str) -> None:
        try:
            say(Integration.objects.get(pk=integration.pk), "Every Quarter", meaning)
        except DomainError as error:
            refused.append(error.code)

    at_once(lambda: act("quarterly"), lambda: act("annual"))

    word = PsaWord.objects.get()
    assert refused == ["already_said"]
    assert amounts(company) == [{"quarterly": "USD 33.33", "annual": "USD 8.33"}[word.meaning]]
