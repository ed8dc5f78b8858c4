"""Read from PostgreSQL itself: a new table with a tenant that has no wall fails here."""

from __future__ import annotations

import pytest
from django.conf import settings
from django.db import connection

from audit_site.db.walls.building import build_walls
from audit_site.db.walls.policies import owned_models, privileges
from tests.audit_site.db.walls.conftest import ask
from tests.databases import ROLE

pytestmark = [pytest.mark.postgres, pytest.mark.django_db]

OF_TENANTS = """
SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
    AND (a.attname = 'tenant_id' OR c.relname = 'tenants_tenant') {}
GROUP BY c.relname ORDER BY c.relname
"""


def test_each_table_with_a_tenant_has_forced_row_security_and_its_policies() -> None:
    tables = [name for (name,) in ask(OF_TENANTS.format(""))]
    secured = ask(OF_TENANTS.format("AND c.relrowsecurity AND c.relforcerowsecurity"))
    policies = ask(
        "SELECT tablename, array_agg(policyname::text ORDER BY policyname) FROM pg_policies"
        " WHERE cmd = 'ALL' AND with_check IS NULL AND permissive = 'PERMISSIVE'"
        " GROUP BY tablename ORDER BY tablename"
    )

    assert len(tables) > 25
    assert {model._meta.db_table for model in owned_models()} == {*tables} - {"tenants_tenant"}
    assert [name for (name,) in secured] == tables
    together = {model._meta.db_table for model in owned_models() if model.worked_together}
    for name, own in policies:
        more = ["wall_together"] if name in together else []
        assert own == ["wall_owner", "wall_tenant", *more], name
    assert [name for name, _ in policies] == tables


def test_each_policy_for_everybody_compares_the_row_with_the_asking_tenant() -> None:
    conditions = ask(
        "SELECT DISTINCT replace(qual, 'id = ', 'tenant_id = ') FROM pg_policies"
        " WHERE policyname = 'wall_tenant' AND tablename = 'tenants_tenant'"
        " UNION SELECT DISTINCT qual FROM pg_policies"
        " WHERE policyname = 'wall_tenant' AND tablename <> 'tenants_tenant'"
    )

    assert conditions == [
        ("(tenant_id = (NULLIF(current_setting('audit.tenant'::text, true), ''::text))::uuid)",)
    ]


def test_what_the_clock_works_through_for_many_tenants_is_named_here() -> None:
    opened = ask(
        "SELECT tablename, cmd FROM pg_policies WHERE policyname = 'wall_together' ORDER BY 1"
    )

    assert opened == [
        ("agreements_agreement", "ALL"),
        ("agreements_agreementchoices", "ALL"),
        ("agreements_agreementline", "ALL"),
        ("agreements_agreementmrr", "ALL"),
        ("agreements_bookpiece", "ALL"),
        ("agreements_bookversion", "ALL"),
        ("agreements_companyaverage", "ALL"),
        ("agreements_companybook", "ALL"),
        ("agreements_companymrr", "ALL"),
        ("agreements_linechoices", "ALL"),
        ("agreements_tenantbook", "ALL"),
        ("companies_company", "ALL"),
        ("companies_figureschange", "ALL"),
        ("integrations_psaword", "ALL"),
        ("tenants_changemark", "ALL"),
        ("tenants_tenant", "SELECT"),
    ]


def test_what_opens_more_than_a_tenant_is_for_reading_and_named_here() -> None:
    opened = ask(
        "SELECT policyname, array_agg(tablename::text ORDER BY tablename), array_agg(DISTINCT cmd)"
        " FROM pg_policies WHERE policyname NOT IN"
        " ('wall_tenant', 'wall_owner', 'wall_together')"
        " GROUP BY policyname ORDER BY policyname"
    )

    assert opened == [
        ("wall_holder", ["tenants_apitoken", "tenants_invitation"], ["SELECT"]),
        ("wall_person", ["tenants_membership", "tenants_tenant"], ["SELECT"]),
        (
            "wall_system",
            [
                "agreements_companybook",
                "agreements_figurereport",
                "agreements_tenantbook",
                "api_actcount",
                "api_idempotentrequest",
                "companies_figureschange",
                "integrations_connectiontest",
                "integrations_importbatch",
                "integrations_integration",
                "integrations_issue",
                "integrations_linkbatch",
                "integrations_linkmatching",
                "integrations_linkpreview",
                "integrations_psaword",
                "integrations_syncrun",
                "tenants_changemark",
                "tenants_invitation",
                "tenants_tenant",
            ],
            ["SELECT"],
        ),
    ]


