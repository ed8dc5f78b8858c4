"""Where is a company? The page that asks a PSA right now."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render

from audit_site.limits import TooManyRequestsError
from audit_site.pages.views import PageRequest, page
from integrations.importing import finding
from integrations.importing.import_rows import ImportRow, import_rows
from integrations.importing.selectors import list_psa_companies
from integrations.importing.suggested import suggestions_for
from integrations.models import Integration
from integrations.psa.errors import PsaError
from integrations.web.integrations import find_integration

#: Longer is no id and no name.
MOST_TYPED = 255


@page("GET", section="import")
def find_company(request: PageRequest, pk: UUID) -> HttpResponse:
    """Where is a company? Ask the PSA right now, by name and id, and walk what each hit needs.

    Where the PSA can't be asked, or shows none, what the last sync saw is shown, and called so.
    """
    integration = find_integration(request, pk)
    typed = request.GET.get("q", "").strip()[:MOST_TYPED]
    found = None
    try:
        found = finding.find_companies(integration=integration, text=typed) if typed else None
    except (PsaError, TooManyRequestsError) as error:  # a redirect would come back to here
        messages.error(request, error.sentence)
    is_found = not typed or (found is not None and found.hits)
    hits = found.hits if found else []
    suggestions = suggestions_for([hit.row.record for hit in hits if hit.row])
    context = {
        "integration": integration,
        "info": integration.psa_info,
        "typed": typed,
        "found": found,
        "hits": [
            (hit, suggestions.get(hit.row.record.pk) if hit.row and not hit.row.linked else None)
            for hit in hits
        ],
        "listed": [] if is_found else _listed(integration, typed),
    }
    return render(request, "integrations/find.html", context)


def _listed(integration: Integration, typed: str) -> list[ImportRow]:
    """What the last sync saw of it."""
    records = list_psa_companies(integration, search=typed)[: finding.MOST_HITS]
    return import_rows(records, None)
