"""A re-sync of one company: what it reads, and what it takes away."""

from __future__ import annotations

from agreements.models import Agreement
from companies.models import Contact
from integrations.importing.linking import link_of
from integrations.models import (
    CompanyLink,
    Integration,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncRun,
)
from integrations.runs.starting import start_company_sync
from integrations.sandbox.server import SandboxServer
from tests.syncing import change, import_all, synced
from tests.worker import work_off


def test_resyncing_one_company_reads_its_agreements_at_once(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    company = Agreement.objects.order_by("id").first().company
    sandbox.forget_requests()

    run, is_new = start_company_sync(company=company, actor=None)
    work_off()
    run.refresh_from_db()

    assert is_new
    assert run.state == "succeeded"
    assert run.counts["agreements"]["unchanged"] == company.agreements.count()
    asked = {request["path"].split("/3.0")[-1] for request in sandbox.requests()}
    assert f"/company/companies/{link_of(company).external_id}" in asked
    assert "/company/companies" not in asked


def test_a_resync_that_is_shown_nobody_takes_nobody_away(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    before = Contact.objects.filter(gone_at=None).count()
    sandbox.faults.switch_on("empty_answer", path="/company/contacts")

    for link in CompanyLink.objects.select_related("company").order_by("external_id")[:5]:
        start_company_sync(company=link.company, actor=None)
    work_off()

    assert Contact.objects.filter(gone_at=None).count() == before
    states = SyncRun.objects.exclude(company=None).values_list("state", "error_code")
    assert set(states) == {("partial", "too_many_gone")}


def test_a_person_who_moved_leaves_the_company_they_came_from(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    left, joined = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    people = PsaContactRecord.objects.filter(company_external_id=left.external_id, gone_at=None)
    mover = people.order_by("external_id")[0].external_id
    change(sandbox, "contacts", mover, values={"company": {"id": int(joined.external_id)}})

    start_company_sync(company=joined.company, actor=None)
    work_off()

    rows = Contact.objects.filter(external_id=mover, gone_at=None)
    assert list(rows.values_list("company__name", flat=True)) == [joined.company.name]


def test_a_company_that_a_resync_finds_gone_is_merged_where_its_people_went(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    old, new = CompanyLink.objects.select_related("company").order_by("external_id")[:2]
    change(sandbox, "companies", old.external_id, do="merge", into=new.external_id)

    start_company_sync(company=old.company, actor=None)
    work_off()

    record = PsaCompanyRecord.objects.get(external_id=old.external_id)
    assert (record.rule_codes[0], record.merged_into) == ("merged", new.external_id)
    assert synced(connected).state == "succeeded"
    record.refresh_from_db()
    assert record.rule_codes[0] == "merged"
