"""Marks that the database itself leaves when something is changed that lists show."""

from __future__ import annotations

from django.db import models

from audit_site.tenants.models.tenants import TenantOwned, TenantQuerySet


class ChangeMark(TenantOwned):
    """One for each statement that changed rows of a tenant; `changes` of them, once summed up.

    Inserted and never updated: two transactions that change things of one tenant do not wait for
    each other. What transactions have committed so far has a sum that nothing else has.
    """

    is_told = False
    worked_together = True
    seen_by_system = ("sum_up",)

    id = models.BigAutoField(primary_key=True)  # type: ignore[assignment]
    changes = models.BigIntegerField(default=1)

    objects = TenantQuerySet["ChangeMark"].as_manager()

    def __str__(self) -> str:
        return f"{self.changes} changes"


class PeopleMark(models.Model):
    """One row: how often the name or the address of anybody has changed. People are of no tenant,
    and stand in lists of those that they have left as well.
    """

    changes = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.changes} changes"
