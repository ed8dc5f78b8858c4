"""A tenant is erased with everything of theirs, and that is proved."""

from __future__ import annotations

import io

import pytest
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection

from agreements.decisions import choose
from agreements.figures import company_figure, tenant_figure
from agreements.looks import note_look
from agreements.models import Agreement
from audit_site import limits
from audit_site.api.models import IdempotentRequest
from audit_site.errors import DomainError
from audit_site.ids import new_id
from audit_site.privacy import tenant_erasure
from audit_site.privacy.models import Erasure
from audit_site.privacy.owned import owned_models
from audit_site.privacy.tenant_erasure import (
    NotErased,
    begin_erasure,
    carry_out,
    erasure_of,
    mark_of,
    traces_of,
)
from audit_site.tenants.invitations import accept_as_new
from audit_site.tenants.members import remove_member
from audit_site.tenants.models import (
    AuditEvent,
    BrowserSession,
    Invitation,
    Membership,
    SharedCacheEntry,
    Tenant,
    TenantOwned,
    User,
)
from audit_site.tenants.tokens import create_api_token
from companies.models import Contact
from companies.primary import choose_primary
from companies.services import archive_company, update_company
from integrations.importing.proposing import propose
from integrations.importing.selection import choose_all
from integrations.importing.table import Filters
from integrations.matching.batches import keep_batch
from integrations.models import Integration, PsaCompanyRecord, SyncRun
from integrations.runs.starting import start_sync_run
from integrations.sandbox.server import SandboxServer
from integrations.words.saying import say_word
from tests.audit_site.privacy.test_contact_erasure import stored
from tests.clients import browser
from tests.conftest import connect
from tests.factories import (
    make_company,
    make_invitation,
    make_issue,
    make_member,
    make_preview,
    make_typed,
    make_user,
)
from tests.integrations.matching.suggestions import matched, pair
from tests.syncing import import_all

pytestmark = [pytest.mark.once, pytest.mark.django_db(transaction=True)]


def erase(tenant_id: object, name: str) -> tuple[str, int]:
    out = io.StringIO()
    try:
        call_command("erase_tenant", str(tenant_id), "--confirm", name, "--by", "Op", stdout=out)
    except SystemExit as end:
        return out.getvalue(), int(str(end.code))
    return out.getvalue(), 0


@pytest.fixture
def full(tenant: Tenant, sandbox: SandboxServer, alex: User) -> Tenant:
    """A tenant with rows of all kinds."""
    integration = connect(tenant, sandbox, "connectwise")
    waiting = PsaCompanyRecord.objects.filter(importable=True)
    choose_all(tenant=tenant, user=alex, filters=Filters())
    propose(tenant=tenant, rows=waiting, actor=alex)
    import_all(integration)
    tenant_figure(tenant)
    agreement = Agreement.objects.select_related("company__tenant")[0]
    choose(agreement=agreement, actor=alex, changes={"exclude": True}, note="Pilot")
    make_typed(agreement.company, actor=alex)
    contact = Contact.objects.filter(company=agreement.company, is_primary=True).get()
    choose_primary(company=agreement.company, contact=contact, actor=alex)
    note_look(agreement.company, alex, company_figure(agreement.company))
    make_preview(agreement.company, integration)
    update_company(company=agreement.company, actor=alex, name="Otherwise")
    archive_company(company=agreement.company, actor=alex)
    say_word(integration=integration, actor=alex, kind="cycle", word="Odd", meaning="annual")
    make_issue(integration)
    pair(integration, "Amber Vet")
    matched(tenant)
    keep_batch(tenant, [], [], alex)
    make_invitation(tenant)
    create_api_token(tenant=tenant, user=alex, scopes=["read"])
    limits.spend(tenant, limits.TESTS)
    IdempotentRequest.objects.create(tenant=tenant, user=alex, key="k", request_hash="")
    TOTP.activate(alex, "JBSWY3DPEHPK3PXP")
    SharedCacheEntry.objects.create(
        cache_key=f"used?user={alex.pk}", value="y", expires="2030-01-01T00:00Z"
    )
    browser(alex).get("/companies/")
    start_sync_run(integration=integration)
    return tenant


@pytest.fixture
def other(other_tenant: Tenant, otto: User, sandbox: SandboxServer) -> Tenant:
    import_all(connect(other_tenant, sandbox, "connectwise"))
    browser(otto).get("/companies/")
    return other_tenant


def rows_of(tenant: Tenant) -> dict[str, int]:
    return {
        model._meta.db_table: model._base_manager.filter(tenant=tenant.pk).count()
        for model in owned_models()
    }


