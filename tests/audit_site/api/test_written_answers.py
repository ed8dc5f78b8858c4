"""Answers that are written from structs: as their serializers describe them, at a fixed cost."""

from __future__ import annotations

import json
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from django.utils.functional import lazystr
from rest_framework.renderers import JSONRenderer
from rest_framework.test import APIClient

from agreements import stored_mrr
from agreements.api.serializers.figures import TenantMrrSerializer, tenant_body
from agreements.figures import tenant_figure
from audit_site.api.abilities import allowed
from audit_site.api.conditional import KeptAnswers
from audit_site.api.renderers import ENCODER, Renderer
from audit_site.tenants.models import ApiToken, Membership, Role, Tenant, User
from audit_site.tenants.tokens import ROLE_SCOPES
from companies.api.serializers import CompanySerializer, company_bodies
from companies.models import Company, Contact
from companies.primary import choose_primary
from integrations.api.serializers.import_list import (
    ROW_ABILITIES,
    PsaCompanySerializer,
    psa_company_body,
)
from integrations.api.serializers.runs import SyncRunSerializer, run_bodies
from integrations.importing.import_rows import import_rows
from integrations.importing.linking import link_of
from integrations.importing.selectors import companies_with_links, list_psa_companies
from integrations.importing.suggested import suggestions_for
from integrations.models import Integration, SyncRun, SyncRunPage
from integrations.runs.speed import measure
from tests.clients import V1
from tests.factories import (
    make_agreement,
    make_api,
    make_company,
    make_integration,
    make_link,
    make_member,
    make_psa_company,
    make_psa_contact,
    make_run,
)
from tests.queries import queries


def as_seen_by(tenant: Tenant, role: str) -> Any:
    """A request of somebody in this role."""
    user = make_member(tenant, role)
    membership = Membership.objects.select_related("tenant").get(user=user)
    scopes = frozenset(ROLE_SCOPES[role])
    return SimpleNamespace(membership=membership, user=user, scopes=scopes)


def written(body: Any) -> Any:
    """What a client reads, with the order of all names."""
    return json.loads(ENCODER.encode(body), object_pairs_hook=list)


def described(data: Any) -> Any:
    """The same as DRF writes it."""
    return json.loads(JSONRenderer().render(data), object_pairs_hook=list)


@pytest.fixture
def companies(tenant: Tenant, alex: User) -> list[Company]:
    """Of all kinds: typed, linked, resting, flagged, chosen, archived, without anybody."""
    made = []
    states = ("connected", "disconnected", "connected", "connected", None, None)
    for number, state in enumerate(states):
        company = make_company(tenant, name=f"É {number}", type=("client", "prospect")[number % 2])
        made.append(company)
        if state is None:
            continue
        account = make_integration(
            tenant, status=state, psa=("connectwise", "autotask")[number % 2]
        )
        record = make_psa_company(account, default_contact_id="K" if number == 2 else "")
        Contact.objects.filter(company=company).update(external_id="K")
        make_psa_contact(account, "K", record.external_id, is_default=number == 3)
        make_link(
            company, account, external_id=record.external_id, before={} if number else None,
            linked_by=alex if number == 2 else None, last_synced_at=timezone.now(),
            problem_codes=["inactive", "no_contact"] if number == 3 else [],
        )  # fmt: skip
        make_agreement(company, account, amount="12.345", currency="KWD" if number else "USD")
    paused = link_of(made[2])
    assert paused is not None
    Integration.objects.filter(pk=paused.integration_id).update(on_pause_since=timezone.now())
    Contact.objects.filter(company=made[4]).delete()
    chosen = Contact.objects.create(tenant=tenant, company=made[5], first_name="Bo", phone="1")
    choose_primary(company=made[5], contact=chosen, actor=alex)
    Company.objects.filter(pk=made[0].pk).update(status="archived")
    stored_mrr.verify([tenant.pk], mend=True)
    return made


