"""What issues are about, and which codes make an outage."""

from __future__ import annotations

from integrations.issues.outages import CODES, OUTAGE_WORDS
from integrations.issues.selectors import ISSUE_GROUPS
from integrations.psa.errors import KEYS, OUTAGES


def test_every_outage_has_its_words() -> None:
    assert set(OUTAGE_WORDS) == OUTAGES
    assert CODES == OUTAGES | KEYS


def test_issues_are_grouped_by_kind_in_the_order_of_reading() -> None:
    assert ISSUE_GROUPS == (
        ("The connection", ("integration",)),
        ("Companies", ("companies", "company")),
        ("Contacts", ("contacts", "contact")),
        ("Agreements", ("agreements", "agreement")),
        ("Lines", ("lines", "line")),
    )
