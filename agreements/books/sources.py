"""What the engine needs to know of where agreements come from."""

from __future__ import annotations

from agreements import mrr
from agreements.models import MANUAL
from integrations.psa import registry


def sources() -> dict[str, mrr.Source]:
    """What the engine needs to know of each PSA, by its key, and of what was typed in here."""
    return {MANUAL: mrr.Source("audIT")} | {
        info.key: mrr.Source(
            info.name, info.bills_when_inactive, info.agreement_word, info.recurring_type
        )
        for info in registry.infos()
    }
