"""Who may: a role of the tenant, and for tokens a scope beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rest_framework.exceptions import NotAuthenticated, PermissionDenied
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request

from audit_site.api.requests import membership_of
from audit_site.tenants.models import Role, Scope

if TYPE_CHECKING:  # DRF's views read these classes while they are themselves being imported
    from rest_framework.views import APIView


class RolePermission(BasePermission):
    role: ClassVar[str]
    scope: ClassVar[str]
    message: ClassVar[str]
    code: ClassVar[str]

    @classmethod
    def allows(cls, request: Request) -> bool:
        """Whether role and scopes of whoever asks suffice."""
        has_scope = cls.scope in request.scopes  # type: ignore[attr-defined]
        return has_scope and membership_of(request).has_role(cls.role)

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.user is None:
            raise NotAuthenticated
        if not membership_of(request).has_role(self.role):
            raise PermissionDenied(self.message, code=self.code)
        scope = self.scope
        if scope not in request.scopes:  # type: ignore[attr-defined]
            raise lacks_scope(scope)
        return True


def lacks_scope(scope: str) -> PermissionDenied:
    """The refusal of a token that may do less than is asked."""
    message = f"This token lacks the scope “{scope}”. Make one that has it."
    return PermissionDenied(message, code="insufficient_scope")


class IsViewer(RolePermission):
    role, scope = Role.VIEWER, Scope.READ
    message, code = "You are no member of this tenant.", "viewer_required"


class IsMember(RolePermission):
    role, scope = Role.MEMBER, Scope.WRITE
    message = "Only members and admins may do this. Ask an admin of your account."
    code = "member_required"


class IsAdmin(RolePermission):
    role, scope = Role.ADMIN, Scope.ADMIN
    message, code = "Only admins may do this. Ask an admin of your account.", "admin_required"


class ReadOrOwn(IsViewer):
    """Everybody reads and changes what is their own; a token that only reads changes nothing."""

    @classmethod
    def allows(cls, request: Request) -> bool:
        """Whether the one who asks may change what is their own."""
        return super().allows(request) and cls._may_write(request)

    def has_permission(self, request: Request, view: APIView) -> bool:
        allowed = super().has_permission(request, view)
        if request.method not in SAFE_METHODS and not self._may_write(request):
            raise lacks_scope(Scope.WRITE)
        return allowed

    @staticmethod
    def _may_write(request: Request) -> bool:
        has_scope = Scope.WRITE in request.scopes  # type: ignore[attr-defined]
        return request.auth is None or has_scope


class ReadOrMember(IsMember):
    """Everybody reads, members and admins write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return IsViewer().has_permission(request, view)
        return super().has_permission(request, view)


class ReadOrAdmin(IsAdmin):
    """Everybody reads, admins write."""

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return IsViewer().has_permission(request, view)
        return super().has_permission(request, view)
