"""The page of API tokens: one's own, and everybody's for admins."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.contrib import messages
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import add_never_cache_headers

from audit_site.account.web.token_form import MAY, TokenForm
from audit_site.errors import DomainError, FieldErrors
from audit_site.pages.views import PageRequest, find, page, paged, tenant_of
from audit_site.tenants.models import ApiToken, Role, Scope
from audit_site.tenants.tokens import (
    ROLE_SCOPES,
    list_tokens,
    make_token,
    revoke_api_token,
    scopes_now,
)

#: In the session: the forms that made a token already.
MADE: Final = "tokens_made"
MOST_REMEMBERED: Final = 20


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token with what it may do now, in words."""

    token: ApiToken
    may: list[str]


def _tokens(request: PageRequest) -> QuerySet[ApiToken]:
    sees_all = request.membership.has_role(Role.ADMIN)
    return list_tokens(tenant_of(request), None if sees_all else request.user)


@page("GET", "POST", section="tokens")
def tokens(request: PageRequest) -> HttpResponse:
    """The list, and below it the form that makes one; what it made is shown once."""
    scopes = ROLE_SCOPES[request.membership.role]
    form = TokenForm(scopes, request.POST or None)
    if form.is_valid():
        if form.cleaned_data["once"] in request.session.get(MADE, []):
            messages.warning(
                request, "This token was made already. It is shown once: revoke it if you lost it."
            )
            return redirect("account:tokens")
        try:
            token, plain = make_token(
                membership=request.membership,
                scopes_of_maker=scopes,
                name=form.cleaned_data["name"],
                scopes=form.cleaned_data["scopes"],
                expires_at=form.expires_at,
            )
        except FieldErrors as error:
            form.add_refusal(error)
        except DomainError as error:
            form.add_error(None, error.sentence)
        else:
            return _shown_once(request, form, token, plain)
    shown = paged(request, _tokens(request))
    context = {
        "form": form,
        "page": shown,
        "rows": [TokenRow(token, _may(token)) for token in shown.object_list],
    }
    status = 422 if form.is_bound else 200
    return render(request, "account/tokens.html", context, status=status)


def _shown_once(request: PageRequest, form: TokenForm, token: ApiToken, plain: str) -> HttpResponse:
    made = [*request.session.get(MADE, []), form.cleaned_data["once"]]
    request.session[MADE] = made[-MOST_REMEMBERED:]
    may = [MAY[Scope(scope)] for scope in token.scopes]
    context = {"token": token, "plain": plain, "may": may}
    response = render(request, "account/token_made.html", context, status=201)
    add_never_cache_headers(response)
    return response


def _may(token: ApiToken) -> list[str]:
    role: str = token.role  # type: ignore[attr-defined]  # list_tokens says it
    return [Scope(scope).label for scope in scopes_now(token, role)]


@page("GET", "POST", section="tokens")
def revoke(request: PageRequest, pk: UUID) -> HttpResponse:
    """Ask, then end a token's life."""
    token = find(_tokens(request), pk)
    if request.method == "POST":
        revoke_api_token(token=token, actor=request.user)
        messages.success(request, f"{token} is revoked: it no longer works.")
        return redirect("account:tokens")
    return render(request, "account/revoke_token.html", {"token": token})
