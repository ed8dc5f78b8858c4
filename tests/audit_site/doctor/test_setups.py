"""Broken set-ups, one by one: `doctor` names each, and what mends it."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from allauth.mfa.models import Authenticator
from celery import current_app
from django.core.cache import cache
from django.core.management import call_command
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder
from django.utils import timezone

from audit_site import key_ring, worker_heartbeat
from audit_site.doctor.examination import CHECKS
from audit_site.doctor.findings import Finding
from audit_site.tenants.models import Tenant, User
from integrations.connecting.lifecycle import create_integration
from tests.audit_site.doctor.servers import behind, mail_server, something_else, web
from tests.certificates import make_certificate

pytestmark = pytest.mark.once

#: Two keys for stored secrets, of which the tests know the bytes.
FIRST = "first:Zmlyc3Qta2V5LW9mLXRlc3RzLTAwMDAwMDAwMDAwMDA="
SECOND = "second:c2Vjb25kLWtleS1vZi10ZXN0cy0wMDAwMDAwMDAwMDA="
#: The same id before other bytes.
SWAPPED = f"first:{SECOND.partition(':')[2]}"
SITE = {"PUBLIC_URL": "https://audit.example.com", "IS_HTTPS": True}


def look(name: str) -> Finding:
    return CHECKS[name]()


def told(name: str) -> tuple[str, str, str]:
    found = look(name)
    return found.level.value, found.says, found.mend


@pytest.mark.parametrize(
    ("check", "over", "says", "mend"),
    [
        ("debug", {"DEBUG": True}, "DEBUG is on", "Set DEBUG=0"),
        ("secret_key", {"SECRET_KEY": "short"}, "SECRET_KEY can be guessed", "50 random"),
        ("secret_key", {"SECRET_KEY": "ab" * 40}, "SECRET_KEY can be guessed", "50 random"),
        (
            "public_url",
            {"PUBLIC_URL": "http://audit.example.com", "IS_HTTPS": False},
            "PUBLIC_URL is http://audit.example.com: passwords",
            "Let a proxy end TLS",
        ),
        ("allowed_hosts", {"ALLOWED_HOSTS": ["*"]}, "ALLOWED_HOSTS has *", "host of PUBLIC_URL"),
        (
            "private_psas",
            {"PSA_ALLOW_PRIVATE_HOSTS": True},
            "PSA_ALLOW_PRIVATE_HOSTS is on",
            "Set PSA_ALLOW_PRIVATE_HOSTS=0",
        ),
    ],
)
def test_a_setting_that_no_public_site_may_have(
    settings: Any, check: str, over: dict[str, Any], says: str, mend: str
) -> None:
    for name, value in (SITE | over).items():
        setattr(settings, name, value)

    level, said, mended = told(f"settings.{check}")

    assert level == "failing"
    assert said.startswith(says)
    assert mend in mended


def test_the_same_settings_on_ones_own_machine(settings: Any) -> None:
    settings.DEBUG = True

    assert look("settings.debug").level == "warning"
    for check in ("secret_key", "public_url", "allowed_hosts", "private_psas", "deployment"):
        assert told(f"settings.{check}")[::2] == ("ok", "")


def test_djangos_own_list_is_read_for_a_public_site(settings: Any) -> None:
    for name, value in SITE.items():
        setattr(settings, name, value)
    settings.SECURE_HSTS_SECONDS = 0

    level, said, _ = told("settings.deployment")

    assert level == "warning"
    assert "security.W004: You have not set a value for the SECURE_HSTS_SECONDS setting" in said


def test_a_key_ring_that_cannot_be_read(settings: Any, db: None) -> None:
    settings.CREDENTIAL_KEYS = "first:c2hvcnQ="

    level, said, mend = told("keys.ring")

    assert (level, "CREDENTIAL_KEYS must hold" in said) == ("failing", True)
    assert mend == "Correct CREDENTIAL_KEYS; keys that stored secrets need must stay in it."
    assert look("keys.stored").level == "failing"
    assert "c2hvcnQ" not in said


@pytest.mark.parametrize(
    ("ring", "level", "says", "mend"),
    [
        (FIRST, "ok", "1 stored secret can be opened with the newest key.", ""),
        (
            f"{SECOND},{FIRST}",
            "warning",
            "Stored secrets still use older keys: “first” (1).",
            "Run `python manage.py rotate_credentials`, then take the older keys out.",
        ),
        (
            SECOND,
            "failing",
            "1 stored secret can't be opened: saved with “first”, which CREDENTIAL_KEYS lacks or "
            "has with other bytes.",
            "Bring the key back into CREDENTIAL_KEYS, or have those connections' keys typed again.",
        ),
        (
            SWAPPED,
            "failing",
            "1 stored secret can't be opened: saved with “first”, which CREDENTIAL_KEYS lacks or "
            "has with other bytes.",
            "Bring the key back into CREDENTIAL_KEYS, or have those connections' keys typed again.",
        ),
    ],
    ids=["in use", "an older key in use", "key missing", "other bytes"],
)
def test_keys_and_what_is_stored_with_them(
    settings: Any, tenant: Tenant, ring: str, level: str, says: str, mend: str
) -> None:
    settings.CREDENTIAL_KEYS = FIRST
    create_integration(
        tenant=tenant,
        actor=None,
        psa="connectwise",
        credentials={
            "server_url": "https://na.myconnectwise.net",
            "company_id": "acme",
            "public_key": "aaaaaaaaaaaaaaaa",
            "private_key": "bbbbbbbbbbbbbbbb",
        },
    )
    settings.CREDENTIAL_KEYS = ring

    assert told("keys.stored") == (level, says, mend)


def test_secrets_that_an_older_release_kept_readable(alex: User) -> None:
    kept = {"seed": key_ring.seal("a seed", "two-factor"), "migrated_codes": ["11111111"]}
    Authenticator.objects.create(user=alex, type="totp", data={"secret": "JBSWY3DPEHPK3PXP"})
    Authenticator.objects.create(user=alex, type="recovery_codes", data=kept)

    found = told("keys.stored")
    call_command("rotate_credentials", stdout=io.StringIO())

    assert found == (
        "failing",
        "2 secrets of two-factor sign-in stored readable, by an older release.",
        "Run `python manage.py rotate_credentials`, which encrypts them.",
    )
    assert told("keys.stored")[:2] == (
        "ok",
        "3 stored secrets can be opened with the newest key.",
    )


def test_a_migration_that_was_not_applied(db: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("only the owner of the tables writes down what was applied")
    recorder = MigrationRecorder(connection)
    last = recorder.migration_qs.filter(app="companies").order_by("name").last()
    recorder.record_unapplied("companies", last.name)

    assert told("database.migrations") == (
        "failing",
        f"1 migration not applied: companies.{last.name}.",
        "Run `python manage.py migrate`, then start the processes again.",
    )


def test_a_sqlite_file_behind_a_public_site(settings: Any, db: None) -> None:
    if connection.vendor != "sqlite":
        pytest.skip("needs SQLite")
    for name, value in SITE.items():
        setattr(settings, name, value)

    level, said, _ = told("database.reachable")

    assert (level, said) == ("warning", "The database is an SQLite file, which serves one machine.")


@pytest.mark.parametrize(
    ("seconds", "level", "says"),
    [
        (0, "ok", "The database's clock and this machine's agree."),
        (10, "warning", "The database's clock and this machine's differ by 10 seconds."),
        (-3600, "failing", "The database's clock and this machine's differ by 3600 seconds."),
    ],
)
def test_a_clock_that_is_wrong(db: None, seconds: int, level: str, says: str) -> None:
    if connection.vendor != "postgresql":
        pytest.skip("needs PostgreSQL")
    look("database.clock")  # a connection that stands needs no time of its own

    with time_machine.travel(timezone.now() + timedelta(seconds=seconds)):
        found = told("database.clock")

    assert found[:2] == (level, says)


def test_a_broker_that_cannot_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(current_app.conf, "broker_url", "redis://:hushed@127.0.0.1:1/0")

    level, said, mend = told("broker")

    assert (level, said.partition(" (")[0]) == ("failing", "The broker can't be reached")
    assert "CELERY_BROKER_URL" in mend
    assert "hushed" not in said + mend


@pytest.mark.parametrize(
    ("url", "level"),
    [
        ("redis://redis.example.com:6379/0", "failing"),
        ("redis://:hushed@redis.example.com:6379/0", "ok"),
        ("redis://127.0.0.1:6379/0", "ok"),
        ("filesystem://", "warning"),
    ],
)
def test_a_broker_that_takes_messages_from_everybody(settings: Any, url: str, level: str) -> None:
    settings.PUBLIC_URL, settings.CELERY_BROKER_URL = SITE["PUBLIC_URL"], url

    found = look("broker")

    assert found.level == level
    assert "hushed" not in found.says + found.mend
    assert ("requirepass" in found.mend) == (level == "failing")


def test_no_worker(db: None) -> None:
    cache.clear()

    level, said, mend = told("worker")

    assert (level, said.partition(":")[0]) == (
        "failing",
        "No worker was heard of within ten minutes",
    )
    assert mend.startswith("Start `celery -A audit_site worker -B`")


def test_a_worker_that_fell_silent_and_one_that_is_at_work(db: None) -> None:
    worker_heartbeat.beat()

    assert look("worker").says == "A worker and its clock are at work, and run this code."
    with time_machine.travel(timezone.now() + timedelta(seconds=90)):
        level, said, _ = told("worker")
    assert (level, said.partition(":")[0]) == ("failing", "No worker was heard of for 90 seconds")


def test_a_worker_of_another_release(db: None) -> None:
    worker_heartbeat.beat()
    cache.set(worker_heartbeat.RELEASE_KEY, "0123456789ab")

    assert told("worker") == (
        "warning",
        "The worker that was heard of last runs other code than this command.",
        "Start the workers again, so that all processes are of one release.",
    )


@pytest.mark.parametrize(
    ("password", "level", "says", "mend"),
    [
        ("right", "ok", "The mail server 127.0.0.1:{port} lets this product in.", ""),
        (
            "wrong",
            "failing",
            "The mail server 127.0.0.1:{port} refuses the sign-in.",
            "Correct EMAIL_HOST_USER and EMAIL_HOST_PASSWORD.",
        ),
    ],
)
def test_a_mail_server_and_the_sign_in_there(
    settings: Any, password: str, level: str, says: str, mend: str
) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_USE_TLS = "127.0.0.1", False
    settings.EMAIL_HOST_USER, settings.EMAIL_HOST_PASSWORD = "me", password
    with mail_server() as port:
        settings.EMAIL_PORT = port

        assert told("mail") == (level, says.format(port=port), mend)

    level, said, _ = told("mail")  # now nobody is there
    assert (level, said) == (
        "failing",
        f"The mail server 127.0.0.1:{port} can't be used (ConnectionRefusedError).",
    )


def test_mails_that_go_to_the_log_of_a_public_site(settings: Any) -> None:
    settings.EMAIL_BACKEND = "django.core.mail.backends.console.EmailBackend"
    assert look("mail").level == "ok"
    settings.PUBLIC_URL = SITE["PUBLIC_URL"]

    assert told("mail") == (
        "warning",
        "No mail leaves: invitations and links for passwords are written to the log.",
        "Set EMAIL_HOST and the settings beside it in .env.example.",
    )


@pytest.mark.parametrize(
    ("proxies", "trusted", "level", "says", "mend"),
    [
        (0, 0, "ok", "leads to this product, by 0 proxies.", ""),
        (2, 2, "ok", "leads to this product, by 2 proxies.", ""),
        (2, 1, "failing", "all people count as one address", "Set TRUST_PROXY=2 and"),
        (0, 1, "failing", "people can type the address", "Set TRUST_PROXY=0, or"),
    ],
)
def test_the_number_of_proxies(
    settings: Any, proxies: int, trusted: int, level: str, says: str, mend: str
) -> None:
    settings.TRUST_PROXY = trusted
    with web(behind(proxies)) as settings.PUBLIC_URL:
        found = look("public_address")

    assert (found.level, says in found.says) == (level, True)
    assert found.mend.startswith(mend)


def test_something_else_at_the_public_address(settings: Any) -> None:
    with web(something_else) as settings.PUBLIC_URL:
        found = look("public_address")

    assert found.level == "failing"
    assert found.says == f"Something else answers at {settings.PUBLIC_URL}."


def test_a_web_process_with_another_secret_key(settings: Any) -> None:
    def other(environ: dict[str, Any], start_response: Any) -> Any:
        environ["HTTP_X_AUDIT_DOCTOR"] += "x"  # as if signed with another key
        return behind(0)(environ, start_response)

    with web(other) as settings.PUBLIC_URL:
        found = look("public_address")

    assert found.level == "failing"
    assert "has another SECRET_KEY" in found.says


@pytest.mark.parametrize(
    ("days", "trusts", "proto", "level", "says"),
    [
        (60, True, "https", "ok", "leads to this product, by 1 proxy."),
        (5, True, "https", "warning", "ends in 5 days."),
        (-1, True, "https", "failing", "certificate has expired"),
        (60, False, "https", "failing", "self-signed certificate"),
        (60, True, "http", "failing", "each page leads to itself without end"),
    ],
    ids=["well", "soon", "expired", "unknown", "proto"],
)
def test_the_certificate_and_what_the_proxy_says(
    settings: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    days: int,
    trusts: bool,
    proto: str,
    level: str,
    says: str,
) -> None:
    make_certificate(tmp_path / "tls", days + 0.01)
    if trusts:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "tls" / "certificate.pem"))
    settings.TRUST_PROXY, settings.IS_HTTPS = 1, True
    with web(behind(1, proto), tmp_path / "tls") as settings.PUBLIC_URL:
        found = look("public_address")

    assert (found.level, says in found.says) == (level, True), found.says
    assert bool(found.mend) == (level != "ok")


def test_a_public_address_that_cannot_be_asked_from_here(settings: Any) -> None:
    settings.PUBLIC_URL = "http://127.0.0.1:1"

    level, said, _ = told("public_address")

    assert level == "warning"
    assert said.startswith("http://127.0.0.1:1 can't be asked from this machine")


def test_folders_that_others_can_look_into(settings: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    settings.PRIVATE_FOLDERS = [tmp_path]
    assert look("machine.folders").level == "ok"
    tmp_path.chmod(0o755)

    assert told("machine.folders") == (
        "failing",
        f"Other users of this machine can look into {tmp_path}.",
        f"`chmod 0700 {tmp_path}`.",
    )
    settings.PRIVATE_FOLDERS = [tmp_path / "away"]
    assert look("machine.folders").says == f"{tmp_path / 'away'} can't be written to."


def test_a_time_zone_that_nobody_knows(tenant: Tenant) -> None:
    assert look("machine.time_zones").level == "ok"
    Tenant.objects.filter(pk=tenant.pk).update(timezone="Mars/Base")

    level, said, _ = told("machine.time_zones")

    assert (level, said) == (
        "failing",
        "Time zones that tenants chose are not known here: Mars/Base.",
    )
