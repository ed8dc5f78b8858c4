"""The import list, the live diagnosis and the import say the same about every company."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agreements import mrr
from audit_site.tenants.models import Tenant
from integrations.importing.diagnosis import diagnose
from integrations.importing.import_companies import import_companies
from integrations.importing.import_rows import import_rows
from integrations.importing.rules import (
    CHECKS,
    REASONS,
    RULES,
    broken_rules,
    explain,
    facts_of,
    failed_checks,
    without_consequences,
)
from integrations.importing.said_words import CompanyWords
from integrations.importing.selectors import list_psa_companies
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord
from integrations.psa import registry
from integrations.psa.contract import PsaCompany, PsaContact, PsaInfo
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect

PSAS = sorted(registry.adapters())
RELAXED = PsaInfo(key="x", name="X", fields=(), guide=())
STRICT = replace(RELAXED, only_active_importable=True)


def failed_codes(checks: list[dict[str, Any]]) -> list[str]:
    """The codes of the checks that failed, in their order, without those that follow from one."""
    return without_consequences({one["name"]: one["code"] for one in checks if not one["ok"]})


@pytest.mark.parametrize("psa", PSAS)
def test_list_diagnosis_and_import_agree_about_every_company_of_a_psa(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    rows = list(list_psa_companies(integration).select_related("integration"))

    listed = {
        row.record.external_id: [reason["code"] for reason in row.reasons]
        for row in import_rows(rows, None)
    }
    diagnosed = {
        id_: failed_codes(diagnose(integration=integration, external_id=id_).checks)
        for id_ in listed
    }
    answer = import_companies(integration=integration, external_ids=list(listed), actor=None)

    assert len(listed) == 40
    assert diagnosed == listed
    assert {one.external_id: [one.code] for one in answer.rejected} == {
        id_: codes[:1] for id_, codes in listed.items() if codes
    }
    links = integration.links.values_list("external_id", flat=True)
    assert set(links) == {id_ for id_, codes in listed.items() if not codes}


people = st.builds(
    PsaContact,
    external_id=st.sampled_from(["1", "2", "3"]),
    company_id=st.just("7"),
    email=st.sampled_from(["", "ada@example.com"]),
    phone=st.sampled_from(["", "555"]),
    is_active=st.booleans(),
    is_default=st.booleans(),
)
companies = st.builds(
    PsaCompany,
    external_id=st.just("7"),
    name=st.just("Firm"),
    status=st.sampled_from(["Gold", "gold ", "Silver"]),
    is_active=st.booleans(),
    is_deleted=st.booleans(),
    is_merged=st.booleans(),
    is_own=st.booleans(),
    default_contact_id=st.sampled_from(["", "2"]),
)


#: What may have been said of the status that these companies have.
said = st.sampled_from([{}, *({("status", "gold"): word} for word in ("active", "not_active"))])


def stored(company: PsaCompany) -> PsaCompanyRecord:
    names = ("external_id", "name", "status", "is_active", "is_deleted", "is_merged", "is_own")
    values = {name: getattr(company, name) for name in (*names, "default_contact_id")}
    return PsaCompanyRecord(**values)


def stored_contact(person: PsaContact) -> PsaContactRecord:
    names = ("external_id", "email", "phone", "is_active", "is_default")
    return PsaContactRecord(**{name: getattr(person, name) for name in names})


@given(companies, st.lists(people, max_size=3), st.sampled_from([RELAXED, STRICT]), said)
def test_what_an_adapter_yields_and_what_is_stored_of_it_have_the_same_facts(
    company: PsaCompany, staff: list[PsaContact], info: PsaInfo, words: CompanyWords
) -> None:
    live = facts_of(company, staff, words)
    kept = facts_of(stored(company), [stored_contact(person) for person in staff], words)

    assert live == kept
    if words and mrr.word_key(company.status) == "gold":
        assert live.is_active == (words["status", "gold"] == "active")
    assert broken_rules(live, info) == broken_rules(kept, info)


@given(companies, st.lists(people, max_size=3), st.sampled_from([RELAXED, STRICT]))
def test_every_reason_is_the_code_of_a_failed_check_and_none_fails_without_a_reason(
    company: PsaCompany, staff: list[PsaContact], info: PsaInfo
) -> None:
    facts = facts_of(company, staff)
    failed, reasons = failed_checks(facts, info), broken_rules(facts, info)

    assert [code for code in failed.values() if code in reasons] == reasons
    assert bool(failed) == bool(reasons)
    assert {name for name, code in failed.items() if code in reasons} == {
        REASONS[code].check for code in reasons
    }
    assert (facts.primary_contact_id != "") == (facts.reachable_contacts > 0)


def test_a_company_that_is_gone_is_deleted_as_far_as_the_list_knows(tenant: Tenant) -> None:
    record = PsaCompanyRecord(external_id="7", gone_at="2026-11-25T00:00Z")

    assert broken_rules(facts_of(record, []), RELAXED) == ["deleted", "no_contact"]


def test_every_check_has_a_rule_and_every_rule_a_check() -> None:
    assert {rule.check for rule in RULES if rule.check} == set(CHECKS)
    assert [rule.code for rule in RULES if not rule.check] == ["already_linked"]


def test_the_place_of_a_fix_comes_from_the_psa() -> None:
    info = replace(STRICT, name="Desk", fixes={"inactive": "Desk: Firms > Status"})

    assert explain("inactive", info)["fix"] == (
        "Set its status to Active in Desk (Desk: Firms > Status), then press Sync Now."
    )
    assert explain("inactive", STRICT)["fix"] == (
        "Set its status to Active in X, then press Sync Now."
    )


def test_a_company_without_a_contact_has_nobody_to_reach_either(connected: Integration) -> None:
    nobody = next(
        record.external_id
        for record in PsaCompanyRecord.objects.all()
        if record.rule_codes == ["no_contact"]
    )

    found = diagnose(integration=connected, external_id=nobody)

    assert {check["name"]: (check["ok"], check["code"]) for check in found.checks} == {
        "exists": (True, "ok"),
        "active": (True, "ok"),
        "has_contact": (False, "no_contact"),
        "has_contact_method": (False, "contact_without_method"),
        "licence": (True, "ok"),
    }
    assert [check["message"] for check in found.checks][2:4] == [
        "It has no contact in ConnectWise Manage.",
        "",  # that follows, and is not said as a second reason
    ]


def test_a_company_that_the_psa_does_not_have_fails_every_check_but_the_licence(
    connected: Integration,
) -> None:
    found = diagnose(integration=connected, external_id="77777")

    assert found.importable is False
    assert [(check["code"], bool(check["message"])) for check in found.checks] == [
        ("unknown_company", True),
        ("unknown_company", False),
        ("unknown_company", False),
        ("unknown_company", False),
        ("ok", True),
    ]


@pytest.mark.parametrize(("email", "phone"), [("noemail", "-"), ("n/a", ""), ("", "ext")])
def test_who_has_words_for_an_address_is_not_the_primary_contact(email: str, phone: str) -> None:
    default = PsaContact("1", "7", email=email, phone=phone, is_default=True)
    real = PsaContact("2", "7", email="real@example.com")
    company = PsaCompany("7", "Firm", default_contact_id="1")

    assert facts_of(company, [default, real]).primary_contact_id == "2"
    assert broken_rules(facts_of(company, [default]), RELAXED) == ["contact_without_method"]
