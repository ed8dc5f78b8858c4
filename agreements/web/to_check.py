"""What somebody should look at, over all companies: doubtful amounts, and what just ended."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import render

from agreements.mrr.doubts import DOUBTS, POSSIBLE_OVERLAP
from agreements.to_check import Checked, checked, ended_without_renewal, in_doubt, of_active
from audit_site.pages.views import PageRequest, page, paged, tenant_of

SHOWN = 25
ENDED = "ended"


@page("GET", section="mrr")
def to_check(request: PageRequest) -> HttpResponse:
    """A page of the one list or the other; the doubtful ones of one kind, or of all."""
    tenant = tenant_of(request)
    wanted = request.GET.get("show", "")
    doubtful, ended = in_doubt(of_active(tenant)), ended_without_renewal(tenant)
    if wanted == ENDED:
        rows = ended.order_by("-stored_mrr__last_day", "company__name", "id")
    else:
        rows = doubtful if wanted not in DOUBTS else in_doubt(doubtful, wanted)
        rows = rows.order_by("company__name", "name", "id")
    shown = paged(request, rows, size=SHOWN)
    counts = {code: in_doubt(doubtful, code).count() for code in DOUBTS}
    found = checked(tenant, list(shown))
    context = {
        "page": shown,
        "found": found,
        "told_above": _told_above(found),
        "is_ended": wanted == ENDED,
        "wanted": wanted if wanted in DOUBTS else "",
        "doubtful": doubtful.count(),
        "ended": ended.count(),
        "counts": counts.items(),
    }
    return render(request, "agreements/to_check.html", context)


def _told_above(found: Sequence[Checked]) -> set[UUID]:
    """Agreements of which all that they may be counted twice with stands above them."""
    above: set[str] = set()
    told = set()
    for row in found:
        if POSSIBLE_OVERLAP in row.doubts:
            if row.overlaps and above.issuperset(row.overlap_ids):
                told.add(row.agreement.pk)
            above.add(str(row.agreement.pk))
    return told
