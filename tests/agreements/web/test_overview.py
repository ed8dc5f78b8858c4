"""The tenant's MRR at a glance, and the list of audITees by MRR."""

from __future__ import annotations

from datetime import date

from agreements import stored_mrr
from audit_site.tenants.models import Tenant, User
from companies.models import Company
from tests.clients import browser, text
from tests.factories import make_agreement, make_company, make_integration


def test_the_book_shows_sums_concentration_sources_and_ends(
    alex: User, tenant: Tenant, company: Company
) -> None:
    integration = make_integration(tenant, psa="autotask", name="Our Autotask")
    soon = make_company(tenant, name="Ends soon")
    today = tenant.today()
    make_agreement(
        soon, integration, amount="100", end_date=date.fromordinal(today.toordinal() + 5)
    )
    stored_mrr.verify([tenant.pk], mend=True)

    page = text(browser(alex).get("/mrr/?within=30"))

    assert "USD 1,400.00" in page
    assert "The largest 2 of 2 bring 100.0 %." in page
    assert "Our Autotask" in page
    assert "What ends within 30 days" in page
    assert "Ends soon" in page
    assert 'hx-get="/mrr/charts/' in page


def test_what_is_rounded_one_by_one_adds_up_with_the_rounding(alex: User, tenant: Tenant) -> None:
    for psa in ("autotask", "connectwise"):
        make_agreement(make_company(tenant), make_integration(tenant, psa=psa, name=psa),
                       amount="100", cycle="semi_annual")  # fmt: skip
    stored_mrr.verify([tenant.pk], mend=True)

    page = text(browser(alex).get("/mrr/"))

    assert page.count("USD 16.67") == 4
    assert "USD 33.33" in page
    assert page.count("Each is rounded by itself, the sum once.") == page.count("USD -0.01") == 2


def test_an_empty_book_says_what_to_do(alex: User) -> None:
    client = browser(alex)

    assert "Import audITees from your PSA" in text(client.get("/mrr/"))
    assert "nothing to draw" in text(client.get("/mrr/charts/"))


def test_the_list_sorts_by_mrr(alex: User, tenant: Tenant, company: Company) -> None:
    small = make_company(tenant, name="A small one")
    make_agreement(small, make_integration(tenant), amount="5")
    stored_mrr.verify([tenant.pk], mend=True)
    client = browser(alex)

    down, up = (text(client.get(f"/companies/?order={order}")) for order in ("-mrr", "mrr"))

    assert down.index("HYPERLINK") < down.index("A small one")
    assert up.index("A small one") < up.index("HYPERLINK")
