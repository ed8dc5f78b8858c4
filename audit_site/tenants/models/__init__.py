"""Who may do what: tenants (an MSP each), people, API tokens, the audit trail. A subject a file."""

from __future__ import annotations

from audit_site.tenants.models.audit import AuditEvent, AuditLink
from audit_site.tenants.models.invitations import VALID_FOR, Invitation
from audit_site.tenants.models.people import ROLE_RANK, Membership, Role, User, UserManager
from audit_site.tenants.models.shared_cache import SharedCacheEntry
from audit_site.tenants.models.tenants import Tenant, TenantOwned, TenantQuerySet
from audit_site.tenants.models.tokens import ApiToken, Scope

__all__ = [
    "ROLE_RANK",
    "VALID_FOR",
    "ApiToken",
    "AuditEvent",
    "AuditLink",
    "Invitation",
    "Membership",
    "Role",
    "Scope",
    "SharedCacheEntry",
    "Tenant",
    "TenantOwned",
    "TenantQuerySet",
    "User",
    "UserManager",
]
