"""The people of a tenant as one list: its members, and who is invited to become one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from allauth.mfa.models import Authenticator
from django.db import models
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Lower
from django.utils.timezone import now

from audit_site.tenants.models import Invitation, Membership, Role, Tenant, User

ACTIVE: Final = "active"
INVITED: Final = "invited"
STATES: Final = (ACTIVE, INVITED)
#: Alone they are no way to sign in with two factors.
NO_FACTOR: Final = Authenticator.Type.RECOVERY_CODES
COLUMNS: Final = (
    "person_id",
    "address",
    "person_name",
    "person_role",
    "state",
    "two_factor",
    "last_seen",
    "joined",
    "mail_sent",
    "good_until",
    "refused",
)
_MOMENT: Final = models.DateTimeField()
#: A place in the list: the address, and the id where two have the same.
Place = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Person:
    """A member, or who is invited; `pk` is the user's id or the invitation's.

    `sent_at`, `expires_at` and `mail_refused` are those of the invitation.
    """

    pk: UUID
    email: str
    name: str
    role: str
    state: str
    two_factor: bool
    last_seen_at: datetime | None
    joined_at: datetime | None
    sent_at: datetime | None
    expires_at: datetime | None
    mail_refused: str
    is_last_admin: bool

    @property
    def is_member(self) -> bool:
        return self.state == ACTIVE

    @property
    def has_run_out(self) -> bool:
        """Whether an invitation is too old to be accepted."""
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def role_title(self) -> str:
        return str(Role(self.role).label)

    @property
    def place(self) -> Place:
        return self.email, str(self.pk)

    def __str__(self) -> str:
        return self.name or self.email


def people_rows(
    tenant: Tenant, *, within: Q | None = None, backwards: bool = False
) -> QuerySet[Any, tuple[Any, ...]]:
    """The rows of all people by address, for `read_people`; `within` narrows them down."""
    narrowed = within or Q()
    members = _members(tenant).filter(narrowed).order_by().values_list(*COLUMNS)
    invited = _invited(tenant).filter(narrowed).order_by().values_list(*COLUMNS)
    sign = "-" if backwards else ""
    rows: QuerySet[Any, tuple[Any, ...]] = members.union(invited, all=True)
    return rows.order_by(f"{sign}address", f"{sign}person_id")


def after(place: Place) -> Q:
    return Q(address__gt=place[0]) | Q(address=place[0], person_id__gt=place[1])


def before(place: Place) -> Q:
    return Q(address__lt=place[0]) | Q(address=place[0], person_id__lt=place[1])


def read_people(tenant: Tenant, rows: Iterable[tuple[Any, ...]]) -> list[Person]:
    only_admin = _only_admin(tenant)
    return [Person(*(*row, row[0] == only_admin)) for row in rows]


def find_person(tenant: Tenant, pk: UUID) -> Person | None:
    """A member by the user's id, or who is invited by the invitation's."""
    found = read_people(tenant, people_rows(tenant, within=Q(person_id=pk))[:1])
    return found[0] if found else None


def find_by_address(tenant: Tenant, email: str) -> Person | None:
    """A member or who is invited, by the address; in upper or lower case."""
    within = Q(address=email.strip().lower())
    found = read_people(tenant, people_rows(tenant, within=within)[:1])
    return found[0] if found else None


def member_of(tenant: Tenant, pk: UUID) -> User | None:
    members = Membership.objects.for_tenant(tenant).filter(user=pk).select_related("user")
    found = members.first()
    return found.user if found else None


def invitation_of(tenant: Tenant, pk: UUID) -> Invitation | None:
    """An open invitation."""
    rows = Invitation.objects.for_tenant(tenant).open().select_related("tenant")
    return rows.filter(pk=pk).first()


def _members(tenant: Tenant) -> QuerySet[Membership]:
    factors = Authenticator.objects.filter(user=OuterRef("user")).exclude(type=NO_FACTOR)
    return Membership.objects.for_tenant(tenant).annotate(
        person_id=F("user_id"),
        address=Lower("user__email"),
        person_name=F("user__name"),
        person_role=F("role"),
        state=Value(ACTIVE),
        two_factor=Exists(factors),
        last_seen=F("last_seen_at"),
        joined=F("created_at"),
        mail_sent=Value(None, _MOMENT),
        good_until=Value(None, _MOMENT),
        refused=Value(""),
    )


def _invited(tenant: Tenant) -> QuerySet[Invitation]:
    return (
        Invitation.objects.for_tenant(tenant)
        .open()
        .annotate(
            person_id=F("id"),
            address=Lower("email"),
            person_name=F("name"),
            person_role=F("role"),
            state=Value(INVITED),
            two_factor=Value(value=False),
            last_seen=Value(None, _MOMENT),
            joined=Value(None, _MOMENT),
            mail_sent=F("sent_at"),
            good_until=F("expires_at"),
            refused=F("mail_refused"),
        )
    )


def _only_admin(tenant: Tenant) -> UUID | None:
    admins = Membership.objects.for_tenant(tenant).filter(role=Role.ADMIN, user__is_active=True)
    ids = list(admins.values_list("user_id", flat=True)[:2])
    return ids[0] if len(ids) == 1 else None