def test_each_key_from_a_tenants_row_to_a_tenants_row_has_the_tenant_in_it() -> None:
    tables = ask(OF_TENANTS.format("AND c.relname <> 'tenants_tenant'"))
    keys = ask(
        "SELECT conrelid::regclass::text, conkey, convalidated, condeferrable AND condeferred,"
        " (SELECT array_agg(attname::text) FROM pg_attribute"
        "  WHERE attrelid = conrelid AND attnum = ANY(conkey)) FROM pg_constraint"
        " WHERE contype = 'f' AND conrelid::regclass::text = ANY(%s)"
        " AND confrelid::regclass::text = ANY(%s)",
        *[[name for (name,) in tables]] * 2,
    )

    assert len(keys) > 25
    assert {len(columns) for _, columns, *_ in keys} == {2}
    assert all("tenant_id" in names for *_, names in keys)
    assert all(is_valid and is_deferred for _, _, is_valid, is_deferred, _ in keys)


def test_the_application_may_change_rows_and_nothing_else() -> None:
    (role,) = ask(
        "SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = %s",
        ROLE,
    )
    held = ask(
        "SELECT table_name::text, array_agg(privilege_type::text ORDER BY privilege_type)"
        " FROM information_schema.table_privileges"
        " WHERE grantee = %s AND table_schema = 'public' GROUP BY table_name",
        ROLE,
    )
    ((owned, may_create),) = ask(
        "SELECT (SELECT count(*) FROM pg_class WHERE relowner = %s::regrole),"
        " has_schema_privilege(%s, 'public', 'CREATE')",
        ROLE,
        ROLE,
    )

    assert role == (False, False, False, False)
    assert dict(held) == {table: sorted(may) for table, may in privileges().items()}
    assert (owned, may_create) == (0, False)


def test_the_functions_of_the_import_list_use_an_index_behind_a_policy() -> None:
    """`migrate` runs as a superuser here."""
    found = ask(
        "SELECT p.oid::regprocedure::text, p.proleakproof FROM pg_proc p"
        " WHERE p.oid IN ('textlike(text,text)'::regprocedure, 'upper(text)'::regprocedure)"
    )

    assert sorted(found) == [("textlike(text,text)", True), ("upper(text)", True)]


def test_what_a_table_lost_is_built_again_and_the_rest_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(settings, "DATABASE_APPLICATION_ROLE", ROLE)
    with connection.cursor() as cursor:
        cursor.execute("DROP POLICY wall_tenant ON companies_company")
        cursor.execute("ALTER TABLE companies_contact NO FORCE ROW LEVEL SECURITY")
        cursor.execute(
            "ALTER TABLE companies_contact"
            " DROP CONSTRAINT companies_contact_company_id_same_tenant,"
            " ADD CONSTRAINT as_django_makes_it"
            " FOREIGN KEY (company_id) REFERENCES companies_company (id)"
        )
        cursor.execute(f"REVOKE ALL ON companies_company FROM {ROLE}")
    untouched = "SELECT oid FROM pg_policy WHERE polrelid = 'agreements_agreement'::regclass"
    before = ask(untouched)

    build_walls(using="default")

    test_each_table_with_a_tenant_has_forced_row_security_and_its_policies()
    test_each_key_from_a_tenants_row_to_a_tenants_row_has_the_tenant_in_it()
    test_the_application_may_change_rows_and_nothing_else()
    assert ask(untouched) == before


def test_where_the_walls_stand_nothing_is_written(
    monkeypatch: pytest.MonkeyPatch, django_assert_max_num_queries: object
) -> None:
    monkeypatch.setattr(settings, "DATABASE_APPLICATION_ROLE", ROLE)

    with django_assert_max_num_queries(12) as asked:
        build_walls(using="default")

    assert {query["sql"].split("SELECT")[0].split(";")[-1].strip() for query in asked} == {""}