@pytest.mark.parametrize("role", [Role.ADMIN, Role.VIEWER])
def test_companies_are_written_as_described(companies: list[Company], role: str) -> None:
    request = as_seen_by(companies[0].tenant, role)
    ids = [company.pk for company in reversed(companies)]

    bodies = company_bodies(request, ids)

    assert [body.id for body in bodies] == ids
    assert written(bodies) == described(CompanySerializer(bodies, many=True).data)
    assert {verb for body in bodies for verb in body.can} == (
        {"edit", "delete", "link", "unlink", "undo_link", "sync"} if role == Role.ADMIN else set()
    )


def test_companies_are_written_as_pages_know_them(companies: list[Company]) -> None:
    """One statement finds what pages read with several."""
    tenant = companies[0].tenant
    rows = {row.pk: row for row in companies_with_links(tenant)}

    bodies = company_bodies(as_seen_by(tenant, Role.ADMIN), [row.pk for row in companies])

    for body in bodies:
        row, link = rows[body.id], link_of(rows[body.id])
        contact = body.primary_contact
        assert (contact.id if contact else None) == (str(row.primary.pk) if row.primary else None)
        assert (body.link.id if body.link else None) == (str(link.pk) if link else None)
        if link and body.link:
            reads = link.is_active and not link.integration.is_paused
            assert (body.link.active, "sync" in body.can) == (link.is_active, reads)
            assert [reason["code"] for reason in body.problems] == link.problem_codes
    assert [body.primary_contact_why.code if body.primary_contact_why else "" for body in bodies] == [
        "first_reachable", "first_reachable", "psa_default", "psa_default", "", "chosen",
    ]  # fmt: skip
    assert ["undo_link" in body.can for body in bodies] == [False, *[True] * 3, False, False]
    assert [money for body in bodies for money in body.mrr] == [
        {"currency": "USD", "amount": "12.35"}, *[{"currency": "KWD", "amount": "12.345"}] * 3,
    ]  # fmt: skip


def test_another_tenants_companies_are_not_there(
    companies: list[Company], other_tenant: Tenant
) -> None:
    request = as_seen_by(other_tenant, Role.ADMIN)

    assert company_bodies(request, [company.pk for company in companies]) == []


def test_runs_are_written_as_described(tenant: Tenant, integration: Integration) -> None:
    now = timezone.now()
    running = make_run(integration, progress_done=5, progress_total=9)
    SyncRun.objects.create(
        tenant=tenant, integration=integration, state="failed", error_code="timeout",
        error_message="No answer.", error_fix="Try again.", finished_at=now, resume_at=now,
    )  # fmt: skip
    for seconds in (60, 40, 10):
        with_page(running, seconds)
    runs = list(SyncRun.objects.order_by("id"))
    request = as_seen_by(tenant, Role.MEMBER)
    context = {"request": request, "speeds": measure(runs)}

    bodies = run_bodies(request, runs)

    assert written(bodies) == described(SyncRunSerializer(runs, many=True, context=context).data)
    assert bodies[0].can == ["cancel"]
    assert bodies[0].rate is not None


def with_page(run: SyncRun, seconds_ago: int) -> None:
    """As if it had stored ten records so long ago: the moment is in the id."""
    from uuid import UUID  # noqa: PLC0415

    at = timezone.now() - timedelta(seconds=seconds_ago)
    SyncRun.objects.filter(pk=run.pk).update(dispatched_at=timezone.now() - timedelta(minutes=2))
    page_id = UUID(int=int(at.timestamp() * 1000) << 80)
    ids = [str(number) for number in range(10)]
    SyncRunPage.objects.create(
        id=page_id, tenant=run.tenant, run=run, kind=run.phase, external_ids=ids
    )


def test_rows_of_the_import_list_are_written_as_described(
    tenant: Tenant, integration: Integration
) -> None:
    now = timezone.now()
    linked = make_psa_company(integration)
    make_link(make_company(tenant), integration, external_id=linked.external_id)
    make_psa_company(integration, ignored_at=now, ignored_by_name="Mia")
    make_psa_company(integration, importable=False, rule_codes=["inactive", "no_contact"])
    make_psa_company(integration, first_seen_at=now)
    records = list(list_psa_companies(integration))
    can = allowed(ROW_ABILITIES, as_seen_by(tenant, Role.MEMBER))
    suggested = suggestions_for(records)

    bodies = [
        psa_company_body(row, suggested.get(row.record.pk), can(row))
        for row in import_rows(records, now - timedelta(hours=1))
    ]

    assert written(bodies) == described(PsaCompanySerializer(bodies, many=True).data)
    assert [(body.importable, body.linked_company is None, body.new) for body in bodies] == [
        (False, False, True), (False, True, False), (False, True, True), (True, True, True),
    ]  # fmt: skip


