"""Who may do what: tenants (an MSP each), people, sessions, tokens, the audit trail."""

from __future__ import annotations

from audit_site.tenants.models.address_changes import AddressChange
from audit_site.tenants.models.audit import AuditEvent, AuditLink
from audit_site.tenants.models.change_marks import ChangeMark, PeopleMark
from audit_site.tenants.models.invitations import VALID_FOR, Invitation
from audit_site.tenants.models.mailed import NEVER_TRIED, Mailed
from audit_site.tenants.models.people import ROLE_RANK, Membership, Role, User, UserManager
from audit_site.tenants.models.sessions import BrowserSession
from audit_site.tenants.models.shared_cache import SharedCacheEntry
from audit_site.tenants.models.tenants import Tenant, TenantOwned, TenantQuerySet
from audit_site.tenants.models.tokens import ApiToken, Scope
from audit_site.tenants.models.tries import TryCount

__all__ = [
    "NEVER_TRIED",
    "ROLE_RANK",
    "VALID_FOR",
    "AddressChange",
    "ApiToken",
    "AuditEvent",
    "AuditLink",
    "BrowserSession",
    "ChangeMark",
    "Invitation",
    "Mailed",
    "Membership",
    "PeopleMark",
    "Role",
    "Scope",
    "SharedCacheEntry",
    "Tenant",
    "TenantOwned",
    "TenantQuerySet",
    "TryCount",
    "User",
    "UserManager",
]
