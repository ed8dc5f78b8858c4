"""The laws of kept books, over random histories of everything that can change one."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agreements import mrr, stored_mrr
from tests.agreements.known.histories import lived
from tests.agreements.known.moments import text

pytestmark = [pytest.mark.once, pytest.mark.timeout(300)]

CLASSES = ("new", "reactivation", "expansion", "contraction", "churn")
any_history = given(seed=st.integers(0, 2**32), steps=st.integers(3, 12))
few = settings(
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@settings(few, max_examples=8)  # each asks some hundred times
@any_history
def test_known_at_a_moment_is_what_was_answered_at_that_moment(
    db: None, seed: int, steps: int
) -> None:
    history = lived(seed, steps)
    later = history.noted[-1][0] + timedelta(days=40) if history.noted else None
    if later is None:
        return

    with time_machine.travel(later, tick=False):
        stored_mrr.pass_days()
        stored_mrr.refresh_stale(history.tenant, [one.pk for one in history.companies])
        assert stored_mrr.verify([history.tenant.pk], mend=False) == {}
        for moment, answered in history.noted:
            known = history.answers(known_at=text(moment))
            for what, answer in answered.items():
                assert known[what] == answer, (what, moment)


@few
@any_history
def test_opening_restated_and_the_classes_are_the_closing_to_the_cent(
    db: None, seed: int, steps: int
) -> None:
    history = lived(seed, steps, only="movement")
    moments = [moment for moment, _ in history.noted]
    if len(moments) < 2:
        return
    start, end = sorted(history.random.sample(moments, 2))
    answered = dict(history.noted)

    with time_machine.travel(moments[-1] + timedelta(days=40), tick=False):
        bridges = history.restated(start, end)

    opening = _by_currency(answered[start]["movement"], "opening")
    closing = _by_currency(answered[end]["movement"], "closing")
    for bridge in bridges:
        currency = bridge["currency"]
        parts = [Decimal(bridge[name]) for name in ("opening", "restated", *CLASSES)]
        missed = Decimal(bridge["rounding_difference"])
        assert sum(parts) + missed == Decimal(bridge["closing"])
        unit = Decimal(1).scaleb(-mrr.minor_digits(currency))  # yen have no cents
        assert abs(missed) <= unit * len(parts)
        assert Decimal(bridge["opening"]) == opening.get(currency, 0)
        assert Decimal(bridge["closing"]) == closing.get(currency, 0)
        companies = [one for one in bridge["companies"] if one["class"] == "restated"]
        rows = {
            (one["company"], row["row_id"], row["mrr_before"], row["mrr_after"])
            for one in companies
            for row in one["rows"]
        }
        by_rows = sum((Decimal(after) - Decimal(before) for *_, before, after in rows), Decimal(0))
        assert abs(by_rows - Decimal(bridge["restated"])) <= unit * (len(rows) + 1)
    assert {currency for currency, amount in opening.items() if amount} <= {
        bridge["currency"] for bridge in bridges
    }


def _by_currency(movement: Any, name: str) -> dict[str, Decimal]:
    return {bridge["currency"]: Decimal(bridge[name]) for bridge in movement["currencies"]}
