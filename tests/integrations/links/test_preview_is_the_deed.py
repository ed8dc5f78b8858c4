"""A preview says what the link then changes: all of it, and nothing else."""

from __future__ import annotations

import random
from typing import Any

import pytest

from agreements.figures import company_figure
from audit_site.privacy.contact_erasure import erase_shown_contact
from audit_site.tenants.models import Tenant, User
from companies.models import Company, Contact
from companies.primary import choose_primary
from integrations.links.changes import person_of, person_text
from integrations.links.linking import unlink_company
from integrations.links.previewing import start_preview
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.integrations.links.stories import again, by_hand, linked, records_with_money
from tests.worker import work_off


def shown(company: Company) -> dict[str, Any]:
    company = again(company)
    primary = company.primary
    return {
        "name": company.name,
        "primary_contact": person_text(person_of(primary) if primary else None),
        "contacts": str(len(company.people)),
        "mrr": company_figure(company).totals,
    }


#: What may have happened to an audITee and a record before they are linked.
FORMER = ("none", "another record", "the same record")
CHOSEN = ("nobody", "a typed one", "one of the PSA")
ERASED = ("nobody", "the default contact", "everybody")


def situations(psa: str) -> list[tuple[str, str, str, str]]:
    """Each of those at least once, and in which way by chance."""
    chance = random.Random(psa)  # noqa: S311  the same ones again for each PSA
    ways = [[*way] for way in (FORMER, CHOSEN, ERASED, ("Acme", "theirs", "Acme"))]
    for way in ways:
        chance.shuffle(way)
    return list(zip(*ways, strict=True))


@pytest.mark.parametrize("psa", ["autotask", "connectwise", "kaseya_bms"])
def test_changes_are_the_differences(
    tenant: Tenant, sandbox: SandboxServer, alex: User, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    records = iter(records_with_money(sandbox, psa))
    for former, chosen, erased, name in situations(psa):
        record, other = next(records), next(records)
        company = prepared(integration, record, other, (former, chosen, erased, name), alex)
        before = shown(company)
        preview = start_preview(
            company=again(company), integration=integration, external_id=record, actor=None
        )
        work_off()
        preview.refresh_from_db()

        linked(company, integration, record)

        after = shown(company)
        assert preview.found is not None
        assert preview.found["mrr"] == {"before": before.pop("mrr"), "after": after.pop("mrr")}
        assert preview.found["changes"] == [
            {"field": field, "before": before[field], "after": after[field]}
            for field in before
            if before[field] != after[field]
        ], (former, chosen, erased, name)


def prepared(
    integration: Integration,
    record: str,
    other: str,
    situation: tuple[str, str, str, str],
    actor: User,
) -> Company:
    """An audITee in one of the situations."""
    former, chosen, erased, name = situation
    theirs = PsaCompanyRecord.objects.of(integration).get(external_id=record)
    company = by_hand(integration.tenant, name=theirs.name if name == "theirs" else name)
    typed = Contact.objects.create(
        tenant=integration.tenant, company=company, first_name="Typed", phone="212 555 0100"
    )
    if former != "none":
        linked(company, integration, record if former == "the same record" else other)
        unlink_company(company=again(company), actor=None)
    wanted = typed
    if chosen == "one of the PSA" and former != "none":
        people = Contact.objects.filter(company=company, is_active=True).exclude(external_id="")
        wanted = [one for one in people.order_by("-id") if one.can_be_primary][0]  # noqa: RUF015
    if chosen != "nobody":
        choose_primary(company=again(company), contact=wanted, actor=actor)
    people = PsaContactRecord.objects.of(integration).filter(company_external_id=record)
    if erased == "the default contact":
        people = people.filter(external_id=theirs.primary_contact_id)
    for person in people if erased != "nobody" else ():
        erase_shown_contact(record=person, actor=actor)
    return company
