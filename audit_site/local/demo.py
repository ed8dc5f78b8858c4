"""The demo tenant: made by the very services that the pages use, with work done by the worker."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any
from urllib.request import urlopen

import django

from audit_site.local.processes import SetupError

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "audit_site.settings")
django.setup()

from agreements.figures import TenantFigure, company_totals, tenant_figure  # noqa: E402
from audit_site.db import walls  # noqa: E402
from audit_site.tenants.creating import create_tenant  # noqa: E402
from audit_site.tenants.members import add_new_person  # noqa: E402
from audit_site.tenants.models import Role, Tenant, User  # noqa: E402
from companies.models import Company  # noqa: E402
from integrations.connecting.lifecycle import create_integration  # noqa: E402
from integrations.importing.import_companies import import_companies  # noqa: E402
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, SyncRun  # noqa: E402
from integrations.psa import registry  # noqa: E402
from integrations.runs.starting import start_sync_run  # noqa: E402

NAME = "Demo MSP"
# pragma: allowlist nextline secret
PASSWORD = "demo-password-1"  # noqa: S105  of the demo on your own machine
PEOPLE = (
    ("admin@demo.example", Role.ADMIN, "Alex Admin"),
    ("member@demo.example", Role.MEMBER, "Mia Member"),
    ("viewer@demo.example", Role.VIEWER, "Vic Viewer"),
)
#: Of each PSA, how many companies from the top of its list are imported, and from the end of it:
#: there are those that show how agreements are practised.
FIRST, LAST = 4, 8
PATIENCE_SECONDS = 120
Say = Callable[..., None]


def show(sandbox_url: str, say: Say, check_alive: Callable[[], None]) -> None:
    """Make the demo tenant if it is not there, sync it, and print what it comes to."""
    with walls.as_system("demo"):
        tenant = Tenant.objects.filter(name=NAME).first()
    if tenant is None:
        tenant = make_tenant()
        address = f"{sandbox_url}/_sandbox/"
        with urlopen(address, timeout=10) as answer:  # noqa: S310  # nosec B310 # loopback
            offered: dict[str, dict[str, str]] = json.load(answer)["psas"]
        with walls.within(tenant.pk):
            connect_all(tenant, offered, say, check_alive)
    with walls.within(tenant.pk):
        print_table(tenant, say)
    say()
    say(f"Sign in (password {PASSWORD}):")
    for email, role, _ in PEOPLE:
        say(f"  {email:<22} {role}")
    say()


def connect_all(
    tenant: Tenant,
    offered: dict[str, dict[str, str]],
    say: Say,
    check_alive: Callable[[], None],
) -> None:
    for info in registry.infos():
        if info.key in offered:
            say(f"Connecting the sandbox {info.name} …")
            connect(tenant, info.key, offered[info.key], say, check_alive)


def make_tenant() -> Tenant:
    tenant = create_tenant(
        name=NAME,
        admin_email=PEOPLE[0][0],
        password=PASSWORD,
        company_limit=50,
        time_zone="America/New_York",
    ).tenant
    with walls.within(tenant.pk):
        for email, role, _ in PEOPLE[1:]:
            add_new_person(tenant=tenant, email=email, role=role, password=PASSWORD)
    for email, _, name in PEOPLE:
        User.objects.filter(email=email).update(name=name)
    return tenant


def connect(
    tenant: Tenant,
    psa: str,
    credentials: dict[str, str],
    say: Say,
    check_alive: Callable[[], None],
) -> None:
    """Connect a sandbox, wait for its test, import a dozen companies and sync them."""
    admin = User.objects.get(email=PEOPLE[0][0])
    integration, test = create_integration(
        tenant=tenant, actor=admin, psa=psa, credentials=credentials
    )
    wait(lambda: _done(test), check_alive)
    if not test.ok:
        raise SetupError(f"The connection test failed: {test.message} {test.fix}")
    run = SyncRun.objects.filter(integration=integration).latest("id")
    follow(run, "Reading the import list", check_alive)
    rows = PsaCompanyRecord.objects.filter(integration=integration, importable=True)
    ids = list(rows.order_by("id").values_list("external_id", flat=True))
    ids = [*ids[:FIRST], *ids[-LAST:]]
    result = import_companies(integration=integration, external_ids=ids, actor=admin)
    if result.sync_run:
        follow(result.sync_run, f"Importing {len(ids)} companies", check_alive)
    run, _ = start_sync_run(integration=integration, actor=admin)
    follow(run, "Sync Now", check_alive)


def _done(test: Any) -> bool:
    test.refresh_from_db()
    return bool(test.state == "done")


def wait(is_done: Callable[[], bool], check_alive: Callable[[], None]) -> None:
    until = time.monotonic() + PATIENCE_SECONDS
    while not is_done():
        check_alive()
        if time.monotonic() > until:
            raise SetupError("The worker takes too long. See the logs under var/log.")
        time.sleep(0.2)


def follow(run: SyncRun, title: str, check_alive: Callable[[], None]) -> None:
    """A progress bar in the terminal, drawn from the run's own row."""

    def drawn() -> bool:
        run.refresh_from_db()
        total = run.progress_total or 0
        done = run.progress_done if run.is_active else total
        filled = int(28 * done / total) if total else (0 if run.is_active else 28)
        bar = "█" * filled + "·" * (28 - filled)
        text = run.phase or run.state
        sys.stdout.write(f"\r  {title:<26} {bar} {text:<12}")
        sys.stdout.flush()
        return not run.is_active

    wait(drawn, check_alive)
    sys.stdout.write("\n")
    if run.state not in {"succeeded", "partial"}:
        raise SetupError(f"The run ended {run.state}: {run.error_message} {run.error_fix}")


def print_table(tenant: Tenant, say: Say) -> None:
    """Every company with its MRR, then the tenant's total by currency."""
    for integration in Integration.objects.for_tenant(tenant).order_by("id"):
        companies = list(
            Company.objects.for_tenant(tenant)
            .filter(
                status=Company.Status.ACTIVE,
                links__in=CompanyLink.objects.of(integration).in_force(),
            )
            .order_by("name")
        )
        totals = company_totals(tenant, [company.pk for company in companies])
        say(f"\n{integration.name}")
        for company in companies:
            amounts = "   ".join(
                f"{money['amount']:>12} {money['currency']}" for money in totals[company.pk]
            )
            say(f"  {company.name:<44} {amounts or '        none'}")
        print_total("MRR", tenant_figure(tenant, integration_id=integration.pk), say)
    say()
    figure = tenant_figure(tenant)
    print_total(f"MRR of the tenant, as of {figure.as_of.isoformat()}", figure, say)


def print_total(title: str, figure: TenantFigure, say: Say) -> None:
    amounts = "   ".join(f"{total['amount']:>12} {total['currency']}" for total in figure.totals)
    say(f"  {title:<44} {amounts or '        none'}")
