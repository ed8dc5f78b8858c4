"""Moments in the tenant's zone, as mails and banners write them."""

from __future__ import annotations

from datetime import datetime

from audit_site.tenants.models import Tenant


def clock_words(moment: datetime, tenant: Tenant, today: str = "", later: str = "") -> str:
    """14:05, or 25 Nov, 14:05 when that is not today; each after its own word, if there is one."""
    local = moment.astimezone(tenant.zone)
    is_today = local.date() == tenant.today()
    words = f"{today} {local:%H:%M}" if is_today else f"{later} {local:%d %b, %H:%M}"
    return words.strip()
