"""What pages are made of: `page`, `find`, `paged`, `watched`."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.contrib.messages.storage.cookie import CookieStorage
from django.http import Http404, HttpRequest, HttpResponse
from django.test import RequestFactory
from django.utils import timezone

from audit_site.errors import DomainError
from audit_site.pages.views import find, page, paged, watched
from audit_site.tenants.models import Membership, Tenant
from companies.models import Company
from tests.factories import make_company, make_member, make_tenant

pytestmark = pytest.mark.django_db


def asked(tenant: Tenant, role: str = "member", method: str = "GET", **headers: Any) -> HttpRequest:
    """A request for /here/ of somebody in this role."""
    user = make_member(tenant, role)
    request = RequestFactory().generic(method, "/here/", **headers)
    request.user, request.membership = user, Membership.objects.get(user=user)
    request.session, request._messages = {}, CookieStorage(request)
    return request


def show_zone(request: HttpRequest) -> HttpResponse:
    return HttpResponse(timezone.get_current_timezone_name())


def test_a_page_is_in_the_tenants_time_zone() -> None:
    tenant = make_tenant(timezone="Pacific/Auckland")

    answer = page("GET")(show_zone)(asked(tenant))

    assert (answer.status_code, answer.content) == (200, b"Pacific/Auckland")
    assert answer["Vary"] == "HX-Request"


def test_a_page_is_refused_below_its_role(tenant: Tenant) -> None:
    view = page("GET", role="admin")(show_zone)

    assert view(asked(tenant, "member")).status_code == 403
    assert view(asked(tenant, "admin")).status_code == 200


def test_a_page_takes_its_methods_only(tenant: Tenant) -> None:
    answer = page("GET")(show_zone)(asked(tenant, method="POST"))

    assert (answer.status_code, answer["Allow"]) == (405, "GET")


def test_a_no_is_shown_where_the_person_came_from(tenant: Tenant) -> None:
    def refuse(request: HttpRequest) -> HttpResponse:
        raise DomainError("full", "It is full.", "Make room.")

    request = asked(tenant, method="POST", headers={"Referer": "http://testserver/there/"})

    answer = page("POST")(refuse)(request)

    assert (answer.status_code, answer["Location"]) == (302, "http://testserver/there/")
    assert [str(message) for message in get_messages(request)] == ["It is full. Make room."]


def test_find_gives_the_row_or_404(tenant: Tenant) -> None:
    ours, theirs = make_company(tenant), make_company(make_tenant())
    rows = Company.objects.for_tenant(tenant)

    assert find(rows, ours.pk) == ours
    with pytest.raises(Http404):
        find(rows, theirs.pk)


@pytest.mark.parametrize(("number", "shown"), [("", [0, 1]), ("2", [2]), ("9", [2]), ("x", [0, 1])])
def test_paged_shows_the_page_that_is_asked_for(
    tenant: Tenant, number: str, shown: list[int]
) -> None:
    companies = [make_company(tenant) for _ in range(3)]
    request = RequestFactory().get("/", {"page": number})

    found = paged(request, Company.objects.order_by("id"), size=2)

    assert list(found) == [companies[at] for at in shown]


@pytest.mark.parametrize(("poll_ms", "status"), [(3, 200), (0, 286)])
def test_watched_ends_the_asking_with_286(tenant: Tenant, poll_ms: int, status: int) -> None:
    context = {"page": None}

    answer = watched(asked(tenant), "components/pages.html", context, poll_ms)

    assert answer.status_code == status
