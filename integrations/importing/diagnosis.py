"""Finding out from the PSA, right now, why a company is missing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from audit_site import limits
from companies.services import licence
from integrations.connecting.open_adapter import open_adapter
from integrations.importing.rules import (
    CHECKS,
    explain,
    facts_of,
    failed_checks,
    without_consequences,
)
from integrations.importing.said_words import CompanyWords, company_words
from integrations.models import Integration
from integrations.psa.contract import (
    PsaAdapter,
    PsaCompany,
    PsaContact,
    PsaInfo,
    RejectedRecord,
)

#: Those that the company decides, and not the licence.
CHECKS_OF_COMPANIES = [name for name in CHECKS if name != "licence"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Whether a PSA company could be imported right now, and each check on the way.

    `checks` = `[{"name", "ok", "code", "message", "fix"}]`, one for each of `rules.CHECKS`. A check
    of a company that the PSA does not have says nothing (message "").
    """

    importable: bool
    checks: list[dict[str, Any]]


def diagnose(*, integration: Integration, external_id: str) -> Diagnosis:
    """Ask the PSA right now why a company is missing. HTTP, outside any transaction.

    Raises PsaError when the PSA can't be asked.
    """
    integration.refuse_disconnected()
    limits.spend(integration.tenant, limits.LOOKUPS)
    with open_adapter(integration) as adapter:
        found = adapter.company(external_id)
        ids = [external_id] if isinstance(found, PsaCompany) else []
        people = contacts_of(adapter, ids)[external_id]
    has_room = licence(integration.tenant).free > 0
    words = company_words(integration)
    return diagnosis_of(found, people, integration.psa_info, words, has_room=has_room)


def contacts_of(
    adapter: PsaAdapter, external_ids: Sequence[str]
) -> defaultdict[str, list[PsaContact]]:
    """The contacts of some companies as the PSA has them right now, by company."""
    people: defaultdict[str, list[PsaContact]] = defaultdict(list)
    for page in adapter.contacts(company_ids=external_ids) if external_ids else ():
        for person in page.records:
            people[person.company_id].append(person)
    return people


def diagnosis_of(
    found: PsaCompany | RejectedRecord | None,
    people: Sequence[PsaContact],
    info: PsaInfo,
    words: CompanyWords,
    *,
    has_room: bool,
) -> Diagnosis:
    """What the PSA's answer about a company means, by the integration's `words`. `has_room`: the
    licence has a free place.
    """
    if isinstance(found, PsaCompany):
        checks = _checks_of(found, people, info, words)
    else:
        checks = _checks_of_unusable(found, info)
    checks.append(_check("licence", "" if has_room else "licence_exceeded", info))
    return Diagnosis(importable=all(check["ok"] for check in checks), checks=checks)


def _checks_of(
    company: PsaCompany, people: Sequence[PsaContact], info: PsaInfo, words: CompanyWords
) -> list[dict[str, Any]]:
    """The checks of a company by the rules of the import list; each reason is said once."""
    failed = failed_checks(facts_of(company, people, words), info)
    reasons = without_consequences(failed)
    return [
        _failed(name, code=failed[name])
        if name in failed and failed[name] not in reasons
        else _check(name, failed.get(name, ""), info, company.status)
        for name in CHECKS_OF_COMPANIES
    ]


def _checks_of_unusable(found: RejectedRecord | None, info: PsaInfo) -> list[dict[str, Any]]:
    """The checks of a company that the PSA does not have, or that can't be read."""
    exists, *others = CHECKS_OF_COMPANIES
    first = _check(exists, "unknown_company", info)
    if found is not None:
        report = f"Look again later. If it stays, send this to us: {settings.HELP_EMAIL}."
        fix = f"Correct it in {info.name}, then look again." if found.can_mend else report
        first = _failed(exists, code=found.code, message=found.message, fix=fix)
    return [first, *(_failed(name, code="unknown_company") for name in others)]


def _check(name: str, code: str, info: PsaInfo, status: str = "") -> dict[str, Any]:
    """A check that breaks a rule, or none (code "")."""
    if not code:
        return {"name": name, "ok": True, "code": "ok", "message": CHECKS[name], "fix": ""}
    return {"name": name, "ok": False, **explain(code, info, status)}


def _failed(name: str, *, code: str, message: str = "", fix: str = "") -> dict[str, Any]:
    return {"name": name, "ok": False, "code": code, "message": message, "fix": fix}
