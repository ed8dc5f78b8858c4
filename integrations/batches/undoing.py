"""Taking an import back: its links are undone, and the audITees that it made are archived.

An audITee that an import made has nothing to go back to, so it is archived with all that people
have done to it since; it can be brought back at any time.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from django.db import InterfaceError, OperationalError, transaction

from audit_site.errors import DomainError
from audit_site.tenants.models import User
from companies.services import archive_company
from integrations.links.undoing import UNDO_FAILED, undo_link
from integrations.models import CompanyLink, ImportBatchRow

State, Becomes = ImportBatchRow.State, ImportBatchRow.Becomes

log = logging.getLogger(__name__)


def take_back(rows: Sequence[ImportBatchRow], actor: User | None) -> None:
    """Take each row back by itself; what can't be says why and stays done. Inside a transaction."""
    for row in rows:
        if error := _refusal(row, actor):
            row.state, row.code, row.message = State.DONE, error.code, error.sentence
        else:
            row.state = State.UNDONE


def _refusal(row: ImportBatchRow, actor: User | None) -> DomainError | None:
    """Take a row back; returns why it could not be. One that fails holds no other up."""
    try:
        with transaction.atomic():
            _take_back(row, actor)
    except DomainError as error:
        return error
    except (OperationalError, InterfaceError):
        raise  # the database's own trouble, and no row's: another worker goes on
    except Exception:
        log.exception("Row %s of import %s could not be taken back", row.pk, row.batch_id)
        return UNDO_FAILED
    return None


def _take_back(row: ImportBatchRow, actor: User | None) -> None:
    if row.company is None:  # erased since: nothing is left of it
        return
    if row.becomes == Becomes.NEW:
        archive_company(company=row.company, actor=actor)
        return
    links = CompanyLink.objects.of(row.integration).filter(
        company=row.company, external_id=row.external_id
    )
    link = links.order_by("-linked_at", "-id").first()
    if link is None or link.undone_at is not None:
        return
    undo_link(company=row.company, actor=actor, link_id=link.pk)
