"""What every page shares: who may see it, in whose time zone, and how a "no" is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Page, Paginator
from django.db.models import Model, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.urls import Resolver404, resolve
from django.utils import timezone
from django.utils.cache import patch_vary_headers
from django.utils.http import url_has_allowed_host_and_scheme

from audit_site.db import walls
from audit_site.errors import Explained
from audit_site.tenants.middleware import LOST, SESSION_KEY
from audit_site.tenants.models import Membership, Role, Tenant, User
from audit_site.tenants.selectors import admins_of, memberships_of

ModelT = TypeVar("ModelT", bound=Model)
ViewT = TypeVar("ViewT", bound=Callable[..., HttpResponseBase])


class Elsewhere(Exception):
    """What is asked for has no such page any more. `address` is where it is, `why` says so."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(address)
        self.address = address
        self.why = why


class PageRequest(HttpRequest):
    """A request of a signed-in member: `page` lets no other through."""

    membership: Membership
    user: User
    htmx: Any
    section: str


def page(*methods: str, role: str = Role.VIEWER, section: str = "") -> Callable[[ViewT], ViewT]:
    """Make a view a page for members of at least this role.

    `section` names the entry of the menu that is lit: `home`, `companies`, `mrr`, `activity`, …

    A "no", of our rules or of a PSA, becomes a message on the page that the person came from.
    """

    def decorate(view: ViewT) -> ViewT:
        @wraps(view)
        def wrapper(request: PageRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            request.section = section or getattr(request, "section", "")
            if request.method == "GET" and LOST in request.GET:
                return lost(request, methods)
            if request.method not in methods:
                return not_this_way(request, methods)
            membership = request.membership
            if membership is None or not membership.has_role(role):
                return refused(request, role)
            with timezone.override(membership.tenant.zone):
                try:
                    response: HttpResponseBase = view(request, *args, **kwargs)
                except Elsewhere as way:
                    messages.warning(request, way.why)
                    response = redirect(way.address)
                except Explained as error:
                    messages.error(request, error.sentence)
                    response = redirect(where_to_refuse(request))
            patch_vary_headers(response, ["HX-Request"])
            return response

        wrapper.methods = methods  # type: ignore[attr-defined]
        return cast(ViewT, wrapper)

    return decorate


def lost(request: HttpRequest, methods: tuple[str, ...]) -> HttpResponse:
    """Say that nothing was done to a person who was signed out when they sent a form."""
    messages.warning(request, "You had been signed out, so nothing was done. Do it again.")
    return redirect(request.path if "GET" in methods else page_above(request.path))


def not_this_way(request: HttpRequest, methods: tuple[str, ...]) -> HttpResponse:
    """Answer a request that a page doesn't take: show the way to the page it belongs to."""
    belongs_to = page_above(request.path)
    answer = render(request, "405.html", {"belongs_to": belongs_to}, status=405)
    answer["Allow"] = ", ".join(methods)
    return answer


def page_above(path: str) -> str:
    """The nearest address above this one that can be looked at; the start when there is none."""
    while path := path.rstrip("/").rpartition("/")[0]:
        try:
            view = resolve(f"{path}/").func
        except Resolver404:
            continue
        if "GET" in getattr(view, "methods", ()):
            return f"{path}/"
    return "/"


def _chosen(request: HttpRequest) -> Tenant | None:
    """The tenant that a person worked in until they were taken out of it; None where none is kept.

    Only what they were let into is ever kept in a session.
    """
    kept = request.session.get(SESSION_KEY)
    if not kept:
        return None
    with walls.within(UUID(kept)):
        return Tenant.objects.filter(pk=kept).first()


def refused(request: HttpRequest, role: str) -> HttpResponse:
    """Say who may, and whom to ask."""
    membership: Membership | None = getattr(request, "membership", None)
    context = {
        "needed": role,
        "is_look": request.method == "GET",
        "admins": admins_of(membership.tenant) if membership else [],
    }
    if membership is None:
        context["left"] = _chosen(request)
        context["has_others"] = bool(memberships_of(cast("User", request.user)))
    return render(request, "403.html", context, status=403)


def too_often(request: HttpRequest) -> HttpResponse:
    """Say when again to who asked too often for a page of the sign-in library."""
    answer = render(request, "429.html", status=429)
    answer["Retry-After"] = "60"
    return answer


def came_from(request: HttpRequest, otherwise: str = "/") -> str:
    """The page of ours that the person was on, where the browser says it."""
    address = request.headers.get("Referer", "")
    hosts = {request.get_host()}
    if url_has_allowed_host_and_scheme(address, hosts, require_https=request.is_secure()):
        return address
    return otherwise


def way_back(request: HttpRequest) -> str:
    """The page of ours that the address or the form says to go on with as `next`; "" = none."""
    address = request.POST.get("next") or request.GET.get("next", "")
    is_ours = address.startswith("/") and url_has_allowed_host_and_scheme(address, None)
    return address if is_ours else ""


def where_to_refuse(request: HttpRequest) -> str:
    """The page to go on with after a refusal: where the person was, or the one above a page that
    refuses to be looked at itself.
    """
    above = page_above(request.path)
    back = came_from(request, above)
    return above if request.method == "GET" and urlsplit(back).path == request.path else back


def find(rows: QuerySet[ModelT], pk: UUID) -> ModelT:
    """One of the tenant's own rows, else 404."""
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404
    return found


def paged(request: HttpRequest, rows: QuerySet[ModelT], size: int = 50) -> Page[ModelT]:
    """The page of a list that the address asks for; the last one when it asks for too much."""
    return Paginator(rows, size).get_page(request.GET.get("page"))


def tenant_of(request: PageRequest) -> Tenant:
    return request.membership.tenant


@page("POST")
def switch_tenant(request: PageRequest) -> HttpResponse:
    """Work in another tenant from now on; only in one that the person belongs to."""
    wanted = request.POST.get("tenant", "")
    ids = Membership.objects.filter(user=request.user).values_list("tenant_id", flat=True)
    if wanted in {str(tenant_id) for tenant_id in ids}:
        request.session[SESSION_KEY] = wanted
    return redirect("/")


#: The status at which htmx stops asking.
STOP_ASKING = 286


def watched(
    request: PageRequest, template: str, context: dict[str, Any], poll_ms: int
) -> HttpResponse:
    """A part of a page that htmx asks for every `poll_ms`; 0 = no more, answered by 286."""
    return render(request, template, context, status=200 if poll_ms else STOP_ASKING)
