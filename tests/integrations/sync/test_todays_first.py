"""What counts today is read first, of all companies; what is over follows."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from agreements.models import Agreement, AgreementLine, CompanyMrr
from audit_site.tenants.models import Tenant
from integrations.importing.import_companies import import_companies
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, SyncRun, SyncRunPage
from integrations.psa.contract import PsaAgreement
from integrations.runs.starting import start_company_sync
from integrations.sandbox.server import SandboxServer
from integrations.sync.agreements_phase import AgreementsPhase
from integrations.sync.engine import run_sync
from integrations.sync.todays_first import TODAYS, is_over
from tests.conftest import connect
from tests.integrations.sync.test_waits_in_readings import asked, go_on
from tests.syncing import import_all, synced
from tests.worker import work_off

TODAY = date(2026, 6, 15)
YESTERDAY = date(2026, 6, 14)


@pytest.mark.parametrize(
    ("over", "said"),
    [
        (False, {}),
        (False, {"end_date": TODAY}),
        (True, {"end_date": YESTERDAY}),
        (False, {"end_date": YESTERDAY, "no_end": True}),
        (False, {"end_date": YESTERDAY, "renews": ("7",)}),
        (True, {"active": False}),
        (False, {"active": False, "renews": ("7",)}),
        (False, {"active": True, "start_date": date(2027, 1, 1)}),
        (True, {"cancelled": True}),
        (True, {"cancelled": True, "cancelled_date": YESTERDAY}),
        (False, {"cancelled": True, "cancelled_date": TODAY}),
        (True, {"cancelled": None, "cancelled_date": YESTERDAY}),
        (False, {"cancelled": False, "cancelled_date": YESTERDAY}),
    ],
)
def test_an_agreement_is_over_when_it_counts_neither_today_nor_later(
    over: bool, said: dict[str, Any]
) -> None:
    assert is_over(PsaAgreement("1", "2", **said), TODAY) is over


@pytest.fixture
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rounds pay for the few companies of a test, which are read in several batches."""
    monkeypatch.setattr(AgreementsPhase, "fewest", 2)
    monkeypatch.setattr(AgreementsPhase, "_batch_size", 5)


def figures() -> set[tuple[Any, ...]]:
    return set(CompanyMrr.objects.values_list("company", "currency", "exact"))


def rows() -> list[tuple[Any, ...]]:
    """All that was stored of agreements and lines, but when."""
    agreements = Agreement.objects.order_by("external_id").values_list(
        "external_id", "name", "status", "active", "cancelled", "renews_external_ids", "cycle",
        "end_date", "amount", "gone_at", "incomplete", "lines_fingerprint",
    )  # fmt: skip
    lines = AgreementLine.objects.order_by("agreement__external_id", "external_id").values_list(
        "agreement__external_id", "external_id", "quantity", "unit_price", "position", "gone_at"
    )
    return [*agreements, *lines]


def first_round_ended() -> bool:
    links = CompanyLink.objects.in_force()
    return not links.filter(read_at=None).exists() and links.filter(ended_unread=True).exists()


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("psa", ["connectwise", "autotask"])
def test_todays_figures_stand_before_anything_that_is_over_is_read(
    tenant: Tenant, sandbox: SandboxServer, psa: str
) -> None:
    integration = connect(tenant, sandbox, psa)
    ids = list(
        PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
    )
    import_companies(integration=integration, external_ids=ids, actor=None)
    seen: list[tuple[set[Any], int, int]] = []

    def watch(moment: str, subject: str) -> None:
        if (moment, subject) == ("page stored", "agreements") and first_round_ended() and not seen:
            over = sum(is_over(of_row(row), tenant.today()) for row in Agreement.objects.all())
            seen.append((figures(), over, Agreement.objects.count()))

    work_off(watch)

    run = SyncRun.objects.get(trigger="import")
    todays, over, number = seen[0]
    assert (run.state, run.counts["agreements"]["gone"], over) == ("succeeded", 0, 0)
    assert todays == figures() != set()
    assert number < Agreement.objects.count() == run.counts["agreements"]["created"]
    assert run.counts["agreements"]["seen"] == run.counts["agreements"]["created"]
    assert not CompanyLink.objects.filter(ended_unread=True).exists()


def of_row(row: Agreement) -> PsaAgreement:
    return PsaAgreement(
        row.external_id, "", end_date=row.end_date, no_end=row.no_end, cancelled=row.cancelled,
        cancelled_date=row.cancelled_date, active=row.active, renews=tuple(row.renews_external_ids),
    )  # fmt: skip


@pytest.mark.parametrize("psa", ["connectwise", "autotask", "kaseya_bms"])
def test_two_rounds_leave_what_one_leaves(
    tenant: Tenant,
    other_tenant: Tenant,
    sandbox: SandboxServer,
    monkeypatch: pytest.MonkeyPatch,
    psa: str,
) -> None:
    import_all(connect(tenant, sandbox, psa))
    together = rows()
    Agreement.objects.all().delete()
    CompanyLink.objects.update(read_at=None)
    monkeypatch.setattr(AgreementsPhase, "fewest", 2)
    monkeypatch.setattr(AgreementsPhase, "_batch_size", 5)

    run = synced(Integration.objects.get())

    assert run.state == "succeeded"
    assert rows() == together


