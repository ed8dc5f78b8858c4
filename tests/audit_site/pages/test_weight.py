"""What pages weigh on the wire, and how long browsers keep what belongs to them."""

from __future__ import annotations

import gzip
import hashlib
import re
from pathlib import Path
from typing import Any

import brotli
import pytest
from django.conf import settings
from django.contrib.staticfiles import finders
from django.test import Client

from agreements.models import Agreement
from audit_site.pages.assets import fingerprinted
from companies.models import Company
from integrations.importing.import_companies import import_companies
from integrations.models import Integration, PsaCompanyRecord, SyncRun
from tests.factories import make_member
from tests.worker import work_off

FIRST_VISIT_BYTES, LATER_BYTES = 100_000, 30_000
YEAR = 365 * 24 * 3600
ASSET = re.compile(r'(?:src|href)="(/static/[^"#]+)')


@pytest.fixture
def signed_in(connected: Integration) -> Client:
    """Somebody whose tenant has something to show on each page."""
    importable = PsaCompanyRecord.objects.filter(integration=connected, importable=True)
    ids = list(importable.values_list("external_id", flat=True))
    import_companies(integration=connected, external_ids=ids, actor=None)
    work_off()
    client = Client(headers={"accept-encoding": "gzip"})
    client.force_login(make_member(connected.tenant, "admin"))
    return client


def wire_bytes(answer: Any) -> int:
    """Head and body as they are sent."""
    body = b"".join(answer.streaming_content) if answer.streaming else answer.content
    head = "".join(f"{name}: {value}\r\n" for name, value in answer.items())
    return len(head) + len(body)


def page_text(answer: Any) -> str:
    content: bytes = answer.content
    return (gzip.decompress(content) if "Content-Encoding" in answer else content).decode()


def addresses() -> dict[str, str]:
    integration, run = Integration.objects.get(), SyncRun.objects.order_by("id").last()
    company = Company.objects.order_by("id").first()
    busiest = Agreement.objects.order_by("id").first()
    assert run
    assert company
    assert busiest
    settings_page = f"/integrations/{integration.pk}/"
    return {
        "home": "/",
        "activity": "/activity/",
        "integrations": "/integrations/",
        "connect": "/integrations/connect/autotask/",
        "integration": settings_page,
        "import list": "/import/",
        "issues": f"{settings_page}issues/",
        "sync runs": "/sync-runs/",
        "sync run": f"/sync-runs/{run.pk}/",
        "audITees": "/companies/",
        "audITee": f"/companies/{company.pk}/",
        "audITee's MRR": f"/companies/{busiest.company_id}/mrr/",
        "MRR": "/mrr/",
    }


def test_every_page_is_light(signed_in: Client) -> None:
    pages = {"sign-in": Client(headers={"accept-encoding": "gzip"}).get("/accounts/login/")}
    pages |= {name: signed_in.get(address) for name, address in addresses().items()}
    too_heavy = []
    for name, answer in pages.items():
        assert answer.status_code == 200, name
        later = wire_bytes(answer)
        assets = sorted(set(ASSET.findall(page_text(answer))))
        first = later + sum(wire_bytes(signed_in.get(asset)) for asset in assets)
        print(f"{name:<14} first visit {first / 1000:5.1f} kB, later {later / 1000:4.1f} kB")
        if first > FIRST_VISIT_BYTES or later > LATER_BYTES:
            too_heavy.append((name, first, later))
    assert too_heavy == []


def test_every_asset_of_a_page_is_kept_for_good(client: Client, db: None) -> None:
    assets = set(ASSET.findall(client.get("/accounts/login/").content.decode()))

    assert assets
    for asset in assets:
        answer = client.get(asset)
        control = answer["Cache-Control"]
        assert "immutable" in control, asset
        age = re.search(r"max-age=(\d+)", control)
        assert age
        assert int(age[1]) >= YEAR, asset


@pytest.mark.parametrize(
    ("accepted", "encoding", "unpack"),
    [("br, gzip", "br", brotli.decompress), ("gzip", "gzip", gzip.decompress), ("", None, bytes)],
)
def test_an_asset_comes_as_the_browser_takes_it(
    client: Client, accepted: str, encoding: str | None, unpack: Any
) -> None:
    answer: Any = client.get(
        f"/static/{fingerprinted('app.css')}", headers={"accept-encoding": accepted}
    )

    source = finders.find("app.css")
    assert source
    assert answer.get("Content-Encoding") == encoding
    assert unpack(b"".join(answer.streaming_content)) == Path(source).read_bytes()


def test_an_address_changes_with_the_content() -> None:
    source = finders.find("app.css")
    assert source

    mark = hashlib.sha256(Path(source).read_bytes()).hexdigest()[:12]
    assert fingerprinted("app.css") == f"app.{mark}.css"
    assert fingerprinted("missing.css") == "missing.css"


def test_an_asset_of_another_release_is_served_and_not_kept(client: Client) -> None:
    """While a release is rolled out, its pages may ask a process of the last one."""
    answer: Any = client.get("/static/app.0123456789ab.css")

    assert answer.status_code == 200
    assert answer["Cache-Control"] == "max-age=60, public"


@pytest.mark.parametrize(
    "name", ["missing.0123456789ab.css", "../app.0123456789ab.css", "app.0123456789ab.css.br"]
)
def test_what_is_no_asset_is_not_found(client: Client, db: None, name: str) -> None:
    assert client.get(f"/static/{name}").status_code in {302, 404}
    assert not (Path(settings.STATIC_ROOT) / name).exists()


def test_answers_of_the_api_keep_their_etag(client: Client, db: None) -> None:
    answer = client.get("/api/v1/psas/", headers={"accept-encoding": "gzip"})

    assert "Content-Encoding" not in answer


def test_every_icon_in_the_sprite_is_used() -> None:
    """The sprite is loaded by every page: what none shows is left out of it."""
    sprite = finders.find("vendor/bootstrap-icons/icons.svg")
    assert sprite
    drawn = set(re.findall(r'<symbol[^>]* id="([^"]+)"', Path(sprite).read_text()))
    root = Path(settings.BASE_DIR)
    sources = [*root.glob("templates/**/*.html"), root / "static/app.js"]
    sources += [
        path
        for app in ("audit_site", "companies", "agreements", "integrations")
        for path in root.glob(f"{app}/**/*.py")
    ]
    written = "\n".join(path.read_text() for path in sources)

    assert {name for name in drawn if f'"{name}"' not in written} == set()
