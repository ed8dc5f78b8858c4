"""Pages that are a person's own: open to who is signed in, in a tenant or in none."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import wraps
from typing import Any, cast

from allauth.account.decorators import reauthentication_required
from django.contrib import messages
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.utils import timezone

from audit_site.errors import Explained
from audit_site.pages.views import ViewT, came_from, lost, not_this_way
from audit_site.tenants.middleware import LOST
from audit_site.tenants.models import Membership, User


class PersonRequest(HttpRequest):
    """A request of somebody who is signed in."""

    user: User
    membership: Membership | None
    section: str


def person_page(*methods: str, is_sensitive: bool = False) -> Callable[[ViewT], ViewT]:
    """Make a view a page of the person's own. A "no" is a message on the page they came from.

    What changes how a person signs in is sensitive: they show that it is them a moment before.
    """

    def decorate(view: ViewT) -> ViewT:
        carry_out = reauthentication_required(view) if is_sensitive else view

        @wraps(view)
        def wrapper(request: PersonRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            request.section = "you"
            if request.method == "GET" and LOST in request.GET:
                return lost(request, methods)
            if request.method not in methods:
                return not_this_way(request, methods)
            with _in_zone(request):
                try:
                    answer: HttpResponseBase = carry_out(request, *args, **kwargs)
                except Explained as error:
                    messages.error(request, error.sentence)
                    answer = redirect(came_from(request, "account:you"))
            return answer

        wrapper.methods = methods  # type: ignore[attr-defined]
        return cast(ViewT, wrapper)

    return decorate


def _in_zone(request: PersonRequest) -> AbstractContextManager[None]:
    if request.membership is None:
        return nullcontext()
    return timezone.override(request.membership.tenant.zone)
