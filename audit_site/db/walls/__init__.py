"""The second wall between tenants, on PostgreSQL: who asks is told to the database itself.

The first wall is `for_tenant`, which every read begins with. Where one is forgotten, row-level
security shows nothing of another tenant, as long as each door says for whom the work behind it is.
"""

from __future__ import annotations

from audit_site.db.walls.asker import (
    NOBODY,
    Asker,
    as_holder,
    as_owner,
    as_person,
    as_system,
    asker,
    carried,
    door,
    enter,
    of_tenant,
    together,
    within,
)
from audit_site.db.walls.owners import first_by_tenant, owners_of

__all__ = [
    "NOBODY",
    "Asker",
    "as_holder",
    "as_owner",
    "as_person",
    "as_system",
    "asker",
    "carried",
    "door",
    "enter",
    "first_by_tenant",
    "of_tenant",
    "owners_of",
    "together",
    "within",
]
