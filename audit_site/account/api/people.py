"""REST: the people of a tenant, members and invited."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

from django.http import Http404
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from audit_site.account import acts
from audit_site.api.abilities import Ability, CanField
from audit_site.api.idempotency import idempotent
from audit_site.api.listed import fetched_page
from audit_site.api.parameters import invalid
from audit_site.api.permissions import IsAdmin
from audit_site.api.requests import read_body
from audit_site.api.serializers import StrictSerializer
from audit_site.api.views import PROBLEMS, TenantViewSet, find_uuid
from audit_site.db.folded_text import is_storable
from audit_site.errors import DomainError
from audit_site.limits import INVITATIONS, limited
from audit_site.tenants import invitations, members
from audit_site.tenants.models import Invitation, Membership, Role, User
from audit_site.tenants.people import (
    STATES,
    Person,
    after,
    before,
    find_person,
    invitation_of,
    member_of,
    people_rows,
    read_people,
)

#: What parts the two halves of a place in a cursor; no address holds one.
BETWEEN: Final = "\n"


def _stays_not_alone(person: Person) -> bool:
    return not person.is_last_admin


ABILITIES: Final[dict[str, Ability]] = {
    "edit": (IsAdmin, _stays_not_alone),
    "delete": (IsAdmin, _stays_not_alone),
    "invite": (IsAdmin, lambda person: not person.is_member),
}


class PersonSerializer(serializers.Serializer[Person]):
    """A member of the tenant, or who is invited to become one."""

    id = serializers.CharField(source="pk", help_text="The user's, or the invitation's.")
    email = serializers.EmailField()
    name = serializers.CharField(allow_blank=True)
    role = serializers.ChoiceField(Role.choices)
    state = serializers.ChoiceField(STATES)
    two_factor = serializers.BooleanField(help_text="Whether they sign in with two factors.")
    last_seen_at = serializers.DateTimeField(
        allow_null=True, help_text="To five minutes; null = never."
    )
    joined_at = serializers.DateTimeField(allow_null=True, help_text="null = only invited yet.")
    expires_at = serializers.DateTimeField(
        allow_null=True, help_text="Until when an invitation can be accepted; null = a member."
    )
    mail_refused = serializers.CharField(
        allow_blank=True,
        help_text="What the mail server said when it refused the invitation, such as 550 5.1.1; "
        "empty = it did not.",
    )
    can = CanField(ABILITIES)


class InviteSerializer(StrictSerializer):
    """Who is asked to join, and as what."""

    email = serializers.CharField()
    name = serializers.CharField(required=False, allow_blank=True, default="")
    role = serializers.ChoiceField(Role.choices)


class PersonUpdateSerializer(StrictSerializer):
    role = serializers.ChoiceField(Role.choices)


class PersonViewSet(TenantViewSet):
    """The people of the tenant."""

    serializer_class = PersonSerializer
    permission_classes = (IsAdmin,)
    queryset = Membership.objects.none()  # only tells the schema what is addressed

    def _person(self, pk: str) -> Person:
        person = find_person(self.tenant, find_uuid(pk))
        if person is None:
            raise Http404
        return person

    def _member_or_invited(self, pk: str) -> User | Invitation:
        """Who is addressed: a member by the user's id, or an open invitation."""
        found = member_of(self.tenant, find_uuid(pk)) or invitation_of(self.tenant, find_uuid(pk))
        if found is None:
            raise Http404
        return found

    def _shown(self, person: Person) -> Any:
        return PersonSerializer(person, context={"request": self.request}).data

    def _fetch(self, backwards: bool, mark: str, count: int) -> Sequence[Person]:
        within = None
        if mark:
            place = _read_place(mark)
            within = before(place) if backwards else after(place)
        rows = people_rows(self.tenant, within=within, backwards=backwards)
        return read_people(self.tenant, rows[:count])

    @extend_schema(responses={200: PersonSerializer(many=True), **PROBLEMS})
    def list(self, request: Request) -> Response:
        """List members and invited people, by e-mail address."""
        page = fetched_page(request, self._fetch, key=lambda person: BETWEEN.join(person.place))
        return Response(page.body([self._shown(person) for person in page.items]))

    @extend_schema(responses={200: PersonSerializer, **PROBLEMS})
    def retrieve(self, request: Request, pk: str) -> Response:
        """Read one person."""
        return Response(self._shown(self._person(pk)))

    @extend_schema(request=InviteSerializer, responses={201: PersonSerializer, **PROBLEMS})
    @limited(INVITATIONS)
    @idempotent
    def create(self, request: Request) -> Response:
        """Invite a person by e-mail; the link is good once, for seven days.

        They become a member by accepting it as the owner of that address.
        """
        body = read_body(InviteSerializer, request)
        invitation = acts.invite(tenant=self.tenant, actor=self.actor, **body)
        shown = self._shown(self._person(str(invitation.pk)))
        return Response(shown, status=status.HTTP_201_CREATED)

    @extend_schema(request=None, responses={200: PersonSerializer, **PROBLEMS})
    @action(detail=True, methods=["post"])
    @limited(INVITATIONS)
    @idempotent
    def invite(self, request: Request, pk: str) -> Response:
        """Send an invitation again, with a new link and for seven days more."""
        found = self._member_or_invited(pk)
        if isinstance(found, User):
            raise DomainError(
                "already_member",
                f"{found} is in this account already.",
                "Change their role instead.",
            )
        acts.send_again(invitation=found, actor=self.actor)
        return Response(self._shown(self._person(pk)))

    @extend_schema(request=PersonUpdateSerializer, responses={200: PersonSerializer, **PROBLEMS})
    def partial_update(self, request: Request, pk: str) -> Response:
        """Change what a person may do, or will once they accept. The last admin stays one."""
        found, role = (
            self._member_or_invited(pk),
            read_body(PersonUpdateSerializer, request)["role"],
        )
        if isinstance(found, User):
            members.change_role(tenant=self.tenant, actor=self.actor, user=found, role=role)
        else:
            invitations.change_invited_role(invitation=found, actor=self.actor, role=role)
        return Response(self._shown(self._person(pk)))

    @extend_schema(responses={204: None, **PROBLEMS})
    def destroy(self, request: Request, pk: str) -> Response:
        """Remove a member, or withdraw an invitation.

        A member's tokens and sessions here end at once. The last admin stays.
        """
        found = self._member_or_invited(pk)
        if isinstance(found, User):
            members.remove_member(tenant=self.tenant, actor=self.actor, user=found)
        else:
            invitations.withdraw(invitation=found, actor=self.actor)
        return Response(status=status.HTTP_204_NO_CONTENT)


def _read_place(mark: str) -> tuple[str, str]:
    address, _, pk = mark.partition(BETWEEN)
    try:
        place = address, str(UUID(pk))
    except ValueError:
        place = "", ""
    if not place[1] or not is_storable(address):
        raise invalid("cursor", "Take the cursor from `next` or `previous` as it is.")
    return place