def test_the_figure_of_all_is_written_as_described(companies: list[Company]) -> None:
    figure = tenant_figure(companies[0].tenant)

    body = tenant_body(figure)

    assert written(body) == described(TenantMrrSerializer(figure).data)


def test_what_each_call_costs(tenant: Tenant, companies: list[Company]) -> None:
    """The token, and then: a place in the list, the rows, their MRR; and so on. Where an answer may
    be kept, also what changes it: marks, and the end of a pause.
    """
    api = make_api(tenant)
    run = make_run(Integration.objects.all()[0])
    psa_list = f"{V1}/integrations/{run.integration_id}/psa-companies/"
    may_keep = 2 if connection.vendor == "postgresql" else 0
    costs = {
        f"{V1}/companies/?page_size=100": 4 + may_keep,
        f"{V1}/companies/{companies[0].pk}/": 3,
        f"{V1}/mrr/": 2,
        f"{V1}/companies/{companies[0].pk}/mrr/": 2,
        f"{V1}/sync-runs/{run.pk}/": 3,
        psa_list: 5 + may_keep,
    }
    for path in (f"{V1}/mrr/", f"{V1}/companies/{companies[0].pk}/mrr/"):
        assert api.get(path).status_code == 200

    assert {path: queries(lambda path=path: api.get(path)) for path in costs} == costs


def test_a_revoked_token_ends_with_the_next_request(tenant: Tenant) -> None:
    """Also where the answer is one that was kept."""
    api = make_api(tenant)
    assert api.get(f"{V1}/mrr/").status_code == 200
    assert api.get(f"{V1}/mrr/").status_code == 200

    ApiToken.objects.update(revoked_at=timezone.now())

    assert api.get(f"{V1}/mrr/").status_code == 401


def test_answers_are_kept_by_address_and_version_up_to_so_many_bytes() -> None:
    kept, built = KeptAnswers(10), []

    def ask(address: str, version: str, content: bytes) -> bytes:
        def build() -> bytes:
            built.append(address)
            return content

        return kept.get(address, version, build).content

    assert ask("/a", "1", b"aaaa") == b"aaaa"
    assert ask("/a", "1", b"----") == b"aaaa"
    assert ask("/a", "2", b"AAAA") == b"AAAA"
    assert ask("/b", "1", b"bbbb") == b"bbbb"
    assert ask("/a", "2", b"----") == b"AAAA"
    assert ask("/c", "1", b"cccc") == b"cccc"
    assert built == ["/a", "/a", "/b", "/c"]
    assert ask("/a", "2", b"----") == b"AAAA"
    assert ask("/b", "1", b"new.") == b"new."


def test_what_msgspec_does_not_know_is_written_as_drf_does() -> None:
    class Word(str):
        __slots__ = ()

    data = {"a": Word("x"), "b": [lazystr("späť")], "c": None}

    assert Renderer().render(data) == JSONRenderer().render(data)
    assert Renderer().render(data, "application/json; indent=2") == JSONRenderer().render(
        data, "application/json; indent=2"
    )
    assert Renderer().render(None) == b""


def test_an_unchanged_figure_is_not_worked_out_again(
    api: APIClient, companies: list[Company]
) -> None:
    path = f"{V1}/companies/{companies[2].pk}/mrr/"
    first = api.get(path)
    agreement = companies[2].agreements.get()

    again = api.get(path)
    api.patch(f"{V1}/agreements/{agreement.pk}/choices/", {"exclude": True, "note": "No."})
    changed = api.get(path)

    assert again.content == first.content
    assert changed["ETag"] != first["ETag"]
    assert (first.json()["totals"] != [], changed.json()["totals"]) == (True, [])
