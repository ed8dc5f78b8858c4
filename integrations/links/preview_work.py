"""The worker's part of a preview: reads one record of a PSA with its agreements, stores nothing of
them, and keeps what a link would change.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from django.db import InterfaceError, OperationalError
from django.utils import timezone

from audit_site.db import walls
from audit_site.errors import DomainError, Explained
from integrations.connecting.open_adapter import open_adapter
from integrations.connecting.postponed_tests import Patience
from integrations.importing.diagnosis import contacts_of
from integrations.importing.rules import explain
from integrations.issues.moments import clock_words
from integrations.links.comparison import Comparison, Shown, compare
from integrations.models import LinkPreview
from integrations.psa.contract import PsaAdapter, PsaCompany, RejectedRecord
from integrations.psa.errors import PsaBadResponse, PsaCoolingDown, PsaError, PsaRateLimited
from integrations.runs import leases, run_log, shutdown
from integrations.sync.agreement_batch import AgreementBatch

#: How often a preview waits for a PSA that says "too many requests", and how long where it does not
#: say it.
MOST_WAITS: Final = 5
WAIT_SECONDS: Final = 30.0


@walls.of_tenant
def run_link_preview(*, tenant_id: str, preview_id: str) -> None:
    """Carry a preview out, or go on with it after a wait. Worker only."""
    preview = leases.claim(LinkPreview, tenant_id=tenant_id, work_id=preview_id)
    if preview is None:
        return
    try:
        with leases.LeaseKeeper(preview):
            found = _carry_out(preview)
    except shutdown.WorkerEnding:
        leases.held(preview).update(lease_until=None, dispatched_at=None)  # another goes on
    except PsaRateLimited as error:
        _wait(preview, error)
    except (DomainError, PsaError) as error:
        _conclude(preview, error=error)
    except (OperationalError, InterfaceError):
        raise  # the lease runs out, and another worker goes on
    except Exception:
        _conclude(preview, error=_internal_error())
        raise
    else:
        _conclude(preview, found)


def _carry_out(preview: LinkPreview) -> Comparison:
    integration, company = preview.integration, preview.company
    integration.refuse_disconnected()
    with open_adapter(integration, on_wait=Patience()) as adapter:
        shown = _read(adapter, preview.external_id)
    return compare(company, integration, shown)


def _read(adapter: PsaAdapter, external_id: str) -> Shown:
    """What the PSA shows of one company right now. HTTP, outside any transaction."""
    record = adapter.company(external_id)
    if not isinstance(record, PsaCompany):
        raise _not_there(record, adapter)
    people = contacts_of(adapter, [external_id])[external_id]
    batch = AgreementBatch([external_id], "", timezone.now())
    for page in adapter.agreements(company_ids=[external_id]):
        shutdown.check()
        batch.add(page)
    agreements = [one for one in batch.agreements.values() if one.company_id == external_id]
    return Shown(record, people, agreements, batch.refused, len(batch.rejected))


def _not_there(record: RejectedRecord | None, adapter: PsaAdapter) -> Explained:
    if record is not None:
        return DomainError(record.code, record.message, f"Correct it in {adapter.info.name}.")
    reason = explain("unknown_company", adapter.info)
    return DomainError("unknown_company", reason["message"], reason["fix"])


def _internal_error() -> PsaError:
    return PsaBadResponse(
        "Something went wrong on our side while comparing them.",
        "Look again. If it happens again, report it.",
    )


def _wait(preview: LinkPreview, error: PsaRateLimited) -> None:
    """Let it go on later, in any worker; at last, or where keys must rest, say why not."""
    if isinstance(error, PsaCoolingDown) or preview.attempts > MOST_WAITS:
        _conclude(preview, error=error)
        return
    seconds = WAIT_SECONDS if error.retry_after is None else error.retry_after
    until = timezone.now() + timedelta(seconds=seconds)
    run_log.waits(seconds, error.code)
    name = preview.integration.psa_info.name
    goes_on = clock_words(until, preview.tenant, "at", "on")
    leases.held(preview).update(
        code=error.code,
        message=f"{name} asks us to wait. This goes on {goes_on}.",
        fix=error.fix,
        resume_at=until,
        lease_until=None,
        dispatched_at=None,
    )


def _conclude(
    preview: LinkPreview, found: Comparison | None = None, error: Explained | None = None
) -> None:
    code, message, fix = (error.code, error.message, error.fix) if error else ("", "", "")
    ended = leases.held(preview).update(
        state=LinkPreview.State.DONE,
        found=found,
        code=code,
        message=message,
        fix=fix,
        finished_at=timezone.now(),
        lease_until=None,
        resume_at=None,
    )
    if ended:
        run_log.ends(preview, "done" if error is None else "failed", code=code)
