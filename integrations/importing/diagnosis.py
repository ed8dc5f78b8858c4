"""Finding out from the PSA, right now, why a company is missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.conf import settings

from companies.services import licence
from integrations.connecting.open_adapter import open_adapter
from integrations.importing.rules import explain
from integrations.models import (
    Integration,
)
from integrations.psa.contract import PsaAdapter, PsaCompany, PsaContact, RejectedRecord


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether a PSA company could be imported right now, and each check on the way."""

    importable: bool
    checks: list[dict[str, Any]]


def diagnose(*, integration: Integration, external_id: str) -> Diagnosis:
    """Ask the PSA right now why a company is missing. HTTP, outside any transaction."""
    integration.refuse_disconnected()
    info = integration.psa_info
    with open_adapter(integration) as adapter:
        found = adapter.company(external_id)
        company = found if isinstance(found, PsaCompany) else None
        people = _contacts_of(adapter, external_id) if company else []
    active = [person for person in people if person.is_active]
    reachable = [person for person in active if person.email or person.phone]
    outcomes = {
        "exists": "" if company else "unknown_company",
        "active": "",
        "has_contact": "" if active else ("contact_inactive" if people else "no_contact"),
        "has_contact_method": "" if reachable else "contact_without_method",
        "licence": "" if licence(integration.tenant).free else "licence_exceeded",
    }
    if company is not None:
        outcomes["exists"] = (
            "own_company"
            if company.is_own
            else "merged"
            if company.is_merged
            else "deleted"
            if company.is_deleted
            else ""
        )
        if info.only_active_importable and not company.is_active:
            outcomes["active"] = "inactive"
    checks = [_diagnosis_check(name, code, info.name) for name, code in outcomes.items()]
    if company is None:
        for check in checks[1:4]:
            check |= {"ok": False, "code": "unknown_company", "message": "", "fix": ""}
    if isinstance(found, RejectedRecord):
        send = f"Look again later. If it stays, send this to us: {settings.HELP_EMAIL}."
        fix = f"Correct it in {info.name}, then look again." if found.can_mend else send
        checks[0] |= {"code": found.code, "message": found.message, "fix": fix}
    return Diagnosis(importable=all(check["ok"] for check in checks), checks=checks)


def _contacts_of(adapter: PsaAdapter, external_id: str) -> list[PsaContact]:
    pages = adapter.contacts(company_ids=[external_id])
    return [person for page in pages for person in page.records]


def _diagnosis_check(name: str, code: str, psa_name: str) -> dict[str, Any]:
    if not code:
        return {"name": name, "ok": True, "code": "ok", "message": PASSED[name], "fix": ""}
    return {"name": name, "ok": False, **explain(code, psa_name)}


PASSED = {
    "exists": "The PSA has this company.",
    "active": "Its status does not stand in the way.",
    "has_contact": "It has an active contact.",
    "has_contact_method": "A contact can be reached by e-mail or phone.",
    "licence": "Your licence has room for it.",
}
