"""Pages of an audITee: what is asked before it is archived or unlinked, and the list."""

from __future__ import annotations

import re
from typing import Any

import pytest

from agreements import stored_mrr
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from integrations.models import Integration
from tests.clients import browser, text
from tests.factories import (
    make_agreement,
    make_company,
    make_integration,
    make_link,
    make_member,
    make_psa_company,
)


def test_what_the_psa_owns_is_marked_and_not_editable(alex: User, tenant: Tenant) -> None:
    company, integration = make_company(tenant), make_integration(tenant)
    make_link(company, integration, problem_codes=["inactive"])
    client = browser(alex)

    page = text(client.get(f"/companies/{company.pk}/"))
    form = text(client.get(f"/companies/{company.pk}/edit/"))
    client.post(f"/companies/{company.pk}/edit/", {"name": "Mine", "phone": "1"})

    assert "From ConnectWise Manage" in page
    assert "Its status in ConnectWise Manage does not count as Active." in page
    assert "come from ConnectWise Manage" in form
    assert 'name="name"' not in form
    company.refresh_from_db()
    assert company.name != "Mine"


def test_the_type_of_a_linked_auditee_is_ours_to_change(mia: User, tenant: Tenant) -> None:
    company = make_company(tenant)
    make_link(company, make_integration(tenant))
    client = browser(mia)

    client.post(f"/companies/{company.pk}/edit/", {"type": "prospect"})

    company.refresh_from_db()
    assert company.type == "prospect"
    assert "Prospect" in text(client.get(f"/companies/{company.pk}/"))


def test_an_auditee_is_added_archived_and_brought_back(mia: User) -> None:
    client = browser(mia)

    client.post("/companies/add/", {"name": "By hand", "email": "a@b.example"})
    company = Company.objects.get()
    client.post(f"/companies/{company.pk}/archive/")
    company.refresh_from_db()
    assert company.status == "archived"
    assert "By hand" not in text(client.get("/companies/"))
    assert "By hand" in text(client.get("/companies/?status=archived"))
    client.post(f"/companies/{company.pk}/restore/")
    company.refresh_from_db()
    assert company.status == "active"


@pytest.fixture
def company(tenant: Tenant, integration: Integration) -> Company:
    """Linked, with an MRR in two currencies."""
    company = make_company(tenant, name="Acme")
    make_link(company, integration, external_id="7")
    make_psa_company(integration, external_id="7", name="Acme there")
    make_agreement(company, integration, amount="5089.80")
    make_agreement(company, integration, amount="300", currency="EUR")
    stored_mrr.verify([tenant.pk], mend=True)
    return company


def points(answer: Any) -> list[str]:
    content = text(answer).split("<main")[1]
    return re.findall(r"<li>(.*?)</li>", content)


def test_archiving_asks_first_with_what_it_does(mia: User, company: Company) -> None:
    client, address = browser(mia), f"/companies/{company.pk}/archive/"

    asked = client.get(address)

    assert "<h1>Archive Acme?</h1>" in text(asked)
    assert points(asked) == [
        "EUR 300.00 a month leaves the MRR of all audITees.",
        "USD 5,089.80 a month leaves the MRR of all audITees.",
        "Its place in the licence becomes free.",
        "It stays linked, but is not synced while it is archived.",
        "Everything about it is kept. Restore brings it back if the licence has room then.",
    ]
    assert Company.objects.get().status == "active"
    assert f'href="{address}"' in text(client.get(f"/companies/{company.pk}/"))
    done = client.post(address, follow=True)
    assert "Archived. Everything about it is kept" in text(done)
    assert Company.objects.get().status == "archived"
    assert client.get(address)["Location"] == f"/companies/{company.pk}/"


def test_an_auditee_without_mrr_takes_none_with_it(alex: User, tenant: Tenant) -> None:
    company = make_company(tenant)

    asked = points(browser(alex).get(f"/companies/{company.pk}/archive/"))

    assert asked[0] == "The MRR of all audITees stays as it is: it has none."
    assert len(asked) == 3


def test_unlinking_asks_first_with_what_it_does(mia: User, company: Company) -> None:
    client, address = browser(mia), f"/companies/{company.pk}/unlink/"

    asked = client.get(address)

    assert "<h1>Unlink Acme?</h1>" in text(asked)
    assert points(asked) == [
        "Nothing of it is read from ConnectWise Manage any more. Contacts and agreements stay as "
        "they were last seen.",
        "EUR 300.00 a month stays in the MRR, whatever changes in ConnectWise Manage.",
        "USD 5,089.80 a month stays in the MRR, whatever changes in ConnectWise Manage.",
        "Name and primary contact become yours to edit; the agreements don't.",
        "It keeps its place in the licence, and can be linked again at any time.",
    ]
    assert company.links.get().unlinked_at is None
    assert f'href="{address}"' in text(client.get(f"/companies/{company.pk}/psa/"))
    done = client.post(address, follow=True)
    assert "its agreements are read no more." in text(done)
    assert company.links.get().unlinked_at is not None
    assert client.get(address)["Location"] == f"/companies/{company.pk}/"


def test_unlinking_an_archived_one_changes_no_sum_and_no_licence(
    mia: User, company: Company
) -> None:
    Company.objects.update(status="archived")
    client = browser(mia)

    asked = points(client.get(f"/companies/{company.pk}/unlink/"))

    assert asked[1:] == [
        "Name and primary contact become yours to edit; the agreements don't.",
        "It is archived: it counts in no sum and holds no place in the licence. It can be linked "
        "again at any time.",
    ]
    assert f'action="/companies/{company.pk}/sync/"' not in text(
        client.get(f"/companies/{company.pk}/mrr/")
    )