def test_nothing_is_left_and_nobody_else_loses_a_row(
    full: Tenant, other: Tenant, alex: User, otto: User
) -> None:
    before, secrets = rows_of(other), (str(full.pk), str(alex.pk), alex.email)

    said, code = erase(full.pk, full.name)

    assert (code, said.splitlines()[-1][:21]) == (0, "Erased and proved on ")
    text = stored()
    forms = {form for word in secrets for form in (word, word.replace("-", ""))}
    assert [form for form in forms if form in text] == []
    assert rows_of(other) == before
    assert set(rows_of(full).values()) == {0}
    assert list(User.objects.all()) == [otto]
    assert [session.user for session in BrowserSession.objects.all()] == [otto]


def test_what_is_kept_says_when_by_whom_and_how_much_and_not_of_whom(full: Tenant) -> None:
    expected = {table: number for table, number in rows_of(full).items() if number}
    expected.pop("tenants_changemark", None)  # tells nothing
    tenant_id = str(full.pk)

    erase(tenant_id, full.name)

    kept = Erasure.objects.get()
    more = [kept.counts.pop(f"tenants_{name}") for name in ("user", "auditevent", "auditlink")]
    events = expected.pop("tenants_auditevent")
    assert events == expected.pop("tenants_auditlink")
    assert more == [1, events + 2, events + 2]  # it disconnected, and cancelled a run
    assert kept.counts == expected
    assert (kept.by, kept.pending, kept.ended_at is not None) == ("Op", {}, True)
    assert kept.mark == mark_of(kept.salt, tenant_id)
    assert len(kept.seal) == 64
    assert tenant_id not in str(Erasure.objects.values().get())
    assert erase(tenant_id, "whatever")[0].startswith("Erased and proved on ")


