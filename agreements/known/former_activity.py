"""Since when agreements are inactive that went so before that was noted: their kept books say it.

A reading notes it since edition 7 (`Agreement.inactive_from`). What was inactive by then is looked
up once, when its company's book is first worked out by the new rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from uuid import UUID

from agreements.known import editions, values
from agreements.known.keeping import with_base
from agreements.models import Agreement, BookPiece
from audit_site.db.batches import batched
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant

#: Agreements whose pieces are held at a time.
AT_ONCE = 25
ONE_DAY = timedelta(days=1)


def note_inactive_from(owners: Mapping[str, Tenant]) -> None:
    """Note it for these companies' agreements, where a kept book had them in force.

    Who writes an agreement now has read it now: it is left alone, and nobody waits for another.
    """
    if not owners:
        return
    rows = Agreement.objects.for_tenants({one.pk: one for one in owners.values()}.values())
    inactive = rows.filter(AnyOf("company_id", owners), active=False, inactive_from=None)
    found = list(inactive.order_by("id").select_for_update(skip_locked=True))
    for some in batched(found, AT_ONCE):
        tenants = {row.pk: owners[str(row.company_id)] for row in some}
        first_days = _first_days_out(tenants)
        for row in some:
            row.inactive_from = first_days.get(row.pk)
        noted = [row for row in some if row.inactive_from]
        Agreement.objects.bulk_update(noted, ["inactive_from"])


def _first_days_out(tenants: Mapping[UUID, Tenant]) -> dict[UUID, date]:
    """By agreement, the day on which it was first known to be inactive, or after its end if that
    came first.
    """
    pieces = BookPiece.objects.for_tenants({one.pk: one for one in tenants.values()}.values())
    kept = pieces.filter(AnyOf("agreement", tenants), part=0)
    columns = ("agreement", "known_to", "value", "base_value")
    found: dict[UUID, date] = {}
    for id_, known_to, value, base in (
        with_base(kept).order_by("agreement", "-known_from").values_list(*columns)
    ):
        if id_ in found:
            continue
        agreement, *_ = editions.current().first.decode(values.unpack(value, base))
        if agreement.active is not False:
            ends = None if agreement.no_end else agreement.end_date
            out = tenants[id_].today(known_to)  # None = known still: it was read inactive today
            found[id_] = min(out, ends + ONE_DAY) if ends else out
    return found
