"""Pages of people: who is in the tenant, who is invited, and what each may do."""

from __future__ import annotations

from typing import Any, cast
from uuid import UUID

from django.contrib import messages
from django.contrib.auth import logout
from django.db.models import Model, QuerySet
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from audit_site.account import acts
from audit_site.account.web.forms import InviteForm, RoleForm
from audit_site.errors import DomainError
from audit_site.pages.forms import add_refusal
from audit_site.pages.views import PageRequest, page, paged, tenant_of
from audit_site.tenants import invitations, members
from audit_site.tenants.mails import is_mail_configured
from audit_site.tenants.middleware import SESSION_KEY
from audit_site.tenants.models import Invitation, Role
from audit_site.tenants.people import (
    Person,
    find_by_address,
    find_person,
    invitation_of,
    member_of,
    people_rows,
    read_people,
)
from audit_site.tenants.selectors import memberships_of

#: Code of a "no" → the field that it is shown at.
FIELD_OF = {"already_member": "email", "already_invited": "email", "last_admin": "role"}


@page("GET", "POST", role=Role.ADMIN, section="people")
def people(request: PageRequest) -> HttpResponse:
    """Everybody in the tenant and who is invited, with the form that invites."""
    form = InviteForm(request.POST or None)
    found: Person | None = None
    if form.is_valid():
        try:
            invitation = acts.invite(
                tenant=tenant_of(request), actor=request.user, **form.cleaned_data
            )
        except DomainError as error:
            add_refusal(form, error, at=FIELD_OF)
            found = find_by_address(tenant_of(request), str(form.data["email"]))
        else:
            messages.success(request, f"An invitation is on its way to {invitation.email}.")
            return redirect("account:people")
    rows = cast("QuerySet[Model]", people_rows(tenant_of(request)))
    shown = paged(request, rows)
    context = {
        "page": shown,
        "people": read_people(tenant_of(request), cast("Any", shown.object_list)),
        "form": form,
        "found": found,
        "sends_mail": is_mail_configured(),
    }
    return render(request, "account/people.html", context, status=422 if form.errors else 200)


def _person(request: PageRequest, pk: UUID) -> Person:
    person = find_person(tenant_of(request), pk)
    if person is None:
        raise Http404
    return person


def _invitation(request: PageRequest, pk: UUID) -> Invitation:
    invitation = invitation_of(tenant_of(request), pk)
    if invitation is None:
        raise Http404
    return invitation


@page("GET", "POST", role=Role.ADMIN, section="people")
def person(request: PageRequest, pk: UUID) -> HttpResponse:
    """One person, and what they may do from now on."""
    found = _person(request, pk)
    form = RoleForm(request.POST or None, initial={"role": found.role})
    if form.is_valid():
        try:
            _change_role(request, found, form.cleaned_data["role"])
        except DomainError as error:
            add_refusal(form, error, at=FIELD_OF)
        else:
            title = Role(form.cleaned_data["role"]).label
            messages.success(request, f"Saved: the role of {found} is {title}.")
            return redirect("account:people")
    context = {"person": found, "form": form, "sends_mail": is_mail_configured()}
    return render(request, "account/person.html", context, status=422 if form.errors else 200)


def _change_role(request: PageRequest, person: Person, role: str) -> None:
    if user := member_of(tenant_of(request), person.pk):
        members.change_role(tenant=tenant_of(request), actor=request.user, user=user, role=role)
    else:
        invitation = _invitation(request, person.pk)
        invitations.change_invited_role(invitation=invitation, actor=request.user, role=role)


@page("POST", role=Role.ADMIN, section="people")
def invite_again(request: PageRequest, pk: UUID) -> HttpResponse:
    """Send an invitation again, with a new link."""
    sent = acts.send_again(invitation=_invitation(request, pk), actor=request.user)
    messages.success(
        request, f"A new e-mail is on its way to {sent.email}; the link before ends with it."
    )
    return redirect("account:people")


@page("GET", "POST", role=Role.ADMIN, section="people")
def remove(request: PageRequest, pk: UUID) -> HttpResponse:
    """Say what ends, then take a member out, or an invitation back."""
    found = _person(request, pk)
    if found.pk == request.user.pk:
        return redirect("account:leave")
    if request.method == "GET":
        sent = Invitation.objects.for_tenant(tenant_of(request)).open().filter(invited_by=pk)
        context = {"person": found, "invitations": sent.count()}
        return render(request, "account/remove.html", context)
    if user := member_of(tenant_of(request), pk):
        members.remove_member(tenant=tenant_of(request), actor=request.user, user=user)
        messages.success(request, f"{found} is out: tokens and sessions here have ended.")
    else:
        invitations.withdraw(invitation=_invitation(request, pk), actor=request.user)
        messages.success(request, f"The invitation of {found} is withdrawn.")
    return redirect("account:people")


@page("GET", "POST")
def leave(request: PageRequest) -> HttpResponse:
    """Say what ends, then let the person leave the tenant that they work in."""
    tenant = tenant_of(request)
    others = [m for m in memberships_of(request.user) if m.tenant_id != tenant.pk]
    if request.method == "GET":
        last = _person(request, request.user.pk).is_last_admin
        return render(request, "account/leave.html", {"is_last_admin": last, "others": others})
    members.remove_member(tenant=tenant, actor=request.user, user=request.user)
    if others:
        request.session.pop(SESSION_KEY, None)
    else:
        logout(request)
    messages.success(request, f"You have left {tenant.name}.")
    return redirect("home")
