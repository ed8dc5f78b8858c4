"""“You”, and the list of devices on it."""

from __future__ import annotations

from django.test import Client

from audit_site.tenants.models import AuditEvent, BrowserSession, User
from audit_site.tenants.sessions import hash_of
from tests.clients import browser, page_text
from tests.factories import make_user
from tests.signing_in import sign_in

YOU = "/account/you/"
CHROME = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/140.0.0.0 Safari/537.36"
)
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 19_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/19.0 Mobile/15E148 Safari/604.1"
)


def at(agent: str, address: str) -> Client:
    return Client(headers={"user-agent": agent}, REMOTE_ADDR=address)


def test_the_name_is_changed(alex: User) -> None:
    client = browser(alex)

    assert client.post(f"{YOU}name/", {"name": "  Alexandra  "})["Location"] == YOU
    assert client.post(f"{YOU}name/", {"name": "x" * 151}).status_code == 422

    alex.refresh_from_db()
    assert alex.name == "Alexandra"
    event = AuditEvent.objects.get(action="person.renamed")
    assert (event.before, event.after) == ({"name": "Alex Admin"}, {"name": "Alexandra"})


def test_each_device_is_named_with_its_address(alex: User) -> None:
    here = sign_in(alex, at(CHROME, "198.51.100.7"))
    sign_in(alex, at(PHONE, "2001:db8::5"))

    shown = page_text(here.get(YOU))

    first, second = shown.split('<div class="what">')[1:3]
    assert "Chrome on Windows" in first
    assert "This device" in first
    assert "198.51.100.7" in first
    assert "Safari on iPhone" in second
    assert "2001:db8::5" in second
    assert "This device" not in second


def test_one_device_is_signed_out(alex: User) -> None:
    here, there = sign_in(alex), sign_in(alex)
    other = BrowserSession.objects.exclude(pk=_session_of(here)).get()

    assert here.post(f"{YOU}devices/{other.pk}/end/")["Location"] == YOU

    assert there.get(YOU).status_code == 302
    assert here.get(YOU).status_code == 200
    assert here.post(f"{YOU}devices/{other.pk}/end/").status_code == 404


def _session_of(client: Client) -> str:
    return hash_of(client.cookies["sessionid"].value)


def test_everywhere_else_and_everywhere(alex: User) -> None:
    here, there, mobile = sign_in(alex), sign_in(alex), sign_in(alex)

    here.post(f"{YOU}devices/end-others/")
    event = AuditEvent.objects.get(action="person.sessions_ended")
    assert (event.before, event.after) == (None, {"sessions": 2})
    assert "2 other devices are signed out." in page_text(here.get(YOU))
    assert [client.get(YOU).status_code for client in (here, there, mobile)] == [200, 302, 302]
    there = sign_in(alex)
    assert here.post(f"{YOU}devices/end-all/")["Location"] == "/accounts/login/"
    assert [client.get(YOU).status_code for client in (here, there)] == [302, 302]
    assert not BrowserSession.objects.filter(user=alex).exists()


def test_nobody_ends_what_is_not_theirs(alex: User, otto: User) -> None:
    theirs = sign_in(otto)

    for method in ("get", "post"):
        answer = getattr(browser(alex), method)(f"{YOU}devices/{_session_of(theirs)}/end/")
        assert answer.status_code == (405 if method == "get" else 404)
    assert theirs.get(YOU).status_code == 200


def test_who_is_in_no_tenant_has_a_page_of_their_own(db: None) -> None:
    loner = make_user(email="loner@example.com")

    shown = page_text(browser(loner).get(YOU))

    assert "You are in no account yet." in shown
    assert "loner@example.com" in shown


def test_pages_of_the_library_that_are_not_ours_lead_to_it(alex: User) -> None:
    client = browser(alex)

    for address in ("/accounts/email/", "/accounts/confirm-email/", "/accounts/confirm-email/x:y/"):
        assert client.get(address)["Location"] == YOU
