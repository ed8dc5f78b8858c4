"""Filters of the import list, and the index that answers them."""

from __future__ import annotations

from hashlib import sha256
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.utils import timezone

from audit_site.tenants.models import Tenant
from integrations.importing.selectors import list_psa_companies
from integrations.importing.table import Filters, Tab, condition, rows_of
from integrations.models import Integration, PsaCompanyRecord
from tests.factories import make_company, make_integration, make_link, make_psa_company
from tests.integrations.importing.import_lists import EARLY, add


def test_every_filter_finds_exactly_its_own(
    tenant: Tenant, integration: Integration, other_tenant: Tenant
) -> None:
    add(integration, "Zoë Ärzte", external_id="4711")
    add(integration, "Hidden", importable=False, status="Not Approved")
    linked = make_psa_company(integration, name="Linked")
    unlinked = make_psa_company(integration, name="Unlinked", gone_at=EARLY)
    make_link(make_company(tenant), integration, external_id=linked.external_id)
    make_link(
        make_company(tenant), integration, external_id=unlinked.external_id, unlinked_at=EARLY
    )
    add(make_integration(tenant), "Of another account")
    add(make_integration(other_tenant), "Zoë of another tenant", external_id="4711")

    def found(**wanted: Any) -> list[str]:
        return [row.name for row in list_psa_companies(integration, **wanted)]

    assert found() == ["Hidden", "Linked", "Unlinked", "Zoë Ärzte"]
    assert found(search=" OË arz ") == ["Zoë Ärzte"]
    assert found(search="ZOE A") == ["Zoë Ärzte"]
    assert found(search="711") == ["Zoë Ärzte"]
    assert found(search="%") == []
    assert found(search="\0") == ["Hidden", "Linked", "Unlinked", "Zoë Ärzte"]
    assert found(importable=True) == ["Unlinked", "Zoë Ärzte"]
    assert found(importable=False) == ["Hidden", "Linked"]
    assert found(linked=True) == ["Linked"]
    assert found(linked=False) == ["Hidden", "Unlinked", "Zoë Ärzte"]
    assert found(status="not approved") == ["Hidden"]
    assert found(status="Active", importable=False) == ["Linked"]


@pytest.fixture
def postgres(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("SQLite has no trigram index")


def index() -> str:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'psa_companies_search'"
            " AND schemaname = current_schema()"
        )
        found = cursor.fetchone()
    return found[0].rpartition(" USING ")[2] if found else ""


def test_the_planner_answers_search_filters_and_pages_from_an_index(
    postgres: None, integration: Integration, other_tenant: Tenant
) -> None:
    for owner in (integration, make_integration(other_tenant)):
        PsaCompanyRecord.objects.bulk_create(
            PsaCompanyRecord(
                tenant_id=owner.tenant_id, integration=owner, external_id=str(number),
                name="Firm", search_text=sha256(b"%d" % number).hexdigest(), status="Active", importable=number % 7 > 0,
                fingerprint="", seen_at=EARLY, first_seen_at=EARLY,
            )
            for number in range(4000)
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('psa_companies_search')")
        cursor.execute("ANALYZE integrations_psacompanyrecord")

    def plan(**wanted: Any) -> str:
        return list_psa_companies(integration, **wanted)[:51].explain()

    def behind(start: str) -> str:
        rows = list_psa_companies(integration).filter(search_text__gte=start)
        return rows[:51].explain()

    assert index() == "gin (integration_id, search_text gin_trgm_ops)"
    assert "Bitmap Index Scan on psa_companies_search" in plan(
        search=sha256(b"2777").hexdigest()[8:20]
    )
    assert "Index Scan using psa_companies_by_name" in plan()
    assert "Index Scan using psa_companies_by_name" in behind("c")
    assert "Index Scan using psa_companies_importable" in plan(importable=True)
    assert "Index Scan using psa_companies_by_status" in plan(status="gone")
    assert "psa_companies_by_age" in plan(new=True, since=timezone.now())


def test_the_planner_answers_each_view_over_all_connections_from_an_index(
    postgres: None, integration: Integration, other_tenant: Tenant
) -> None:
    tenant = integration.tenant
    lists = [integration, make_integration(tenant)]
    for owner in (*lists, make_integration(other_tenant)):
        PsaCompanyRecord.objects.bulk_create(
            PsaCompanyRecord(
                tenant_id=owner.tenant_id, integration=owner, external_id=str(number),
                name="Firm", search_text=sha256(b"%d" % number).hexdigest(), status="Active",
                type="Client", importable=number % 3 > 0,
                rule_codes=[] if number % 3 else ["inactive", "no_contact"][: 1 + number % 2],
                ignored_at=EARLY if number % 100 == 1 else None,
                fingerprint="", seen_at=EARLY, first_seen_at=EARLY,
            )
            for number in range(4000)
        )  # fmt: skip
    with connection.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('psa_companies_search')")
        cursor.execute("ANALYZE integrations_psacompanyrecord")

    def plan(tab: Tab, **wanted: Any) -> str:
        rows = rows_of(tenant, lists).filter(condition(Filters(tab, **wanted)))
        found: str = rows.order_by("search_text", "id")[:51].explain()
        assert "Seq Scan on integrations_psacompanyrecord" not in found, found
        return found

    assert "psa_companies_of_all " in plan(Tab.ALL)
    assert "psa_companies_of_all_ready" in plan(Tab.ADD)
    assert "psa_companies_of_all_ready" in plan(Tab.HIDDEN)
    assert "psa_companies_ignored" in plan(Tab.IGNORED)
    assert "one_psa_company_per_external_id" in plan(Tab.LINKED)
    assert "psa_companies_search" in plan(Tab.ALL, search=sha256(b"2777").hexdigest()[8:20])
    assert "psa_companies_by_status" in plan(Tab.ALL, status="gone")
    assert "psa_companies_by_type" in plan(Tab.ALL, type="nobody")
    assert "psa_companies_by_reason" in plan(Tab.HIDDEN, reason="merged")
    now = {one.pk: timezone.now() for one in lists}
    assert "psa_companies_by_age" in plan(Tab.ALL, new=True, since=now)


def test_a_role_that_may_not_create_extensions_searches_without_the_index(
    postgres: None, integration: Integration
) -> None:
    migration = import_module("integrations.migrations.0003_import_list_search")
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("DROP EXTENSION pg_trgm CASCADE")
        cursor.execute("CREATE ROLE audit_list_test")
        cursor.execute("GRANT ALL ON SCHEMA public TO audit_list_test")
        cursor.execute("ALTER TABLE integrations_psacompanyrecord OWNER TO audit_list_test")
        cursor.execute("SET ROLE audit_list_test")
        try:
            with connection.schema_editor() as editor:
                migration.add_search_index(apps, editor)
        finally:
            cursor.execute("RESET ROLE")

    add(integration, "Zoë")
    assert index() == ""
    assert [row.name for row in list_psa_companies(integration, search="zoe")] == ["Zoë"]


def test_with_pg_trgm_alone_the_index_is_over_all_tenants(postgres: None) -> None:
    migration = import_module("integrations.migrations.0003_import_list_search")
    with connection.cursor() as cursor:
        cursor.execute("DROP EXTENSION btree_gin CASCADE")
    with connection.schema_editor() as editor:
        any(migration.succeeds(editor, statement) for statement in migration.SEARCH_INDEXES)

    assert index() == "gin (search_text gin_trgm_ops)"
