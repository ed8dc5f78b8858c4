"""The page on which an admin downloads everything of the tenant."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import copy_context
from typing import cast

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render

from audit_site import limits
from audit_site.pages.views import PageRequest, page, tenant_of
from audit_site.privacy.tenant_export import export_stream, record_export
from audit_site.tenants.models import Role


@page("GET", "POST", role=Role.ADMIN, section="settings")
def export(request: PageRequest) -> HttpResponse:
    """Say what is in it; then send it, made while it is sent, so that nothing of it is kept."""
    tenant = tenant_of(request)
    if request.method == "GET":
        return render(request, "account/export.html")
    limits.spend(tenant, limits.EXPORTS)
    record_export(tenant, request.user)
    context, parts = copy_context(), export_stream(tenant)

    def sent() -> Iterator[bytes]:  # after the request has been answered, in the context it had
        while (part := context.run(next, parts, None)) is not None:
            yield part

    answer = StreamingHttpResponse(sent(), content_type="application/zip")
    answer["Content-Disposition"] = f'attachment; filename="audit-{tenant.today():%Y-%m-%d}.zip"'
    answer["Cache-Control"] = "no-store"
    return cast(HttpResponse, answer)