@pytest.mark.parametrize("path", ["archive/", "unlink/"])
def test_a_viewer_is_not_asked(vic: User, company: Company, path: str) -> None:
    assert browser(vic).get(f"/companies/{company.pk}/{path}").status_code == 403


def test_an_archived_one_offers_no_resync_and_is_named_in_the_import_list(
    alex: User, integration: Integration, company: Company
) -> None:
    client = browser(alex)
    address, listed = f"/companies/{company.pk}/", "/import/?tab=linked"
    assert f'action="{address}sync/"' in text(client.get(address))
    assert "Linked to Acme</a>" in text(client.get(listed))

    Company.objects.update(status="archived")

    assert f'action="{address}sync/"' not in text(client.get(address))
    found = re.search(r'<a [^>]*href="([^"]*)">(?:(?!</a>).)*Linked to Acme \(archived\)</a>',
                      text(client.get(listed)))  # fmt: skip
    assert found is not None
    assert found[1] == address


def begins_with(tenant: Tenant, company: Company, query: str = "") -> list[str]:
    page = text(browser(make_member(tenant)).get(f"/companies/{company.pk}/link/{query}"))
    return re.findall(r'<option value="[^"]*" selected>([^<]*)</option>', page)


def test_linking_begins_where_a_company_of_the_same_name_waits(tenant: Tenant) -> None:
    one, two, three = (make_integration(tenant, name=name) for name in ("One", "Two", "Three"))
    company = make_company(tenant, name="Gärtner Realty")
    make_psa_company(one, name="Gärtner Realty & Sons")
    taken = make_psa_company(two, name="Gärtner Realty")
    make_link(make_company(tenant), two, external_id=taken.external_id)
    make_psa_company(three, name="GARTNER realty")

    assert begins_with(tenant, company) == ["Three"]
    assert begins_with(tenant, company, f"?integration={two.pk}") == ["Two"]
    assert begins_with(tenant, make_company(tenant, name="Nobody")) == ["One"]


NAMES = ("Gärtner Realty", "Greenfield", "garden & sons", "Élan", "Zoë", "Straße", "eagle", "Čapek")


def listed(tenant: Tenant, query: str = "") -> list[str]:
    page = text(browser(make_member(tenant)).get(f"/companies/{query}"))
    return re.findall(r"<strong>([^<]*)</strong></a>", page)


@pytest.mark.parametrize(
    ("search", "found"),
    [
        ("gartner", ["Gärtner Realty"]),
        ("G%C3%84RTNER", ["Gärtner Realty"]),
        ("strasse", ["Straße"]),
        ("STRA%C3%9FE", ["Straße"]),
        ("capek", ["Čapek"]),
        ("EL", ["Élan", "Greenfield"]),
        ("%25", []),
        ("_", []),
        ("%00", ["Only one"]),
    ],
)
def test_a_search_minds_no_case_and_no_accents(
    tenant: Tenant, search: str, found: list[str]
) -> None:
    for name in NAMES if found != ["Only one"] else found:
        make_company(tenant, name=name)

    assert listed(tenant, f"?search={search}") == found


def test_the_list_is_in_the_order_of_a_dictionary(tenant: Tenant) -> None:
    for name in NAMES:
        make_company(tenant, name=name)

    in_order = [
        "Čapek", "eagle", "Élan", "garden &amp; sons", "Gärtner Realty", "Greenfield", "Straße",
        "Zoë",
    ]  # fmt: skip
    assert listed(tenant) == in_order
    assert listed(tenant, "?order=mrr") == in_order


def field(page: str, name: str) -> str:
    """What stands in a field of a form."""
    (tag,) = re.findall(rf'<input[^>]*name="{name}"[^>]*>', page)
    found = re.search(r'value="([^"]*)"', tag)
    return found[1] if found else ""


@pytest.mark.parametrize(
    ("limit", "contact", "said"),
    [
        (100, {}, "The primary contact needs an e-mail address or a phone number."),
        (
            0,
            {"email": "a@b.example"},
            "Your licence covers 0 audITees, and all of them are in use.",
        ),
    ],
)
def test_a_refused_auditee_keeps_what_was_typed(
    mia: User, limit: int, contact: dict[str, str], said: str
) -> None:
    Tenant.objects.update(company_limit=limit)

    answer = browser(mia).post(
        "/companies/add/", {"name": "By hand", "last_name": "Lund", **contact}
    )

    page = text(answer)
    assert answer.status_code == 422
    assert said in page
    assert field(page, "name") == "By hand"
    assert field(page, "last_name") == "Lund"
    assert field(page, "email") == contact.get("email", "")
    assert not Company.objects.exists()


def test_its_agreements_are_cards_on_a_phone(mia: User, tenant: Tenant) -> None:
    company = make_company(tenant, name="Acme")
    make_agreement(company, make_integration(tenant), amount="300")

    page = re.sub(r"\s+", " ", text(browser(mia).get(f"/companies/{company.pk}/")))

    assert '<table class="table cards"><caption class="visually-hidden">Agreements of Acme' in page
    assert 'data-label="Dates"' in page
    assert 'data-label="Billing"' in page
    assert '<td class="num money">' in page
