"""A sync of what changed finds also what was deleted."""

from __future__ import annotations

import pytest

from companies.models import Contact
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, PsaContactRecord
from integrations.sandbox.server import SandboxServer
from tests.syncing import change, import_all, synced


@pytest.mark.parametrize("kind", ["companies", "contacts"])
def test_what_set_the_mark_and_is_deleted_is_found_gone_by_an_automatic_sync(
    connected: Integration, sandbox: SandboxServer, kind: str
) -> None:
    import_all(connected)
    link, other = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    deleted, kept = (link, other) if kind == "companies" else (other, link)
    people = PsaContactRecord.objects.order_by("external_id")
    person = people.filter(company_external_id=kept.external_id)[0]
    change(sandbox, "companies", deleted.external_id)
    change(sandbox, "contacts", person.external_id)
    synced(connected)
    gone = link.external_id if kind == "companies" else person.external_id
    change(sandbox, kind, gone, do="delete")

    run = synced(connected, "schedule")

    assert (run.reading, run.counts[kind]["gone"]) == ("changes", 1)
    if kind == "companies":
        record = PsaCompanyRecord.objects.get(external_id=gone)
        link.refresh_from_db()
        assert (record.importable, record.rule_codes[0]) == (False, "deleted")
        assert link.problem_codes[0] == "deleted"
    else:
        assert Contact.objects.get(external_id=gone).gone_at is not None
    again = synced(connected, "schedule")  # the mark went back to what is there
    assert again.counts[kind]["seen"] < run.counts[kind]["seen"]
