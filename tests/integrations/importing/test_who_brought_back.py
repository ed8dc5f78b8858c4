"""Who had undone an import, and who brought it back, of a release that kept one of them."""

from __future__ import annotations

import pytest

from audit_site.tenants.audit import record_audit
from audit_site.tenants.models import Tenant, User
from integrations.models import ImportBatch
from tests.migrating import migrate_back, migrate_forward


@pytest.mark.django_db(transaction=True)
def test_both_are_found_in_the_audit_trail(tenant: Tenant, mia: User, alex: User) -> None:
    batches = {
        name: ImportBatch.objects.create(tenant=tenant, undo_by=undo_by)
        for name, undo_by in (("back", alex), ("undone", mia), ("not told", alex), ("never", None))
    }
    for batch, action, actor in (
        ("back", "import.undone", alex),
        ("back", "import.undone", mia),
        ("back", "import.brought_back", alex),
        ("undone", "import.undone", mia),
    ):
        record_audit(tenant=tenant, actor=actor, action=action, subject=batches[batch], after={})

    migrate_back("integrations", "0017_places_of_links")
    migrate_forward()

    found = {row.pk: (row.undo_by, row.back_by) for row in ImportBatch.objects.all()}
    assert {name: found[batch.pk] for name, batch in batches.items()} == {
        "back": (mia, alex),
        "undone": (mia, None),
        "not told": (alex, None),
        "never": (None, None),
    }
