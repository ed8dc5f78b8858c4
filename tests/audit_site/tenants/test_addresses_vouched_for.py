"""Addresses from before anything was proved: an operator's count, a claim does not."""

from __future__ import annotations

from importlib import import_module

from allauth.account.models import EmailAddress
from django.apps import apps

from tests.factories import make_user

MIGRATION = import_module("audit_site.tenants.migrations.0003_addresses_vouched_for")


def test_only_where_nothing_else_was_ever_claimed(db: None) -> None:
    added = make_user(email="Added@example.com", is_proved=False)
    claims = make_user(email="claimed@example.com", is_proved=False)
    EmailAddress.objects.create(user=claims, email=claims.email, verified=False, primary=True)
    proves = make_user(email="proves@example.com")
    EmailAddress.objects.create(user=proves, email="second@example.com", verified=True)
    make_user(email="second@example.com", is_proved=False)

    MIGRATION.vouch(apps, None)

    rows = EmailAddress.objects.order_by("email").values_list("user", "email", "verified")
    assert list(rows) == [
        (added.pk, "added@example.com", True),
        (claims.pk, "claimed@example.com", False),
        (proves.pk, "proves@example.com", True),
        (proves.pk, "second@example.com", True),
    ]
