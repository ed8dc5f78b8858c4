"""What was known long ago is thinned out to the ends of months."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework.test import APIClient

from agreements.known.pruning import superfluous, thin_out
from agreements.models import AgreementLine, BookPiece, BookVersion
from audit_site.tenants.models import Tenant
from tests.agreements.known.moments import NOON, sync, text
from tests.clients import V1

DAY = timedelta(days=1)


def lived(line: AgreementLine, time_machine: Any) -> None:
    """A price that is its day's number, changed every ten days for 100 days from noon on."""
    for number in range(10, 101, 10):
        time_machine.move_to(NOON + number * DAY, tick=False)
        sync(line, unit_price=str(number))


def known(api: APIClient, line: AgreementLine, day: int) -> str:
    address = f"{V1}/companies/{line.agreement.company_id}/mrr/"
    body = api.get(address, {"known_at": text(NOON + day * DAY), "as_of": "2026-06-01"}).json()
    return str(body["totals"][0]["amount"])


def test_by_default_everything_stays(line: AgreementLine, time_machine: Any) -> None:
    lived(line, time_machine)

    assert thin_out() == 0
    assert BookVersion.objects.count() == 11


def test_months_that_are_over_keep_their_last_version(
    line: AgreementLine, api: APIClient, settings: Any, time_machine: Any
) -> None:
    """Versions of 15 and 25 June; 5, 15, 25 July; 4, 14, 24 August; 3, 13, 23 September."""
    lived(line, time_machine)
    settings.BOOK_HISTORY_DAYS = 20

    assert thin_out() == 4
    assert thin_out() == 0

    days = BookVersion.objects.order_by("known_from").values_list("known_from", flat=True)
    assert [(at.month, at.day) for at in days] == [
        (6, 15), (6, 25), (7, 25), (8, 24), (9, 3), (9, 13), (9, 23),
    ]  # fmt: skip
    assert [known(api, line, day) for day in (5, 10, 25, 39, 40, 50, 70, 75, 80, 100)] == [
        "150.00", "60.00", "60.00", "60.00", "90.00", "90.00", "120.00", "120.00", "130.00",
        "150.00",
    ]  # fmt: skip
    firsts = BookPiece.objects.exclude(agreement=None).order_by("known_from")
    whole = [piece for piece in firsts if piece.base is None]
    assert all(piece.base in {one.pk for one in whole} for piece in firsts if piece.base)


def test_a_month_is_the_tenants(tenant: Tenant) -> None:
    tenant.timezone = "Pacific/Auckland"
    moments = [
        datetime(2026, 1, 5, tzinfo=UTC),
        datetime(2026, 3, 30, 12, tzinfo=UTC),
        datetime(2026, 3, 31, 10, tzinfo=UTC),  # 23 o'clock of the last of March there
        datetime(2026, 3, 31, 12, tzinfo=UTC),  # the first of April there
        datetime(2026, 4, 2, tzinfo=UTC),
        datetime(2026, 9, 1, tzinfo=UTC),
    ]

    gone = superfluous(tenant, moments, datetime(2026, 8, 1, tzinfo=UTC))

    assert gone == {moments[1], moments[3]}
