"""AudITees that move to another account: the same ones, with their history, and a way back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from agreements.decisions import choose
from agreements.history import shown_versions, versions_of
from agreements.models import Agreement, AgreementChoices, ChoiceRecord
from audit_site.tenants.models import AuditEvent, Tenant, User
from companies.models import Company, Contact
from integrations.importing.import_companies import import_companies
from integrations.links.undoing import undo_link
from integrations.matching.suggesting import match_links
from integrations.models import (
    CompanyLink,
    Integration,
    LinkMatching,
    PsaCompanyRecord,
    PsaContactRecord,
)
from integrations.sandbox.server import SandboxServer
from integrations.sync.agreements_phase import AgreementsPhase
from tests.clients import V1, api_of, browser, page_text, problem
from tests.conftest import TODAY, connect
from tests.factories import (
    make_api,
    make_company,
    make_integration,
    make_link,
    make_psa_company,
)
from tests.integrations.links.stories import by_hand, linked, records_with_money
from tests.integrations.matching.suggestions import pair
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


def test_proposals_are_pairs_of_two_accounts(api: APIClient, integration: Integration) -> None:
    tenant = integration.tenant
    target = make_integration(tenant, name="The new one")
    company, record = pair(integration, "Amber Vet", email="ada@ambervet.com")
    make_link(company, integration, external_id=record.external_id)
    _, there = pair(target, "Amber Vet", email="bob@ambervet.com")
    make_company(tenant, name="Amber Vet")  # without a link: it has nothing to move

    (row,) = propose(api, integration, target)

    assert (row["kind"], row["from"], row["score"]) == ("move", str(integration.pk), 92)
    assert row["company"]["id"] == str(company.pk)
    assert row["psa_company"]["external_id"] == there.external_id
    (asked,) = api.get(f"{V1}/integrations/{target.pk}/move-links/").json()["results"]
    assert (asked["from"], asked["to"], asked["state"], asked["found"]) == (
        str(integration.pk),
        str(target.pk),
        "done",
        1,
    )
    event = AuditEvent.objects.get(action="integration.moves_asked")
    assert event.after == {"to": str(target.pk), "to_name": "The new one"}


def test_only_what_is_confirmed_moves_and_keeps_its_id(
    api: APIClient, integration: Integration
) -> None:
    target = make_integration(integration.tenant)
    for name in ("Amber Vet", "Zephyr Legal"):
        company, record = pair(integration, name)
        make_link(company, integration, external_id=record.external_id)
        make_psa_company(target, name=name)
    rows = propose(api, integration, target)
    amber = next(row for row in rows if row["company"]["name"] == "Amber Vet")

    body = confirm(api, amber)

    (moved,) = body["linked"]
    assert (moved["id"], moved["link"]["integration"]) == (
        amber["company"]["id"],
        str(target.pk),
    )
    assert body["sync_run"]["integration"] == str(target.pk)
    link = CompanyLink.objects.in_force().get(company=moved["id"])
    assert link.moved_from.integration == integration
    assert link.moved_from.unlinked_at is not None
    others = CompanyLink.objects.in_force().exclude(pk=link.pk)
    assert {one.integration_id for one in others} == {integration.pk}
    assert [row["company"]["name"] for row in rows if row != amber] == ["Zephyr Legal"]
    event = AuditEvent.objects.get(action="company.moved")
    assert (event.before["integration"], event.after["integration"]) == (
        str(integration.pk),
        str(target.pk),
    )


@pytest.mark.parametrize(
    ("what", "code"),
    [("taken", "already_linked"), ("renamed", "suggestion_changed"), ("unlinked", "not_suggested")],
)
def test_a_move_that_changed_meanwhile_changes_nothing(
    api: APIClient, integration: Integration, what: str, code: str
) -> None:
    target = make_integration(integration.tenant)
    company, record = pair(integration, "Amber Vet")
    link = make_link(company, integration, external_id=record.external_id)
    there = make_psa_company(target, name="Amber Vet")
    (row,) = propose(api, integration, target)
    match what:
        case "taken":
            other = make_company(integration.tenant)
            make_link(other, target, external_id=there.external_id)
        case "renamed":
            PsaCompanyRecord.objects.filter(pk=there.pk).update(name="Another")
        case "unlinked":
            CompanyLink.objects.update(unlinked_at=timezone.now())

    body = confirm(api, row)

    assert [one["code"] for one in body["rejected"]] == [code]
    link.refresh_from_db()
    assert (link.unlinked_at is None) == (what != "unlinked")
    assert CompanyLink.objects.filter(company=company).count() == 1


def test_who_may_ask_for_moves_and_what_is_refused(
    integration: Integration, other_tenant: Tenant
) -> None:
    admin, member = make_api(integration.tenant), make_api(integration.tenant, "member")
    target, foreign = make_integration(integration.tenant), make_integration(other_tenant)
    path = f"{V1}/integrations/{integration.pk}/move-links/"

    assert problem(member.post(path, {"to": str(target.pk)})) == (403, "admin_required")
    assert problem(admin.post(path, {"to": str(integration.pk)}))[0] == 400
    assert problem(admin.post(path, {}))[0] == 400
    for unknown in (str(foreign.pk), "no id"):
        answer = admin.post(path, {"to": unknown})
        assert answer.json()["errors"][0]["code"] == "does_not_exist"
    foreign_path = f"{V1}/integrations/{foreign.pk}/move-links/"
    assert problem(admin.post(foreign_path, {"to": str(target.pk)})) == (404, "not_found")
    assert LinkMatching.objects.count() == 0


def test_the_button_of_a_connection_leads_to_the_proposals(
    alex: User, mia: User, integration: Integration
) -> None:
    target = make_integration(integration.tenant, name="The new one")
    company, record = pair(integration, "Amber Vet")
    make_link(company, integration, external_id=record.external_id)
    make_psa_company(target, name="Amber Vet")
    settings = f"/integrations/{integration.pk}/"
    assert "Propose moves" in page_text(browser(alex).get(settings))
    assert "Propose moves" not in page_text(browser(mia).get(settings))
    client = browser(alex)

    body = page_text(client.post(f"{settings}move/", {"to": str(target.pk)}, follow=True))
    assert "proposals are being worked out" in body
    worked_out(integration.tenant)

    body = page_text(client.get(f"/import/moves/?integration={target.pk}"))
    assert f"Linked to {integration.name} now" in body
    assert "1 proposal" in body
    assert "Move what is ticked" in body
    old = client.get(f"/link-suggestions/?kind=move&integration={target.pk}")
    assert old["Location"] == f"/import/moves/?integration={target.pk}"
    assert "Proposed moves to another account: 1" in page_text(client.get("/import/?tab=suggested"))


def test_from_a_disconnected_account_audit_ees_move_as_well(
    alex: User, integration: Integration
) -> None:
    target = make_integration(integration.tenant)
    company, record = pair(integration, "Amber Vet")
    make_link(company, integration, external_id=record.external_id)
    make_psa_company(target, name="Amber Vet")
    Integration.objects.filter(pk=integration.pk).update(status="disconnected")

    api = api_of(alex)
    (row,) = propose(api, integration, target)

    assert [one["id"] for one in confirm(api, row)["linked"]] == [str(company.pk)]
    assert "Propose moves" in page_text(browser(alex).get(f"/integrations/{integration.pk}/"))


# What it brings in


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


@pytest.fixture
def story(connected: Integration, sandbox: SandboxServer, other_tenant: Tenant) -> Story:
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


def test_a_move_is_no_churn_and_the_past_stays_what_it_was(story: Story) -> None:
    before, contacts = story.series(), set(story.company.contacts.values_list("pk", flat=True))
    agreements = set(Agreement.objects.filter(company=story.company).values_list("pk", flat=True))

    story.move()
    assert story.series() == before, "until the new account was read"
    work_off()

    assert story.figure() == story.wanted
    assert story.series()[1:] == before[1:]
    assert story.wanted != before[0]
    for currency in story.movement():
        assert (currency["new"], currency["churn"], currency["reactivation"]) == (
            ("0.00", "0.00", "0.00")
        )
        assert (currency["opening"], currency["closing"]) == (
            dict(before[3])[currency["currency"]],
            dict(story.wanted)[currency["currency"]],
        )
    assert (
        set(
            Contact.objects.filter(company=story.company, pk__in=contacts).values_list(
                "pk", flat=True
            )
        )
        == contacts
    )
    assert agreements <= set(
        Agreement.objects.filter(company=story.company).values_list("pk", flat=True)
    )
    reasons = {
        row["reason"]["code"]
        for row in story.api.get(
            f"{V1}/companies/{story.company.pk}/mrr/",
            {"as_of": str(story.today - timedelta(days=1))},
        ).json()["agreements"]
        if row["reason"]
    }
    assert "before_move" in reasons
    assert synced(story.old).state == synced(story.new).state == "succeeded"
    assert story.figure() == story.wanted
    assert story.series()[1:] == before[1:]


@pytest.mark.parametrize(
    ("old", "new"), [("autotask", "kaseya_bms"), ("kaseya_bms", "connectwise")]
)
def test_between_any_two_psas_it_is_the_same(
    tenant: Tenant, api: APIClient, sandbox: SandboxServer, old: str, new: str
) -> None:
    source, target = connect(tenant, sandbox, old), connect(tenant, sandbox, new)
    left, there = (records_with_money(sandbox, psa)[0] for psa in (old, new))
    company = linked(by_hand(tenant), source, left)
    rows = PsaCompanyRecord.objects.filter(integration=target, external_id=there)
    rows.update(name=company.name)
    PsaContactRecord.objects.filter(integration=target).update(email="", phone="")
    truth = sandbox.psas[new].truth(TODAY)["companies"][there]["mrr"]
    moving = Story(api, company, source, target, there, api, company)
    before = moving.series()

    moving.move()
    work_off()

    assert moving.figure() == [(one["currency"], one["amount"]) for one in truth]
    assert moving.series()[1:] == before[1:]
    assert CompanyLink.objects.in_force().get(company=company).record == (target.pk, there)
    undo_link(company=company, actor=None)
    work_off()
    assert moving.series() == before
    assert CompanyLink.objects.in_force().get(company=company).record == (source.pk, left)


def kept_figures(company: Company) -> list[tuple[str, list[str]]]:
    """What caused each version of its book, the first one first, and what it comes to."""
    shown = shown_versions(company, list(versions_of(company)))
    return [
        (one.version.kind, [f"{total['amount']} {total['currency']}" for total in one.mrr_after])
        for one in reversed(shown)
    ]


@pytest.mark.parametrize("many_books", [1, 100])
def test_no_version_counts_both_accounts(
    story: Story, monkeypatch: pytest.MonkeyPatch, many_books: int
) -> None:
    monkeypatch.setattr(AgreementsPhase, "many_books", many_books)

    story.move()
    work_off()

    assert story.wanted == [("USD", "2457.60")]
    assert kept_figures(story.company) == [
        ("import", ["4960.07 USD"]),
        ("link", ["2457.60 USD"]),
    ]


def test_a_decision_that_goes_on_is_no_version_of_both_accounts(
    story: Story, alex: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(AgreementsPhase, "many_books", 1)
    theirs = Agreement.objects.exclude(tenant=story.company.tenant).filter(
        company__links__external_id=story.external_id, stored_mrr__included=True
    )
    old = Agreement.objects.filter(company=story.company, stored_mrr__included=True)
    first = old.order_by("id")[0]
    Agreement.objects.filter(pk=first.pk).update(name=theirs.order_by("id")[0].name)
    first.refresh_from_db()
    choose(agreement=first, actor=alex, changes={"assume_renewal": True}, note="They said so.")

    story.move()
    work_off()

    assert ChoiceRecord.objects.filter(agreement__integration=story.new).count() == 1
    figures = [figure for _, figure in kept_figures(story.company)]
    assert figures[0] == ["4960.07 USD"]
    assert {*map(tuple, figures)} == {("4960.07 USD",), ("2457.60 USD",)}


def test_a_move_restates_no_day_before_it(story: Story) -> None:
    figure = story.figure(40)
    known = timezone.now().isoformat()
    story.move()
    work_off()

    days = {"from": str(story.today - timedelta(days=40)), "to": str(story.today)}
    answer = story.api.get(
        f"{V1}/mrr/movement/", {**days, "company": str(story.company.pk), "known_from": known}
    )

    assert answer.status_code == 200, answer.content
    for currency in answer.json()["currencies"]:
        assert (currency["restated"], currency["churn"]) == ("0.00", "0.00")
        assert currency["opening"] == dict(figure)[currency["currency"]]
        assert currency["closing"] == dict(story.wanted)[currency["currency"]]
    body = story.api.get(
        f"{V1}/companies/{story.company.pk}/mrr/",
        {"as_of": str(story.today - timedelta(days=40)), "known_at": known},
    ).json()
    assert [(one["currency"], one["amount"]) for one in body["totals"]] == figure


def test_a_move_that_is_read_days_later_counts_from_its_own_day_on(story: Story) -> None:
    before, at_first = story.series(), story.figure(4)
    story.move()
    moved_at = timezone.now() - timedelta(days=3)
    CompanyLink.objects.in_force().filter(company=story.company).update(
        linked_at=moved_at, counts_from=story.company.tenant.today(moved_at)
    )

    work_off()

    since = [story.figure(days) for days in (0, 1, 3)]
    assert since == [story.wanted_on(days) for days in (0, 1, 3)]
    assert story.figure(4) == at_first
    assert story.figure(40) == before[3] != story.wanted_on(40)


def test_the_way_back_is_the_undo(story: Story) -> None:
    before, name = story.series(), story.company.name
    contacts = list(
        story.company.contacts.order_by("id").values_list("pk", "email", "gone_at", "is_primary")
    )
    story.move()
    work_off()
    assert story.figure() == story.wanted

    undo_link(company=story.company, actor=None)
    assert story.series() == before
    work_off()

    link = CompanyLink.objects.in_force().get(company=story.company)
    assert link.integration == story.old
    assert story.series() == before
    company = Company.objects.get(pk=story.company.pk)
    assert company.name == name
    assert contacts == list(
        company.contacts.order_by("id").values_list("pk", "email", "gone_at", "is_primary")
    )
    assert all(currency["churn"] == "0.00" for currency in story.movement())
    story.move()
    work_off()
    assert story.figure() == story.wanted
    assert story.series()[1:] == before[1:]


def test_who_moved_does_not_move_back_but_by_the_undo(story: Story) -> None:
    story.move()
    work_off()
    there = CompanyLink.objects.get(integration=story.old, company=story.company)
    PsaCompanyRecord.objects.filter(integration=story.old, external_id=there.external_id).update(
        name=story.company.name
    )
    proposed = propose(story.api, story.new, story.old)

    assert str(story.company.pk) not in {row["company"]["id"] for row in proposed}
    assert CompanyLink.objects.in_force().get(company=story.company).integration == story.new


def test_decisions_go_on_where_one_agreement_has_the_name_of_the_other(story: Story) -> None:
    new = Agreement.objects.filter(
        tenant__name__gt="",
        company__links__external_id=story.external_id,
        company__links__integration__psa="autotask",
    ).exclude(tenant=story.company.tenant)
    name = new.order_by("id")[0].name
    old = Agreement.objects.filter(company=story.company, gone_at=None).order_by("id")[0]
    Agreement.objects.filter(pk=old.pk).update(name=name)
    old.refresh_from_db()
    mia = make_api(story.company.tenant).user
    choose(agreement=old, actor=mia, changes={"exclude": True}, note="Billed elsewhere.")

    story.move()
    work_off()

    following = Agreement.objects.filter(company=story.company, integration=story.new, name=name)
    if following.count() != 1:
        pytest.skip("the sandbox has two of this name")
    choices = AgreementChoices.objects.get(agreement=following.get())
    assert choices.exclude
    record = ChoiceRecord.objects.get(agreement=following.get())
    assert record.note == (
        f"Carried over from {story.old.name} when the audITee moved. Billed elsewhere."
    )
    assert record.actor == story.api.user
