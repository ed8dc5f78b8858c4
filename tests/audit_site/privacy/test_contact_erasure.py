"""A contact is erased everywhere, and no sync brings it back."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from agreements.decisions import choose
from agreements.models import Agreement, ChoiceRecord, FigureReport
from audit_site.api.models import IdempotentRequest
from audit_site.privacy.contact_erasure import erase_contact
from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company, Contact
from companies.services import create_company
from integrations.issues.inbox import IssueReport, raise_issues
from integrations.models import (
    CompanyLink,
    ForgottenContact,
    Integration,
    Issue,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncEvent,
    SyncRunPage,
)
from integrations.runs.starting import start_company_sync
from integrations.sandbox.server import SandboxServer
from tests.clients import V1, api_of, browser, page_text, text
from tests.conftest import connect
from tests.factories import (
    make_agreement,
    make_company,
    make_event,
    make_integration,
    make_run,
    make_tenant,
)
from tests.syncing import import_all, synced
from tests.worker import work_off

pytestmark = pytest.mark.django_db


def stored() -> str:
    """Everything that stands in the database, every column of every table, as text."""
    tables = [model._meta.db_table for model in apps.get_models()]
    with connection.cursor() as cursor:
        parts = []
        for table in tables:
            cursor.execute(f'SELECT * FROM "{table}"')  # noqa: S608  names of ours
            parts += [f"{table}: {row}" for row in cursor.fetchall()]
    return "\n".join(parts)


@pytest.fixture(scope="module")
def tenant(rows_for_all: None) -> Tenant:
    return make_tenant(company_limit=100)


@pytest.fixture(scope="module")
def read(tenant: Tenant, sandbox_for_all: SandboxServer) -> Integration:
    integration = connect(tenant, sandbox_for_all, "connectwise")
    import_all(integration)
    return integration


@pytest.fixture
def imported(read: Integration) -> Integration:
    """The sandbox ConnectWise with all that can be imported, for all tests of this file."""
    return Integration.objects.select_related("tenant").get(pk=read.pk)


def somebody(integration: Integration) -> Contact:
    """The primary contact of a linked company that has others, too, with all that identifies it."""
    link = CompanyLink.objects.of(integration).order_by("external_id")[0]
    people = PsaContactRecord.objects.of(integration).filter(company_external_id=link.external_id)
    people.update(email="other@example.net", phone="")
    contact = Contact.objects.get(company=link.company, is_primary=True)
    who = {
        "first_name": "Zoë",
        "last_name": "Quertz-Canary",
        "email": "zoe.canary@client.example",
        "phone": "+49 30 1234567",
    }
    for rows in (
        Contact.objects.filter(pk=contact.pk),
        people.filter(external_id=contact.external_id),
    ):
        rows.update(**who, fingerprint="")
    return Contact.objects.select_related("tenant", "company").get(pk=contact.pk)


NEEDLES = ("Quertz", "zoe.canary", "1234567")


def traces() -> list[str]:
    text = stored().casefold()
    return [needle for needle in NEEDLES if needle.casefold() in text]


def tell_everywhere(integration: Integration, contact: Contact, alex: User) -> None:
    """All that may tell of a contact tells of this one."""
    tenant, run = integration.tenant, make_run(integration, state="succeeded")
    values = {"first_name": "Zoë", "last_name": "Quertz-Canary", "phone": contact.phone}
    make_event(
        run, "updated", kind="contact", external_id=contact.external_id,
        name=str(contact), before=values, after={**values, "email": contact.email},
    )  # fmt: skip
    make_event(
        run, "updated", external_id="1", before=None,
        after={"default_contact_id": contact.external_id, "name": "Client"},
    )  # fmt: skip
    report = IssueReport("contact", "invalid_record", f"{contact} is odd.", "", contact.external_id)
    raise_issues(integration, [report], run)
    raise_issues(
        integration, [IssueReport("company", "merged", f"Ask {contact.email.upper()}.")], run
    )
    FigureReport.objects.create(
        tenant=tenant, company=contact.company, as_of="2026-11-01", note=f"{contact} says so",
        content=f'{{"who": "{contact.email}"}}',
    )  # fmt: skip
    IdempotentRequest.objects.create(
        tenant=tenant, user=alex, key="k", request_hash="", status=201,
        body={"name": "Client", "primary_contact": {"name": str(contact), **values}},
    )  # fmt: skip
    SyncRunPage.objects.create(tenant=tenant, run=run, kind="answers", external_ids=["raw"])
    agreement = make_agreement(contact.company, integration)
    choose(agreement=agreement, actor=alex, changes={"exclude": True}, note=f"asked {contact}")


def test_nothing_of_it_stands_anywhere_afterwards(imported: Integration, alex: User) -> None:
    contact = somebody(imported)
    tell_everywhere(imported, contact, alex)
    before = traces()

    erased = erase_contact(contact=contact, actor=alex)

    assert before == list(NEEDLES)
    assert traces() == []
    assert erased.left_in() == []
    assert erased.rows == 16
    event = AuditEvent.objects.get(action="contact.erased")
    assert (event.actor_id, event.object_id) == (str(alex.pk), str(contact.company_id))
    assert (event.before, event.after) == (None, {"contacts": [str(contact.pk)]})


def test_what_tells_of_others_stays(imported: Integration, alex: User) -> None:
    contact = somebody(imported)
    tell_everywhere(imported, contact, alex)
    others = Contact.objects.exclude(pk=contact.pk).count()

    erase_contact(contact=contact, actor=alex)

    assert Contact.objects.count() == others
    assert IdempotentRequest.objects.get().body["name"] == "Client"
    assert SyncEvent.objects.get(
        external_id="1", run__state="succeeded", after__name="Client"
    ).after == {
        "default_contact_id": "",
        "name": "Client",
    }
    assert Issue.objects.get(code="merged").message == "Ask [erased]."
    assert ChoiceRecord.objects.get().note == "asked [erased]"
    assert ChoiceRecord.objects.get().actor_name == "Alex Admin"


def figure(company: Company, user: User, **headers: str) -> Any:
    return api_of(user).get(f"{V1}/companies/{company.pk}/mrr/", headers=headers)


def test_an_answer_that_is_kept_tells_of_it_no_more(
    imported: Integration, alex: User, otto: User
) -> None:
    """Answers about figures are kept in memory, and sent again while nothing has changed."""
    contact, word = somebody(imported), "for Zoë Quertz-Canary"
    theirs = make_company(otto.memberships.get().tenant)
    make_agreement(contact.company, imported, cycle={"unknown": word})
    make_agreement(theirs, make_integration(theirs.tenant), cycle={"unknown": word})
    before, strangers = figure(contact.company, alex), text(figure(theirs, otto))
    Agreement.objects.filter(cycle={"unknown": word}).update(cycle={"unknown": "?"})
    kept = text(figure(contact.company, alex))
    Agreement.objects.filter(cycle={"unknown": "?"}).update(cycle={"unknown": word})

    erase_contact(contact=contact, actor=alex)
    after = figure(contact.company, alex, if_none_match=before["ETag"])

    assert kept == text(before)
    assert word in kept
    assert (after.status_code, after["ETag"] == before["ETag"]) == (200, False)
    assert "Quertz" not in text(after)
    assert "for [erased]" in text(after)
    assert text(figure(theirs, otto)) == strangers, "of another tenant nothing is erased"


def test_an_answer_that_is_kept_while_it_is_erased_tells_of_it_no_more(
    imported: Integration, alex: User
) -> None:
    """What a sync wrote meanwhile, and somebody read, before it was taken out once more."""
    contact = somebody(imported)
    seen: list[str] = []
    agreement = make_agreement(contact.company, imported, cycle={"unknown": "?"})
    api = api_of(alex)
    address = f"{V1}/companies/{contact.company_id}/mrr/"

    def meanwhile(execute: Any, sql: str, *rest: Any) -> Any:
        """Once the contact is gone and nothing was looked through again yet."""
        is_gone = not seen and "text_searched" in sql and not people.exists()
        if is_gone:
            seen.append("")
            rows.update(cycle={"unknown": "for Zoë Quertz-Canary"})
            seen.append(text(api.get(address)))
        return execute(sql, *rest)

    people = Contact.objects.filter(pk=contact.pk)
    rows = Agreement.objects.filter(pk=agreement.pk)
    with connection.execute_wrapper(meanwhile):
        erase_contact(contact=contact, actor=alex)

    assert "Quertz-Canary" in seen[1]
    assert "Quertz" not in text(api.get(address))
    assert "for [erased]" in text(api.get(address))


def test_no_sync_brings_it_back(imported: Integration, alex: User) -> None:
    """Neither a full one, nor one of changes, nor a re-sync; and each counts what it left out."""
    contact = somebody(imported)
    external_id, company = contact.external_id, contact.company
    record = PsaCompanyRecord.objects.get(primary_contact_id=external_id)
    erase_contact(contact=contact, actor=alex)

    runs = [synced(imported, trigger) for trigger in ("manual", "schedule")]
    run, _ = start_company_sync(company=company, actor=alex)
    work_off()
    run.refresh_from_db()

    assert [one.state for one in (*runs, run)] == ["succeeded"] * 3
    assert [one.reading for one in runs] == ["full", "changes"]
    assert not Contact.objects.filter(external_id=external_id, company=company).exists()
    assert not PsaContactRecord.objects.filter(external_id=external_id).exists()
    assert runs[0].counts["contacts"]["forgotten"] == 1
    assert run.counts["contacts"]["forgotten"] == 1
    record.refresh_from_db()
    assert external_id not in (record.primary_contact_id, record.default_contact_id)
    assert not SyncEvent.objects.filter(kind="contact", external_id=external_id).exists()
    assert traces() == []


def test_its_company_goes_on_with_the_others(imported: Integration, alex: User) -> None:
    contact = somebody(imported)
    company, before = contact.company, contact.company.contacts.current().count()
    assert before > 1
    number = PsaCompanyRecord.objects.get(primary_contact_id=contact.external_id).contact_count

    erase_contact(contact=contact, actor=alex)

    company = Company.objects.get(pk=company.pk)
    link = CompanyLink.objects.get(company=company)
    record = PsaCompanyRecord.objects.get(external_id=link.external_id)
    assert company.contacts.current().count() == before - 1
    assert company.primary is not None
    assert company.primary.external_id == record.primary_contact_id
    assert record.contact_count == number - 1


def test_what_is_remembered_names_nobody(imported: Integration, alex: User) -> None:
    contact = somebody(imported)
    for _ in range(2):
        second = Contact.objects.exclude(pk=contact.pk).filter(company=contact.company).first()
        erase_contact(contact=contact, actor=alex)
        contact = second or contact

    one, two = ForgottenContact.objects.all()
    assert one.salt == two.salt
    assert one.mark != two.mark
    assert len(one.mark) == 64


def test_a_contact_that_was_typed_here_goes_too(tenant: Tenant, alex: User) -> None:
    company = create_company(
        tenant=tenant,
        actor=alex,
        name="Typed",
        primary_contact={"last_name": "Quertz", "email": "zoe.canary@client.example"},
    )
    contact = company.contacts.select_related("tenant", "company").get()

    erase_contact(contact=contact, actor=alex)

    assert traces() == []
    assert company.contacts.count() == 0
    assert page_text(browser(alex).get(f"/companies/{company.pk}/"))


def test_another_person_with_the_same_id_in_another_psa_stays(
    imported: Integration, alex: User, tenant: Tenant
) -> None:
    contact = somebody(imported)
    PsaContactRecord.objects.filter(external_id=contact.external_id).update(
        first_name="Else", last_name="Body", email="else@client.example", phone=""
    )

    erase_contact(contact=contact, actor=alex)

    assert PsaContactRecord.objects.filter(email="else@client.example").exists()
    assert not ForgottenContact.objects.exists()


def test_another_tenants_same_contact_stays(
    tenant: Tenant, other_tenant: Tenant, alex: User
) -> None:
    mine, theirs = (make_company(owner) for owner in (tenant, other_tenant))

    erase_contact(contact=mine.contacts.select_related("tenant", "company").get(), actor=alex)

    assert theirs.contacts.get().email == "ada@example.com"


def test_a_sync_under_way_leaves_it_out_from_then_on(imported: Integration, alex: User) -> None:
    contact = somebody(imported)

    def erase_meanwhile(moment: str, subject: str) -> None:
        if (moment, subject) == (
            "page stored",
            "companies",
        ) and not ForgottenContact.objects.exists():
            erase_contact(contact=contact, actor=alex)

    run = synced(imported, "manual", on_moment=erase_meanwhile)

    assert (run.state, run.counts["contacts"]["forgotten"]) == ("succeeded", 1)
    assert not Contact.objects.filter(pk=contact.pk).exists()
    assert traces() == []


def test_an_admin_erases_by_page_and_nobody_else(
    imported: Integration, alex: User, mia: User, otto: User
) -> None:
    contact = somebody(imported)
    company = contact.company
    address = f"/companies/{company.pk}/contacts/{contact.pk}/erase/"
    detail = page_text(browser(alex).get(f"/companies/{company.pk}/contacts/"))

    refused = [browser(user).post(address).status_code for user in (mia, otto)]
    asked = page_text(browser(alex).get(address))
    kept = Contact.objects.filter(pk=contact.pk).exists()
    done = browser(alex).post(address, follow=True)

    assert address in detail
    assert address not in page_text(browser(mia).get(f"/companies/{company.pk}/contacts/"))
    assert refused == [403, 404]
    assert "Erase Zoë Quertz-Canary?" in asked
    assert "In ConnectWise Manage nothing changes." in asked
    assert "The next one in ConnectWise Manage that can be reached takes its place;" in asked
    assert kept
    assert "Erased, everywhere." in page_text(done)
    assert not Contact.objects.filter(pk=contact.pk).exists()
    assert browser(alex).post(address).status_code == 404


def test_a_company_of_ones_own_is_left_without_a_primary_contact(
    tenant: Tenant, alex: User
) -> None:
    contact = Contact.objects.get(company=make_company(tenant, name="Acme"))
    address = f"/companies/{contact.company_id}/contacts/{contact.pk}/erase/"

    asked = page_text(browser(alex).get(address))

    assert "primary contact of Acme, which then has none until you name another one." in asked


def erase_by_command(*arguments: str) -> str:
    out = io.StringIO()
    call_command("erase_contact", *arguments, stdout=out)
    return out.getvalue()


def test_the_command_erases_by_address_in_import_lists_too(
    imported: Integration, tenant: Tenant
) -> None:
    contact = somebody(imported)
    unlinked = PsaContactRecord.objects.exclude(
        company_external_id__in=CompanyLink.objects.values("external_id")
    )[0]
    PsaContactRecord.objects.filter(pk=unlinked.pk).update(email=contact.email.upper())

    said = erase_by_command("--tenant", str(tenant.pk), "--email", "Zoe.Canary@client.example")

    assert said.startswith("2 contacts erased, in ")
    assert traces() == []
    assert ForgottenContact.objects.count() == 2
    with pytest.raises(CommandError, match="No contact of this tenant"):
        erase_by_command("--tenant", str(tenant.pk), "--email", "zoe.canary@client.example")


@pytest.mark.parametrize("tenant_id", ["nonsense", "00000000-0000-7000-8000-000000000000"])
def test_the_command_knows_no_other_tenant(db: None, tenant_id: str) -> None:
    with pytest.raises(CommandError, match="There is no tenant with this id"):
        erase_by_command("--tenant", tenant_id, "--email", "a@b.example")
