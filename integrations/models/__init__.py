"""Connections to PSAs, what they show (the import list), links, tests and sync runs.

One subject a module; migrations, the API schema and everybody else import the names from here.
"""

from integrations.models.integration import ConnectionTest, Integration, IntegrationOwnedQuerySet
from integrations.models.issues import Issue
from integrations.models.links import CompanyLink
from integrations.models.locks import lock_account, lock_integration, lock_with_integration
from integrations.models.psa_records import (
    ImportListVisit,
    PsaCompanyRecord,
    PsaContactRecord,
)
from integrations.models.runs import (
    FIGURES,
    KINDS,
    SyncEvent,
    SyncRun,
    SyncRunPage,
    no_counts,
)
from integrations.models.words import PsaWord
from integrations.models.work import LeasedWork

__all__ = [
    "FIGURES",
    "KINDS",
    "CompanyLink",
    "ConnectionTest",
    "ImportListVisit",
    "Integration",
    "IntegrationOwnedQuerySet",
    "Issue",
    "LeasedWork",
    "PsaCompanyRecord",
    "PsaContactRecord",
    "PsaWord",
    "SyncEvent",
    "SyncRun",
    "SyncRunPage",
    "lock_account",
    "lock_integration",
    "lock_with_integration",
    "no_counts",
]
