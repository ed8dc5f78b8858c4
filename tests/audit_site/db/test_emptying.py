"""After a test that commits, the next one finds what `migrate` left."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType

from audit_site.tenants.models import AuditEvent, AuditLink
from tests.emptying import empty_what_is_filled, filled_tables
from tests.factories import make_api, make_company, make_integration, make_link, make_tenant


@pytest.mark.django_db(transaction=True)
def test_what_was_committed_is_gone_and_what_migrate_made_is_not() -> None:
    tenant = make_tenant()
    make_link(make_company(tenant), make_integration(tenant))
    make_api(tenant)  # which the audit trail remembers
    made = (ContentType.objects.count(), Permission.objects.count())
    assert {AuditEvent.objects.count(), AuditLink.objects.count()} == {1}

    empty_what_is_filled()

    assert filled_tables() == []
    assert (ContentType.objects.count(), Permission.objects.count()) == made
    assert min(made) > 0