def test_it_goes_on_where_it_was_killed(
    full: Tenant, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(Exception):
        pass

    def dying(erasure: Erasure, table: str, number: int) -> None:
        counted(erasure, table, number)
        if table == "agreements_agreementline":
            raise Killed

    counted = tenant_erasure._count
    monkeypatch.setattr(tenant_erasure, "_count", dying)
    tenant_id = str(full.pk)
    with pytest.raises(Killed):
        erase(tenant_id, full.name)
    left = sum(rows_of(full).values())
    monkeypatch.setattr(tenant_erasure, "_count", counted)

    said, code = erase(tenant_id, full.name)

    assert left > 0
    assert not Membership.objects.filter(tenant=tenant_id).exists()
    assert (code, said.splitlines()[0]) == (0, "Going on with an erasure that was stopped.")
    assert not User.objects.filter(pk=alex.pk).exists()
    assert not Tenant.objects.exists()


def test_a_person_who_is_in_another_tenant_stays(
    full: Tenant, other_tenant: Tenant, alex: User
) -> None:
    Membership.objects.create(tenant=other_tenant, user=alex, role="member")

    _, code = erase(full.pk, full.name)

    assert code == 0
    assert User.objects.get() == alex
    assert Membership.objects.get().tenant == other_tenant


def test_rows_of_others_that_know_the_same_people_are_told_of_and_hold_nothing_up(
    tenant: Tenant, other_tenant: Tenant, alex: User, otto: User
) -> None:
    Membership.objects.create(tenant=other_tenant, user=alex, role="viewer")
    remove_member(tenant=other_tenant, actor=otto, user=alex)
    make_company(other_tenant)
    Contact.objects.update(email="Alex@example.com")
    User.objects.filter(pk=otto.pk).update(email="otto.alex@example.com")
    EmailAddress.objects.create(user=otto, email=alex.email)  # he only says that it is his

    said, code = erase(tenant.pk, tenant.name)

    assert (code, said.splitlines()[-2]) == (
        0,
        "Somebody of its people also stands in rows of others: account_emailaddress.email, "
        "tenants_auditevent.object_id, companies_contact.email.",
    )
    assert User.objects.get() == otto
    assert AuditEvent.objects.get().action == "member.removed"


@pytest.mark.parametrize(
    ("text", "stands"),
    [
        ("ann@x.example", True),
        ("To: Ann <Ann@X.example>, told.", True),
        ("It's 'ann@x.example'.", True),
        ('{"email": "ann@x.example"}', True),
        ("joann@x.example", False),
        ("o'ann@x.example", False),
        ("jo.ann@x.example", False),
        ("jo-ann@x.example", False),
        ("ann@x.example.org", False),
        ("ann@xyexample", False),
    ],
)
def test_an_address_is_looked_for_as_a_whole(db: None, text: str, stands: bool) -> None:
    SharedCacheEntry.objects.create(cache_key="k", value=text, expires="2030-01-01T00:00Z")
    pending = {"tenant": str(new_id()), "people": [], "emails": ["ann@x.example"]}

    traces = traces_of(Erasure(pending=pending))

    assert traces.left == ["shared_cache.value"] * stands
    assert traces.of_others == []


def test_people_whom_no_other_tenant_has_go_and_others_stay(
    tenant: Tenant, other_tenant: Tenant, alex: User, mia: User, otto: User
) -> None:
    never_came = make_user(email="never@example.com", is_proved=False)
    never_came.set_unusable_password()
    never_came.save()
    make_invitation(tenant, email=never_came.email)
    remove_member(tenant=tenant, actor=alex, user=mia)
    elsewhere = make_member(other_tenant, email="both@example.com")
    Membership.objects.create(tenant=tenant, user=elsewhere, role="member")
    remove_member(tenant=tenant, actor=alex, user=elsewhere)
    asked_elsewhere = make_user(email="asked@example.com")
    for asking in (tenant, other_tenant):
        make_invitation(asking, email=asked_elsewhere.email)
    unknown_here = make_user(email="unknown@example.com")

    said, code = erase(tenant.pk, tenant.name)

    assert code == 0
    assert "3 people erased." in said.splitlines()
    assert {*User.objects.all()} == {otto, elsewhere, asked_elsewhere, unknown_here}
    assert Invitation.objects.get().tenant == other_tenant


def test_nobody_gets_in_any_more_and_who_still_did_goes_too(
    tenant: Tenant, alex: User, mia: User
) -> None:
    asked = make_invitation(tenant, email="new@example.com")
    erasure = begin_erasure(tenant, "Op")

    with pytest.raises(DomainError) as refused:
        accept_as_new(invitation=asked, name="New", password="a-long-enough-phrase-31")
    late = make_member(tenant, email="late@example.com")
    carry_out(erasure)

    assert refused.value.code == "invitation_withdrawn"
    assert not User.objects.filter(pk__in=[alex.pk, mia.pk, late.pk]).exists()
    assert erasure.counts["tenants_user"] == 3
    assert erasure.pending == {}


def test_what_still_stands_somewhere_is_named_and_the_erasure_stays_open(
    full: Tenant, other: Tenant
) -> None:
    tenant_id = str(full.pk)
    Integration.objects.filter(tenant=other).update(memory={"odd": tenant_id})

    said, code = erase(tenant_id, full.name)

    assert (code, said.splitlines()[-1]) == (
        1,
        "Still there: integrations_integration.memory. Run this again.",
    )
    erasure = erasure_of(tenant_id)
    assert erasure is not None
    assert erasure.ended_at is None
    with pytest.raises(NotErased):
        carry_out(erasure)
    Integration.objects.update(memory={})
    assert erase(tenant_id, "")[1] == 0


@pytest.mark.parametrize(
    ("given", "said"),
    [("Another", "--confirm must be its name"), ("", "--confirm must be its name")],
)
def test_its_name_must_be_said(full: Tenant, given: str, said: str) -> None:
    before = rows_of(full)

    with pytest.raises(CommandError, match=said):
        erase(full.pk, given)

    assert rows_of(full) == before
    assert not Erasure.objects.exists()


def test_no_other_id_is_taken(db: None) -> None:
    with pytest.raises(CommandError, match="There is no tenant with this id"):
        erase("nonsense", "x")


def test_every_table_with_a_tenant_is_one_that_is_emptied_children_first() -> None:
    """Asked of the database itself: a table with the column that no model of ours tells of fails."""
    order = owned_models()

    assert {m for m in apps.get_models() if hasattr(m, "tenant_id")} == set(order)
    assert all(issubclass(model, TenantOwned) for model in order)
    for model in order:
        for field in model._meta.concrete_fields:
            if field.related_model in order and field.related_model is not model:
                assert order.index(model) < order.index(field.related_model)


def test_every_table_with_the_column_has_a_model(db: None) -> None:
    tables = {model._meta.db_table for model in owned_models()}
    with connection.cursor() as cursor:
        names = connection.introspection.table_names(cursor)
        with_tenant = {
            name
            for name in names
            if "tenant_id"
            in {c.name for c in connection.introspection.get_table_description(cursor, name)}
        }

    assert with_tenant == tables


def test_the_fixture_has_rows_of_nearly_all_tables(full: Tenant) -> None:
    """So that a new table, which no test has rows of, is seen."""
    empty = {table for table, number in rows_of(full).items() if not number}
    assert empty <= {
        "agreements_figurereport",
        "agreements_linechoices",
        "integrations_forgottencontact",
        "integrations_importlistvisit",
        "integrations_syncrunpage",
        "tenants_changemark",  # left by PostgreSQL alone
    }
    assert SyncRun.objects.filter(state="queued").exists()