@pytest.mark.usefixtures("few")
def test_each_agreement_is_asked_for_once_todays_first(
    connected: Integration, sandbox: SandboxServer
) -> None:
    sandbox.forget_requests()
    import_all(connected)

    order = [path.split("/")[-2] for path in asked_in_order(sandbox)]
    over = {
        row.external_id
        for row in Agreement.objects.all()
        if is_over(of_row(row), connected.tenant.today())
    }
    states = [id_ in over for id_ in order]
    assert len(order) == len(set(order))
    assert set(states) == {True, False}
    assert states == sorted(states)


def asked_in_order(sandbox: SandboxServer) -> list[str]:
    paths = [request["path"] for request in sandbox.requests()]
    return [path for path in paths if path.endswith("/additions")]


class Killed(BaseException):
    pass


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize("page", [1, 3, 6, 7], ids=["first", "middle", "between", "second round"])
def test_who_takes_over_reads_on_in_the_round_that_was_under_way(
    connected: Integration, sandbox: SandboxServer, page: int
) -> None:
    ids = list(
        PsaCompanyRecord.objects.filter(importable=True).values_list("external_id", flat=True)
    )
    import_companies(integration=connected, external_ids=ids, actor=None)
    run = SyncRun.objects.get(trigger="import")
    pages = 0

    def dying(moment: str, subject: str) -> None:
        nonlocal pages
        pages += (moment, subject) == ("page stored", "agreements")
        if pages == page:
            raise Killed

    with pytest.raises(Killed):
        run_sync(tenant_id=str(run.tenant_id), run_id=str(run.pk), on_moment=dying)
    before = set(asked(sandbox))
    stored = set(Agreement.objects.values_list("external_id", flat=True))
    assert not Agreement.objects.exclude(gone_at=None).exists()
    sandbox.forget_requests()

    run = go_on(run)

    again = {path.split("/")[-2] for path in asked_in_order(sandbox)} & stored
    assert (run.state, run.attempts, again) == ("succeeded", 2, set())
    assert before
    assert Agreement.objects.filter(gone_at=None).count() == 43
    assert run.counts["agreements"]["created"] == 43
    assert not CompanyLink.objects.filter(ended_unread=True).exists()
    assert not SyncRunPage.objects.filter(kind=TODAYS).exists()


@pytest.mark.usefixtures("few")
def test_a_sync_of_what_is_read_needs_one_round(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    sandbox.forget_requests()

    run = synced(connected)

    asked_for = asked_in_order(sandbox)
    assert len(asked_for) == len(set(asked_for))
    lists = [r for r in sandbox.requests() if r["path"].endswith("/finance/agreements")]
    assert len(lists) == 2 * 6  # 27 companies by fives, each list with the page that ends it
    assert run.counts["agreements"]["unchanged"] == Agreement.objects.count() == 43


@pytest.mark.usefixtures("few")
def test_what_one_run_left_unread_the_next_one_reads_whole(
    connected: Integration, sandbox: SandboxServer
) -> None:
    import_all(connected)
    whole = rows()
    link = CompanyLink.objects.filter(company__agreements__isnull=False).first()
    assert link is not None
    Agreement.objects.filter(company=link.company_id).delete()
    CompanyLink.objects.filter(pk=link.pk).update(ended_unread=True)

    start_company_sync(company=link.company, actor=None)
    work_off()

    link.refresh_from_db()
    assert (link.ended_unread, rows()) == (False, whole)


def test_what_counts_today_of_a_second_import_comes_before_what_is_over_of_the_first(
    connected: Integration, few: None
) -> None:
    ids = list(
        PsaCompanyRecord.objects.filter(importable=True)
        .order_by("id")
        .values_list("external_id", flat=True)
    )
    first, second = (
        import_companies(integration=connected, external_ids=part, actor=None).sync_run
        for part in (ids[:12], ids[12:])
    )
    assert first is not None
    assert second is not None
    rounds: list[tuple[str, bool]] = []

    def note(moment: str, subject: str) -> None:
        if (moment, subject) == ("page stored", "agreements"):
            unread = CompanyLink.objects.in_force().filter(read_at=None).exists()
            over = CompanyLink.objects.in_force().filter(ended_unread=True).count()
            rounds.append((f"{over} of {len(ids)} wait", unread))

    run_sync(tenant_id=str(first.tenant_id), run_id=str(first.pk), on_moment=note)
    first.refresh_from_db()
    assert (first.state, first.lease_until, first.waiting_for) == ("running", None, "")
    assert CompanyLink.objects.in_force().filter(ended_unread=True).count() == 12
    work_off(note)

    for run in (first, second):
        run.refresh_from_db()
        assert run.state == "succeeded"
    assert (f"{len(ids)} of {len(ids)} wait", False) in rounds
    assert not CompanyLink.objects.in_force().filter(ended_unread=True).exists()
