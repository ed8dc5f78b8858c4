"""Words where addresses, cycles and currencies belong."""

from __future__ import annotations

import pytest

from agreements.figures import company_figure
from agreements.models import Agreement, CompanyMrr
from companies.models import Company
from integrations.models import PsaCompanyRecord
from tests.integrations.sync.bad_days.day import Day, Outcome, said

CYCLES = {"autotask": 9, "connectwise": "4-Weekly", "kaseya_bms": "4-Weekly"}


def test_words_where_addresses_belong_reach_nobody(day: Day, outcome: Outcome) -> None:
    day.fault("odd_contacts")

    run = day.sync()

    assert run.state == "succeeded"
    active = PsaCompanyRecord.objects.filter(active_contact_count__gt=0, is_own=False)
    assert {row.reachable_contact_count for row in active} == {0}
    assert all("contact_without_method" in row.rule_codes for row in active)
    assert set(active.values_list("primary_contact_id", flat=True)) == {""}
    outcome("no method (contact_without_method)")


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        pytest.param("cycle", "unknown_cycle", id="billing cycle"),
        pytest.param("currency", "unknown_currency", id="currency"),
    ],
)
def test_a_word_that_nobody_knows_hides_no_agreement(
    day: Day, outcome: Outcome, word: str, reason: str
) -> None:
    known = set(Agreement.objects.values_list("external_id", flat=True))
    odd = CYCLES[day.psa] if word == "cycle" else "Gold coins"
    day.fault("odd_words", **{word: odd})

    run = day.sync()

    assert said(run) == "succeeded"
    shown = Agreement.objects.filter(gone_at=None)
    assert set(shown.values_list("external_id", flat=True)) == known
    assert not shown.filter(stored_mrr__included=True, stored_mrr__reason="").exclude(
        lines__cycle__isnull=False  # an Autotask line says its own length
    )
    sentences = [
        row.sentence
        for company in Company.objects.filter(agreements__isnull=False).distinct()
        for row in company_figure(company).ledger
        if row.reason == reason
    ]
    assert sentences
    quoted = "period type 9" if odd == 9 else odd
    assert all(f'"{quoted}"' in sentence for sentence in sentences)
    if word == "currency":
        assert not CompanyMrr.objects.exists()
    outcome(f"shown with the word, left out ({reason})")
