"""A move between two accounts: proposed, confirmed, and what it brings in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Any

from rest_framework.test import APIClient

from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.importing.import_companies import import_companies
from integrations.matching.suggesting import match_links
from integrations.models import (
    CompanyLink,
    Integration,
    LinkMatching,
    PsaCompanyRecord,
    PsaContactRecord,
)
from integrations.sandbox.server import SandboxServer
from tests.clients import V1
from tests.conftest import connect
from tests.factories import (
    make_api,
    make_tenant,
)
from tests.integrations.links.stories import again
from tests.syncing import change, import_all, synced
from tests.worker import work_off


def worked_out(tenant: Tenant) -> None:
    for matching in LinkMatching.objects.filter(tenant=tenant, kind="move"):
        match_links(tenant_id=str(tenant.pk), matching_id=str(matching.pk))


def propose(api: APIClient, source: Integration, target: Integration) -> list[Any]:
    """The proposals for a move between two accounts."""
    answer = api.post(f"{V1}/integrations/{source.pk}/move-links/", {"to": str(target.pk)})
    assert answer.status_code == 202, answer.content
    worked_out(source.tenant)
    return api.get(f"{V1}/link-suggestions/", {"kind": "move"}).json()["results"]


def confirm(api: APIClient, *rows: Any) -> Any:
    pairs = [
        {
            "company": row["company"]["id"],
            "integration": row["psa_company"]["integration"],
            "external_id": row["psa_company"]["external_id"],
        }
        for row in rows
    ]
    answer = api.post(f"{V1}/link-suggestions/confirm/", {"pairs": pairs})
    assert answer.status_code == 200, answer.content
    return answer.json()


@dataclass
class Story:
    """An audITee of ConnectWise that is to move to a company of Autotask; both bring something."""

    api: APIClient
    company: Company
    old: Integration
    new: Integration
    external_id: str
    others: APIClient
    control: Company

    def again(self) -> Story:
        """The same, as it is stored now."""
        return replace(
            self,
            company=again(self.company),
            old=Integration.objects.select_related("tenant").get(pk=self.old.pk),
            new=Integration.objects.select_related("tenant").get(pk=self.new.pk),
            control=again(self.control),
        )

    @property
    def wanted(self) -> list[Any]:
        return self.wanted_on()

    def wanted_on(self, days_ago: int = 0) -> list[Any]:
        """What another tenant has of the company that is moved to."""
        return self._figure(self.others, self.control, days_ago)

    def figure(self, days_ago: int = 0) -> list[Any]:
        return self._figure(self.api, self.company, days_ago)

    def _figure(self, api: APIClient, company: Company, days_ago: int) -> list[Any]:
        day = self.today - timedelta(days=days_ago)
        body = api.get(f"{V1}/companies/{company.pk}/mrr/", {"as_of": str(day)}).json()
        return [(one["currency"], one["amount"]) for one in body["totals"]]

    def series(self) -> list[Any]:
        return [self.figure(days) for days in (0, 1, 2, 40, 200, 400)]

    @property
    def today(self) -> date:
        return self.company.tenant.today()

    def movement(self) -> Any:
        days = {"from": str(self.today - timedelta(days=40)), "to": str(self.today)}
        answer = self.api.get(f"{V1}/mrr/movement/", {**days, "company": str(self.company.pk)})
        return answer.json()["currencies"]

    def move(self) -> None:
        (row,) = [
            row
            for row in propose(self.api, self.old, self.new)
            if row["company"]["id"] == str(self.company.pk)
        ]
        assert confirm(self.api, row)["rejected"] == []


def tell_of_a_move(sandbox: SandboxServer) -> Story:
    other_tenant = make_tenant(company_limit=100)
    connected = connect(make_tenant(company_limit=100), sandbox, "connectwise")
    import_all(connected)
    control = connect(other_tenant, sandbox, "autotask")
    rows = PsaCompanyRecord.objects.filter(integration=control, importable=True)
    import_companies(
        integration=control,
        external_ids=list(rows.values_list("external_id", flat=True)),
        actor=None,
    )
    work_off()
    other = CompanyLink.objects.filter(
        integration=control, company__stored_mrr__minor__gt=0
    ).order_by("external_id")[0]
    link = CompanyLink.objects.filter(
        integration=connected,
        company__stored_mrr__minor__gt=0,
        company__stored_mrr__currency="USD",
    ).order_by("external_id")[0]
    change(sandbox, "companies", link.external_id, values={"name": other.company.name})
    synced(connected)
    new = connect(connected.tenant, sandbox, "autotask")
    theirs = PsaContactRecord.objects.filter(integration=new, company_external_id=other.external_id)
    theirs.update(email="", phone="")  # nothing but the name is in common
    link.company.refresh_from_db()
    return Story(
        make_api(connected.tenant),
        link.company,
        connected,
        new,
        other.external_id,
        make_api(other_tenant),
        other.company,
    )
