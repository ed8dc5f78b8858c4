"""The page of the tenant's own settings."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render

from audit_site.account import acts
from audit_site.account.web.forms import TenantForm
from audit_site.errors import DomainError
from audit_site.pages.forms import add_refusal
from audit_site.pages.views import PageRequest, page, tenant_of
from audit_site.tenants.models import Role


@page("GET", "POST", role=Role.ADMIN, section="settings")
def tenant_settings(request: PageRequest) -> HttpResponse:
    """Name, time zone, currency, whether two factors are required, and the licence."""
    tenant = tenant_of(request)
    form = TenantForm(request.POST or None, initial=TenantForm.values_of(tenant))
    if form.is_valid():
        try:
            acts.change_settings(tenant=tenant, actor=request.user, values=form.cleaned_data)
        except DomainError as error:
            add_refusal(form, error)
        else:
            messages.success(request, "Saved.")
            return redirect("account:settings")
    context = {"form": form}
    return render(request, "account/settings.html", context, status=422 if form.errors else 200)
