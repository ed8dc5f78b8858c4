"""What is served: a tenant of an everyday size and one that is ten times as large, by COPY."""

from __future__ import annotations

import io
import random
from datetime import UTC, datetime, timedelta
from typing import Any

NOW = datetime.now(UTC)
TODAY = NOW.date()
CYCLES = ("monthly", "monthly", "quarterly", "annual", "weekly")
TABLES = {
    "companies_company": "id,tenant_id,name,status,created_at,updated_at",
    "companies_contact": (
        "id,tenant_id,company_id,external_id,first_name,last_name,email,phone,is_active,is_primary,"
        "fingerprint"
    ),
    "integrations_psacompanyrecord": (
        "id,tenant_id,integration_id,external_id,name,search_text,status,type,is_active,is_deleted,"
        "is_merged,merged_into,is_own,default_contact_id,url,contact_count,active_contact_count,"
        "reachable_contact_count,primary_contact_id,importable,rule_codes,fingerprint,"
        "first_seen_at,seen_at,ignored_by_name"
    ),
    "integrations_companylink": (
        "id,tenant_id,integration_id,company_id,external_id,linked_at,last_synced_at,problem_codes"
    ),
    "agreements_agreement": (
        "id,tenant_id,company_id,integration_id,source,external_id,name,type,former_type,status,"
        "currency,start_date,end_date,no_end,cancelled,cycle,cycle_label,amount,parent_external_id,"
        "incomplete,fingerprint,lines_fingerprint,synced_at"
    ),
    "agreements_agreementline": (
        "id,tenant_id,agreement_id,external_id,position,kind,description,product,quantity,"
        "unit_price,less_included,bill,start_date,end_date,fingerprint"
    ),
}


class Tables:
    """Rows that wait for their COPY."""

    def __init__(self) -> None:
        self._buffers = {table: io.StringIO() for table in TABLES}

    def put(self, table: str, *values: Any) -> None:
        shown = ("\\N" if value is None else str(value) for value in values)
        self._buffers[table].write("\t".join(shown) + "\n")

    def copy(self) -> None:
        from django.db import connection  # noqa: PLC0415

        with connection.cursor() as cursor:
            for table, columns in TABLES.items():
                self._buffers[table].seek(0)
                cursor.copy_expert(f"COPY {table} ({columns}) FROM STDIN", self._buffers[table])


