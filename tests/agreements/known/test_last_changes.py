"""Of what was kept, only that is read which a change may have come from."""

from __future__ import annotations

from typing import Any

from agreements import stored_mrr
from agreements.as_known import known_books
from agreements.known import last_changes
from agreements.known.differences import Window, changes_between
from agreements.known.keeping import ONE_TICK
from agreements.models import AgreementLine
from tests.agreements.known.moments import HOUR, NOON, sync
from tests.factories import make_agreement, make_company


def test_pieces_of_changed_agreements_alone_are_read(
    line: AgreementLine, time_machine: Any, django_assert_num_queries: Any
) -> None:
    tenant, company = line.tenant, line.agreement.company
    make_agreement(company, line.agreement.integration, amount="7")
    other = make_company(tenant)
    make_agreement(other, line.agreement.integration, amount="9")
    stored_mrr.refresh(tenant, [company.pk, other.pk])
    for hours, price in ((1, "200"), (2, "300")):
        time_machine.move_to(NOON + hours * HOUR, tick=False)
        sync(line, unit_price=price)
    sync(line, quantity="2")
    window = Window(NOON + HOUR / 2, NOON + 3 * HOUR)
    before, after = (known_books(tenant, at).books for at in window)

    whose = (str(company.pk), str(line.agreement_id))
    read = last_changes._read(tenant, [whose], window)
    with django_assert_num_queries(3):  # pieces, what they are a difference from, who it was
        found = changes_between(tenant, before, after, NOON.date(), window)

    assert {
        key: {part: len(of) for part, of in parts.items()} for key, parts in read.pieces.items()
    } == {whose: {0: 4}}
    assert [*read.frames] == [str(company.pk)]
    assert [(change.field, change.by.at) for change in found] == [
        ("quantity", NOON + 2 * HOUR + ONE_TICK),
        ("unit_price", NOON + 2 * HOUR),
    ]
