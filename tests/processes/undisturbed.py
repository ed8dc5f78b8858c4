"""One installation that nothing disturbs, and what any installation has stored, for comparison.

`python -m tests.processes.undisturbed begin|again|state` in the environment of an installation:
`begin` connects the PSAs whose credentials come as JSON, imports and reads everything, `again`
reads everything once more, `state` says.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable
from typing import Any

import django

django.setup()

from django.db import models  # noqa: E402

from agreements.models import Agreement, AgreementLine, AgreementMrr, CompanyMrr  # noqa: E402
from audit_site.db import walls  # noqa: E402
from audit_site.tenants.models import Tenant  # noqa: E402
from companies.models import Company, Contact  # noqa: E402
from integrations.connecting.lifecycle import create_integration  # noqa: E402
from integrations.importing.import_companies import import_companies  # noqa: E402
from integrations.models import (  # noqa: E402
    CompanyLink,
    ConnectionTest,
    Integration,
    Issue,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncEvent,
    SyncRun,
)
from integrations.runs.starting import start_sync_run  # noqa: E402
from tests.worker import work_off  # noqa: E402

walls.enter(walls.Asker(everything=True))

#: What two installations that read the same can't have in common: ids and times of their own.
OWN = {
    "id", "tenant", "run", "created_at", "updated_at", "archived_at", "seen_at", "first_seen_at",
    "last_seen_at", "synced_at", "linked_at", "linked_by", "last_synced_at", "read_at", "times",
    "lines_fingerprint",  # "" until a line that is gone was missed twice: the lines are compared
}  # fmt: skip
#: Theirs are worked out with ids of ours in them.
OWN_FINGERPRINTS = (Contact, Agreement, AgreementLine)


def begin(credentials: dict[str, dict[str, str]]) -> None:
    tenant = Tenant.objects.create(name="Undisturbed", company_limit=500)
    for psa, typed in credentials.items():
        integration, _ = create_integration(tenant=tenant, actor=None, psa=psa, credentials=typed)
        work_off()
        rows = PsaCompanyRecord.objects.filter(integration=integration, importable=True)
        ids = list(rows.order_by("id").values_list("external_id", flat=True))
        import_companies(integration=integration, external_ids=ids, actor=None)
        work_off()


def again() -> None:
    for integration in Integration.objects.order_by("id"):
        start_sync_run(integration=integration)
    work_off()


def state() -> dict[str, Any]:
    """What is stored: `tables` (every row that syncs write, without what is the installation's
    own), `doubled` (events that say one thing twice) and `taken_over` (how many pieces of work
    more than one worker had).
    """
    names: dict[Any, str] = dict(Integration.objects.values_list("id", "psa"))
    names |= {
        link.company_id: f"{names[link.integration_id]} company {link.external_id}"
        for link in CompanyLink.objects.filter(unlinked_at=None)
    }
    names |= {
        row.pk: f"{names[row.integration_id]} agreement {row.external_id}"
        for row in Agreement.objects.all()
    }
    kinds: tuple[type[models.Model], ...] = (
        PsaCompanyRecord, PsaContactRecord, CompanyLink, Company, Contact, Agreement, AgreementLine,
        CompanyMrr, AgreementMrr, Issue,
    )  # fmt: skip
    return {
        "tables": {
            kind.__name__: sorted([shown(row, names) for row in still_true(kind)], key=json.dumps)
            for kind in kinds
        },
        "doubled": doubled_events(names),
        "taken_over": sum(
            kind._default_manager.filter(attempts__gt=1).count()
            for kind in (SyncRun, ConnectionTest)
        ),
    }


def still_true(kind: type[models.Model]) -> models.QuerySet[Any]:
    """All rows; of issues the open ones, for others came and went between two looks."""
    rows = kind._default_manager.all()
    return rows.filter(closed_at=None) if kind is Issue else rows


def doubled_events(names: dict[Any, str]) -> list[Any]:
    """Events that came twice in one run, and records that were new more than once."""
    said = Counter[tuple[Any, ...]]()
    for event in SyncEvent.objects.select_related("run"):
        whose = (event.after or {}).get("agreement_id")  # ids of lines may be their agreement's
        what = (names[event.run.integration_id], event.kind, whose, event.external_id, event.change)
        said[(*what, "" if event.change == "created" else str(event.run_id))] += 1
    return [what for what, times in said.items() if times > 1]


def shown(row: models.Model, names: dict[Any, str]) -> dict[str, Any]:
    left_out = OWN | ({"fingerprint"} if isinstance(row, OWN_FINGERPRINTS) else set())
    values = {} if not isinstance(row, Company) else {"whose": names[row.pk]}
    for field in row._meta.concrete_fields:
        value = getattr(row, field.attname)
        if field.name in left_out:
            continue
        if field.is_relation:
            value = names.get(value)
        elif field.name in {"gone_at", "unlinked_at", "closed_at", "dismissed_at", "told_at"}:
            value = value is not None
        values[field.name] = value if isinstance(value, (bool, int, list, dict)) else str(value)
    if values.get("gone_at"):  # its place among others is that of the last reading, whenever it was
        values.pop("position", None)
    return values


def main(arguments: Iterable[str]) -> None:
    match list(arguments):
        case ["begin", credentials]:
            begin(json.loads(credentials))
        case ["again"]:
            again()
        case ["state"]:
            print(json.dumps(state()))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
