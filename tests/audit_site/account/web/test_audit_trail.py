"""The page of the audit trail: by filters, page after page, each act with its values in words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db.models import Model

from agreements.models import Agreement, AgreementLine
from audit_site.account.web.audit_values import OBJECTS, values_of
from audit_site.tenants.audit import record_audit
from audit_site.tenants.audit_actions import ACTIONS
from audit_site.tenants.members import remove_member
from audit_site.tenants.models import ApiToken, AuditEvent, Invitation, Tenant, User
from companies.models import Company
from integrations.models import (
    ImportBatch,
    Integration,
    LinkBatch,
    PsaCompanyRecord,
    PsaWord,
    SyncRun,
)
from tests.clients import browser, csv_rows, page_text, text
from tests.factories import make_company
from tests.queries import queries

TRAIL = "/account/audit/"


@pytest.fixture
def acme(tenant: Tenant, alex: User, mia: User) -> Company:
    acme = make_company(tenant, name="Acme")
    changed = {"before": {"name": "A"}, "after": {"name": "Acme"}}
    record_audit(tenant=tenant, actor=alex, action="company.changed", subject=acme, **changed)
    record_audit(tenant=tenant, actor=mia, action="company.archived", subject=acme)
    record_audit(tenant=tenant, actor=None, action="token.revoked", subject=tenant)
    return acme


def acts(page: str) -> list[str]:
    """Who did what, row by row."""
    rows = re.findall(r"<td><strong>(.*?)</td>", page)
    return [re.sub(r"<(details|span).*", "", row).replace("</strong>", "").strip() for row in rows]


def test_it_reads_as_sentences_newest_first(alex: User, acme: Company) -> None:
    browser(alex).post(f"/companies/{acme.pk}/archive/", {"confirm": "yes"})

    page = page_text(browser(alex).get(TRAIL))

    link = f'<a href="/companies/{acme.pk}/">Acme</a>'
    assert acts(page)[-2:] == [
        f"Mia Member archived the audITee {link}",
        f"Alex Admin changed the audITee {link}",
    ]
    assert '<th scope="row">Name</th><td>A</td><td>Acme</td>' in page
    assert "Nobody can change it. Times are by the clock of UTC." in page


def test_the_filters_are_one_form_that_keeps_what_was_chosen(
    alex: User, mia: User, acme: Company
) -> None:
    client = browser(alex)

    def found(query: str) -> int:
        return len(acts(page_text(client.get(TRAIL + query))))

    assert found("") == 3
    assert found(f"?actor={mia.pk}&action=&object=&from=&to=") == 1
    assert found("?actor=operator") == 1
    assert found("?action=company.changed") == 1
    assert found("?object=acm") == 2
    assert found("?from=2020-01-01&to=2020-01-02") == 0
    page = page_text(client.get(f"{TRAIL}?actor={mia.pk}&object=acm&from=2020-01-01"))
    assert f'<option value="{mia.pk}" selected>Mia Member</option>' in page
    assert 'value="acm"' in page
    assert 'value="2020-01-01"' in page
    assert (
        f'href="/account/audit/trail.csv?actor={mia.pk}&amp;object=acm&amp;from=2020-01-01"' in page
    )


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?from=soon", "Enter a valid date."),
        ("?from=2026-02-02&to=2026-02-01", "This day lies before the first one."),
        ("?to=9999-12-31", "There is nothing from those days"),
        ("?action=no.such", "no.such is not one of the available choices"),
        (f"?object={'x' * 201}", "at most 200 characters"),
    ],
)
def test_what_can_not_be_read_is_said_and_kept(
    alex: User, acme: Company, query: str, said: str
) -> None:
    answer = browser(alex).get(TRAIL + query)

    assert answer.status_code == 422
    assert said in text(answer)
    assert "Nothing fits" not in text(answer)
    back = browser(alex).get(f"{TRAIL}trail.csv{query}")
    assert (back.status_code, back["Location"]) == (302, TRAIL + query)


@pytest.mark.parametrize("query", ["?before=x", "?before=%00", "?actor=%00", "?object=%00"])
def test_what_nobody_would_type_does_no_harm(alex: User, acme: Company, query: str) -> None:
    assert browser(alex).get(TRAIL + query).status_code in {200, 422}


def test_pages_follow_each_other(
    alex: User, tenant: Tenant, acme: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit_site.account.web.audit_trail.PAGE_SIZE", 2)
    client = browser(alex)

    first = page_text(client.get(f"{TRAIL}?object=acme"))
    newest = page_text(client.get(TRAIL))
    older = re.search(r'href="(\?before=[^"]+)">Older', newest)
    assert older
    second = page_text(client.get(TRAIL + older[1]))

    assert (len(acts(first)), ">Older</a>" in first) == (2, False)
    assert len(acts(newest)) == 2
    assert [act.partition(" <")[0] for act in acts(second)] == ["Alex Admin changed the audITee"]
    assert ">Newest</a>" in second
    assert ">Older</a>" not in second


def test_a_page_costs_the_same_however_long(alex: User, tenant: Tenant, acme: Company) -> None:
    client = browser(alex)
    few = queries(lambda: client.get(TRAIL))
    for _ in range(20):
        record_audit(tenant=tenant, actor=alex, action="company.changed", subject=acme)

    assert queries(lambda: client.get(TRAIL)) == few


def test_the_csv_is_what_the_filters_leave(alex: User, mia: User, acme: Company) -> None:
    answer = browser(alex).get(f"{TRAIL}trail.csv?actor={mia.pk}")

    _, *rows = csv_rows(answer)
    assert [(row[1], row[9], row[10]) for row in rows] == [
        ("Mia Member", "company.archived", "Acme")
    ]
    assert AuditEvent.objects.get(action="audit.exported").after["actor"] == str(mia.pk)


def test_it_is_for_admins_of_this_tenant(mia: User, vic: User, otto: User, acme: Company) -> None:
    for person in (mia, vic):
        for address in (TRAIL, f"{TRAIL}trail.csv"):
            answer = browser(person).get(address)
            assert answer.status_code == 403
            assert "Alex Admin" in text(answer)
    event = AuditEvent.objects.order_by("id")[0]
    for query in ("", f"?before={event.pk}", f"?object={acme.pk}"):
        page = page_text(browser(otto).get(TRAIL + query))
        assert (acts(page), "Mia Member" in page) == ([], False)
    assert len(csv_rows(browser(otto).get(f"{TRAIL}trail.csv"))) == 1


@pytest.mark.parametrize(
    ("before", "after", "lines"),
    [
        ({"a": None}, {"a": True}, [("A", "nothing", "yes")]),
        ({"gone": "x"}, {"come": "y"}, [("Gone", "x", ""), ("Come", "", "y")]),
        (None, {"fields": ["private_key", "url"]}, [("Fields", "", "private key, url")]),
        (None, {"ids": [str(n) for n in range(13)]}, [("Ids", "", "13: the download names them")]),
        (None, {"said": {"every": 2, "unit": "month"}}, [("Said", "", "Every: 2; Unit: month")]),
        (None, {"until": "2020-06-15T08:30:00Z"}, [("Until", "", "15 Jun 2020, 08:30")]),
        (
            None,
            {"in_use": False, "psa": ""},
            [("In use at once", "", "no"), ("PSA", "", "nothing")],
        ),
        (
            None,
            {"email": "a@b.c", "timezone": "UTC", "owner": "7c"},
            [("E-mail", "", "a@b.c"), ("Time zone", "", "UTC"), ("Owner", "", "Ann")],
        ),
        (None, {"action": "tenant.exported"}, [("Action", "", "downloaded everything of")]),
        (None, None, []),
    ],
)
def test_values_are_words(before: Any, after: Any, lines: list[tuple[str, str, str]]) -> None:
    values = values_of(AuditEvent(before=before, after=after), {"7c": "Ann"})

    assert [(value.label, value.before, value.after) for value in values] == lines


#: What is written into the trail as its object, as the code says it → the models that it may be.
SUBJECTS: dict[str, tuple[type[Model], ...]] = {
    "agreement": (Agreement,),
    "batch": (ImportBatch, LinkBatch),
    "company": (Company,),
    "company or tenant": (Company, Tenant),
    "held": (Tenant,),
    "integration": (Integration,),
    "invitation": (Invitation,),
    "issue.integration": (Integration,),
    "link.company": (Company,),
    "locked": (Integration,),
    "pair.company": (Company,),
    "plan.company": (Company,),
    "record": (PsaCompanyRecord,),
    "line or agreement": (AgreementLine, Agreement),
    "report.company": (Company,),
    "row": (PsaWord,),
    "run": (SyncRun,),
    "source": (Integration,),
    "subject": (Company, Integration),
    "tenant": (Tenant,),
    "token": (ApiToken,),
    "user": (User,),
}


def subjects_in_the_code() -> Iterator[str]:
    for root in ("audit_site", "companies", "agreements", "integrations"):
        for path in Path(root).rglob("*.py"):
            if "record_audit" not in (code := path.read_text()) or "migrations" in path.parts:
                continue
            for node in ast.walk(ast.parse(code)):
                if isinstance(node, ast.Call) and ast.unparse(node.func) == "record_audit":
                    yield from (ast.unparse(k.value) for k in node.keywords if k.arg == "subject")


def test_every_kind_of_object_has_a_word() -> None:
    assert set(subjects_in_the_code()) == set(SUBJECTS)
    models = {model._meta.model_name for kinds in SUBJECTS.values() for model in kinds}
    assert models - set(OBJECTS) == set()
    assert OBJECTS["psacompanyrecord"] == "PSA company"


def test_what_was_done_is_chosen_by_sentences_in_groups(alex: User, acme: Company) -> None:
    page = page_text(browser(alex).get(TRAIL))

    choices = re.findall(r'<option value="([a-z_]+\.[a-z_]+)">(.*?)</option>', page)
    said = [words for _, words in choices]
    assert len(said) == len(set(said)) == len(set(ACTIONS.values()))
    assert ("company.figure_reported", "Asked about the MRR of …") in choices
    assert ("token.created", "Made the API token") in choices
    assert page.index('<optgroup label="Connections and keys">') < page.index("Changed the address")


def test_two_actions_of_one_sentence_are_found_together(alex: User, tenant: Tenant) -> None:
    for action in ("person.email_changed", "address.changed"):
        record_audit(tenant=tenant, actor=alex, action=action, subject=alex)

    page = page_text(browser(alex).get(f"{TRAIL}?action=person.email_changed"))

    assert acts(page) == ["Alex Admin changed their e-mail address"] * 2


def test_who_left_is_offered_and_named(alex: User, mia: User, acme: Company) -> None:
    tenant = acme.tenant
    remove_member(tenant=tenant, actor=alex, user=mia)
    record_audit(
        tenant=tenant, actor=alex, action="company.changed", subject=acme, after={"by": str(mia.pk)}
    )

    page = page_text(browser(alex).get(TRAIL))

    assert f'<option value="{mia.pk}">Mia Member (left)</option>' in page
    assert '<th scope="row">By</th><td>Mia Member (left)</td>' in page
    assert f'<option value="{alex.pk}">Alex Admin</option>' in page


def test_ways_in_are_words_for_people(alex: User, acme: Company) -> None:
    agent = "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
    client = browser(alex)
    client.post(f"/companies/{acme.pk}/archive/", {"confirm": "yes"}, headers={"user-agent": agent})

    page = page_text(client.get(f"{TRAIL}?actor={alex.pk}&action=company.archived"))

    shown = re.findall(r">([^<>]+)<", page[page.rindex("<td>") :])[:3]
    assert [words.strip() for words in shown] == ["Browser", "127.0.0.1", "Firefox on Linux"]
