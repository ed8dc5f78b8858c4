"""Connections to PSAs, what they show (the import list), links, tests and sync runs.

One subject a module; migrations, the API schema and everybody else import the names from here.
"""

from integrations.models.forgotten import ForgottenContact
from integrations.models.imports import ImportBatch, ImportBatchRow, ImportSelection
from integrations.models.integration import (
    ConnectionTest,
    Integration,
    IntegrationOwnedQuerySet,
    IntegrationQuerySet,
)
from integrations.models.issues import Issue
from integrations.models.links import CompanyLink, LinkPreview
from integrations.models.locks import lock_account, lock_integration, lock_with_integration
from integrations.models.psa_records import (
    ImportListVisit,
    PsaCompanyRecord,
    PsaContactRecord,
)
from integrations.models.psa_users import PsaUser
from integrations.models.runs import (
    FIGURES,
    KINDS,
    NO_END,
    SyncEvent,
    SyncRun,
    SyncRunPage,
    no_counts,
)
from integrations.models.suggestions import LinkBatch, LinkMatching, LinkSuggestion, SuggestionKind
from integrations.models.words import PsaWord
from integrations.models.work import LeasedWork

__all__ = [
    "FIGURES",
    "KINDS",
    "NO_END",
    "CompanyLink",
    "ConnectionTest",
    "ForgottenContact",
    "ImportBatch",
    "ImportBatchRow",
    "ImportListVisit",
    "ImportSelection",
    "Integration",
    "IntegrationOwnedQuerySet",
    "IntegrationQuerySet",
    "Issue",
    "LeasedWork",
    "LinkBatch",
    "LinkMatching",
    "LinkPreview",
    "LinkSuggestion",
    "PsaCompanyRecord",
    "PsaContactRecord",
    "PsaUser",
    "PsaWord",
    "SuggestionKind",
    "SyncEvent",
    "SyncRun",
    "SyncRunPage",
    "lock_account",
    "lock_integration",
    "lock_with_integration",
    "no_counts",
]
