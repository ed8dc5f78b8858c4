"""Many guesses at the same moment are counted one after the other."""

from __future__ import annotations

import pytest
from django.test import RequestFactory

from audit_site.tenants.models import TryCount
from audit_site.tenants.tries import TooManyTries, admit
from tests.concurrency import at_once

pytestmark = pytest.mark.django_db(transaction=True)


def test_no_more_are_let_through_than_are_free() -> None:
    let_through: list[bool] = []

    def guess() -> None:
        request = RequestFactory().post("/accounts/login/", REMOTE_ADDR="203.0.113.9")
        try:
            admit(request, "alex@example.com", "password")
        except TooManyTries:
            let_through.append(False)
        else:
            let_through.append(True)

    at_once(*[guess] * 12)

    assert sorted(let_through) == [False] * 7 + [True] * 5
    assert TryCount.objects.count() == 3