class Filling:
    """One tenant with its people, an account of ConnectWise, audITees and agreements."""

    def __init__(self, companies: int, agreements: int) -> None:
        from audit_site.tenants.models import Membership, Tenant, User  # noqa: PLC0415
        from audit_site.tenants.tokens import create_api_token  # noqa: PLC0415
        from integrations.models import Integration  # noqa: PLC0415

        self.companies, self.agreements = companies, agreements
        self.tenant = Tenant.objects.create(name=f"Bench {companies}", company_limit=100_000)
        self.user = User.objects.create_user(f"bench{companies}@bench.example")
        Membership.objects.create(
            tenant=self.tenant, user=self.user, role="admin", last_seen_at=NOW
        )
        self.psa = Integration.objects.create(
            tenant=self.tenant, psa="connectwise", name="ConnectWise", account_key="x",
            status="connected", connected_at=NOW, companies_read_at=NOW,
        )  # fmt: skip
        scopes = ["read", "write", "admin"]
        _, self.token = create_api_token(tenant=self.tenant, user=self.user, scopes=scopes)
        self._rng = random.Random(1)  # noqa: S311
        self._tables = Tables()

    def fill(self) -> None:
        from audit_site.ids import new_id  # noqa: PLC0415

        ids = [new_id() for _ in range(self.companies)]
        for position, company in enumerate(ids):
            self._put_company(position, company)
        for position in range(self.companies, 2 * self.companies):
            self._put_record(position, f"Prospect {position:06}")
        for position in range(self.agreements):
            self._put_agreement(position, ids[position % self.companies])
        self._tables.copy()

    def _put_company(self, position: int, company: Any) -> None:
        from audit_site.ids import new_id  # noqa: PLC0415

        tenant, key, name = self.tenant.pk, 20_000 + position, f"Client {position:06}"
        self._tables.put("companies_company", company, tenant, name, "active", NOW, NOW)
        for number in range(2):
            self._tables.put(
                "companies_contact", new_id(), tenant, company, f"C{key}-{number}", "Ada", "Byron",
                f"ada{number}@c{key}.example", "555 0100", "t", "f" if number else "t", "f" * 32,
            )  # fmt: skip
        self._put_record(position, name)
        self._tables.put(
            "integrations_companylink", new_id(), tenant, self.psa.pk, company, key, NOW, NOW, "[]"
        )

    def _put_record(self, position: int, name: str) -> None:
        from audit_site.db.folded_text import folded  # noqa: PLC0415
        from audit_site.ids import new_id  # noqa: PLC0415

        key, ready = 20_000 + position, position % 5 > 0
        self._tables.put(
            "integrations_psacompanyrecord", new_id(), self.tenant.pk, self.psa.pk, key, name,
            folded(f"{name} {key}"), "Active" if ready else "Inactive", "Customer", "t", "f", "f", "",
            "f", f"C{key}-0", "", 2, 2, 2, f"C{key}-0", "t" if ready else "f",
            "[]" if ready else '["inactive"]', "f" * 32, NOW - timedelta(days=9), NOW, "",
        )  # fmt: skip

    def _put_agreement(self, position: int, company: Any) -> None:
        from audit_site.ids import new_id  # noqa: PLC0415

        rng, agreement = self._rng, new_id()
        start = TODAY - timedelta(days=rng.randint(100, 1500))
        end = TODAY + timedelta(days=rng.randint(-300, 900)) if rng.random() < 0.6 else None
        self._tables.put(
            "agreements_agreement", agreement, self.tenant.pk, company, self.psa.pk, "connectwise",
            f"A{position}", "Managed services", "", "", "Active", rng.choice(("USD",) * 9 + ("EUR",)),
            start, end, "f", "f", f'"{rng.choice(CYCLES)}"', "", f"{rng.randint(1, 90_000) / 100}", "",
            "f", "", "", NOW,
        )  # fmt: skip
        for slot in range(3):
            self._tables.put(
                "agreements_agreementline", new_id(), self.tenant.pk, agreement, f"L{slot}", slot,
                "addition", "Seats", f"P{slot}", rng.randint(1, 40), f"{rng.randint(1, 9900) / 100}",
                0, "billable", start, None, "",
            )  # fmt: skip

    def addresses(self) -> dict[str, str]:
        """What is asked for: one of each kind."""
        from agreements.models import Agreement  # noqa: PLC0415
        from companies.models import Company  # noqa: PLC0415

        several = Agreement.objects.filter(tenant=self.tenant, external_id="A1").get()
        run = self._run_under_way()
        company = Company.objects.get(pk=several.company_id).pk
        return {
            "companies": "/api/v1/companies/?page_size=100",
            "companies-page": "/api/v1/companies/?status=active",
            "mrr": "/api/v1/mrr/",
            "company-mrr": f"/api/v1/companies/{company}/mrr/",
            "company-mrr-page": f"/companies/{company}/mrr/",
            "run": f"/api/v1/sync-runs/{run.pk}/",
            "import-list": f"/api/v1/integrations/{self.psa.pk}/psa-companies/",
        }

    def _run_under_way(self) -> Any:
        """A run that reads contacts, with what it stored in the last minute."""
        from integrations.models import SyncRun  # noqa: PLC0415

        return SyncRun.objects.create(
            tenant=self.tenant, integration=self.psa, state="running", phase="contacts",
            started_at=NOW, dispatched_at=NOW, phase_started_at=NOW, progress_done=900,
            progress_total=7000, requests=12, lease_until=NOW + timedelta(days=1),
        )  # fmt: skip

    def session(self) -> dict[str, str]:
        """The cookie of the tenant's admin, signed in to the pages."""
        from django.test import Client  # noqa: PLC0415

        client = Client()
        client.force_login(self.user)
        return {name: morsel.value for name, morsel in client.cookies.items()}
