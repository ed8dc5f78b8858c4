"""Facts about the project's own files."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest
import yaml

from integrations.psa import registry
from tests import refusal_tables
from tests.tables import TABLES, sentence

ROOT = Path(__file__).resolve().parents[1]
VENDOR = ROOT / "static" / "vendor"


def test_vendored_files_are_what_their_manifest_says() -> None:
    manifest = json.loads((VENDOR / "manifest.json").read_text())["files"]
    listed = {entry["path"]: entry["sha256"] for entry in manifest}

    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "manifest.json"
    }

    assert found == listed


def test_the_compose_file_starts_what_the_operating_guide_says() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    services = compose["services"]

    assert set(services) == {"proxy", "migrate", "web", "worker", "db", "redis"}
    assert services["web"]["command"][:2] == ["gunicorn", "audit_site.wsgi"]
    assert services["worker"]["command"] == ["celery", "-A", "audit_site", "worker", "-B"]
    assert services["db"]["image"].startswith("postgres:15")
    assert services["redis"]["image"].startswith("redis:7")
    for name in ("web", "worker"):
        assert (
            services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        )
    for service in services.values():
        assert {"image", "build"} & set(service)
        for other in service.get("depends_on", {}):
            assert other in services


def test_every_container_is_confined_and_only_the_proxy_can_be_reached() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert ("ports" in service) == (name == "proxy"), name
        assert ("healthcheck" in service) == (name != "migrate"), name
        assert "cap_add" not in service
        assert "privileged" not in service
    for name in ("db", "redis"):
        assert services[name]["networks"] == ["data"], "from outside nobody reaches it"
    compose = (ROOT / "docker-compose.yml").read_text()
    assert "redis://:${REDIS_PASSWORD:?set it in .env}@redis:6379/0" in compose
    assert '--requirepass \\"$$REDISCLI_AUTH\\"' in compose
    assert "redis://redis" not in compose


def test_the_owner_of_the_tables_is_known_to_migrate_alone() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]

    for name in ("web", "worker", "migrate"):
        environment = services[name]["environment"]
        assert environment["DATABASE_URL"].startswith("postgres://audit_application:")
        assert ("DATABASE_OWNER_URL" in environment) == (name == "migrate")
        assert name == "migrate" or environment["POSTGRES_PASSWORD"] == ""
    role = (ROOT / "deploy" / "application-role.sh").read_text()
    assert "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS" in role
    assert any("application-role.sh" in volume for volume in services["db"]["volumes"])


def test_the_image_writes_to_var_alone() -> None:
    """What compose mounts in memory is where the image has VAR_DIR."""
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]
    image = (ROOT / "Dockerfile").read_text()

    assert "VAR_DIR=/var/lib/audit" in image
    for name in ("web", "worker", "migrate"):
        assert "/var/lib/audit:uid=10001,gid=10001,mode=0700" in services[name]["tmpfs"]


def test_the_image_runs_as_nobody_in_particular_and_holds_no_compiler() -> None:
    image = (ROOT / "Dockerfile").read_text()

    assert "useradd --create-home --uid 10001 audit" in image
    assert image.index("COPY . .") < image.index("USER audit") < image.index("CMD ")
    assert "pip install --no-cache-dir --only-binary :all: --require-hashes" in image
    assert "apt-get" not in image


def test_no_secret_of_the_machine_gets_into_the_image() -> None:
    assert {".env", ".git", "var"} <= set((ROOT / ".dockerignore").read_text().split())


def test_loopback_is_no_name_of_a_production_site(tmp_path: Path) -> None:
    for address, hosts in {
        "https://audit.example.com": ["audit.example.com"],
        "http://127.0.0.1:8001": ["127.0.0.1", "127.0.0.1", "localhost", "[::1]"],
        "http://[::1]:8001": ["[::1]", "127.0.0.1", "localhost", "[::1]"],
    }.items():
        env = {**os.environ, "PUBLIC_URL": address, "VAR_DIR": str(tmp_path), "DEBUG": "0"}
        env.pop("ALLOWED_HOSTS", None)

        done = subprocess.run(
            [sys.executable, "-c", "from audit_site import settings as s; print(s.ALLOWED_HOSTS)"],
            cwd=ROOT,
            env=env,
            capture_output=True,
            text=True,
            check=True,
        )

        assert done.stdout.strip() == str(hosts)


def test_the_compose_file_fits_the_compose_specification() -> None:
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    schema = json.loads((ROOT / "tests" / "data" / "compose-spec.json").read_text())

    jsonschema.Draft7Validator(schema).validate(compose)


def test_the_example_environment_names_every_setting() -> None:
    text = (ROOT / ".env.example").read_text()

    for name in [
        "DATABASE_URL",
        "DATABASE_OWNER_URL",
        "DATABASE_ROLE",
        "CELERY_BROKER_URL",
        "VAR_DIR",
        "SECRET_KEY",
        "PUBLIC_URL",
        "CREDENTIAL_KEYS",
        "ALLOWED_HOSTS",
        "DEBUG",
        "EMAIL_HOST",
        "EMAIL_PORT",
        "EMAIL_HOST_USER",
        "EMAIL_HOST_PASSWORD",
        "EMAIL_USE_TLS",
        "PSA_ALLOW_PRIVATE_HOSTS",
        "PSA_ALLOWED_PORTS",
        "PSA_MOST_REQUESTS",
        "OUTGOING_ADDRESSES",
        "TRUST_PROXY",
        "POSTGRES_PASSWORD",
        "POSTGRES_APPLICATION_PASSWORD",
        "REDIS_PASSWORD",
        "TLS_FOLDER",
        "SYNC_THREADS",
        "URGENT_THREADS",
        "SYNCS_A_TENANT",
        "URGENT_A_TENANT",
    ]:
        assert f"{name}=" in text


def test_the_example_environment_says_what_every_adapter_declares() -> None:
    text = (ROOT / ".env.example").read_text()

    for setting in registry.settings():
        assert re.search(
            rf"^# {re.escape(setting.help)}\n#?{setting.name}={setting.default}$", text, re.M
        )


@pytest.mark.parametrize(
    ("missing", "over", "said"),
    [
        ("SECRET_KEY", {}, "SECRET_KEY is not set"),
        ("CREDENTIAL_KEYS", {}, "CREDENTIAL_KEYS is not set"),
        ("", {"DEBUG": "maybe"}, "DEBUG must be on or off"),
        ("", {"PSA_ALLOWED_PORTS": "443,web"}, "PSA_ALLOWED_PORTS must be port numbers"),
        ("", {"PSA_ALLOWED_PORTS": "0"}, "PSA_ALLOWED_PORTS must be port numbers"),
        ("", {"PUBLIC_URL": "audit"}, "PUBLIC_URL must be an address"),
        ("", {"DATABASE_URL": "what://"}, "DATABASE_URL can't be read"),
        ("", {"DATABASE_OWNER_URL": "what://"}, "DATABASE_OWNER_URL can't be read"),
        ("", {"DATABASE_ROLE": "a'; DROP"}, "DATABASE_ROLE must be the name of a role"),
        (
            "",
            {"SECRET_KEY_FILE": "/nowhere/key"},
            "SECRET_KEY_FILE names a file that can't be read",
        ),
    ],
)
def test_a_bad_setting_stops_the_start_with_a_sentence(
    tmp_path: Path, missing: str, over: dict[str, str], said: str
) -> None:
    env = {
        **os.environ,
        "DEBUG": "0",
        "VAR_DIR": str(tmp_path),
        "SECRET_KEY": "x" * 50,
        "CREDENTIAL_KEYS": "1:" + "QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
        **over,
    }
    env.pop(missing, None)

    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode != 0
    assert said in done.stderr
    assert "Traceback" not in done.stderr


PRODUCTION = {
    "DEBUG": "0",
    "PUBLIC_URL": "https://audit.example.com",
    "SECRET_KEY": "k1-".join(str(number) for number in range(30)),
    "CREDENTIAL_KEYS": "1:QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=",
    "TRUST_PROXY": "1",
}


def test_the_shipped_production_settings_pass_the_check_before_a_deployment(tmp_path: Path) -> None:
    env = {**os.environ, **PRODUCTION, "VAR_DIR": str(tmp_path)}
    env.pop("ALLOWED_HOSTS", None)

    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "System check identified no issues (0 silenced).\n"


@pytest.mark.parametrize(("scheme", "prefix"), [("https", "__Host-"), ("http", "")])
def test_cookies_of_https_are_this_hosts_alone(tmp_path: Path, scheme: str, prefix: str) -> None:
    over = {"PUBLIC_URL": f"{scheme}://audit.example.com", "VAR_DIR": str(tmp_path)}
    code = (
        "from audit_site import settings as s; "
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.DEVICE_COOKIE_NAME)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env={**os.environ, **PRODUCTION, **over},
        capture_output=True,
        text=True,
        check=True,
    )

    names = ("sessionid", "csrftoken", "known-device")
    assert done.stdout.split() == [f"{prefix}{name}" for name in names]


def test_https_turns_on_secure_cookies_and_hsts(tmp_path: Path) -> None:
    env = {**os.environ, "PUBLIC_URL": "https://audit.example.com", "VAR_DIR": str(tmp_path)}
    code = (
        "from audit_site import settings as s; "
        "print(s.SESSION_COOKIE_SECURE, s.SECURE_SSL_REDIRECT, s.SECURE_HSTS_SECONDS > 0, "
        "s.CSRF_TRUSTED_ORIGINS)"
    )
    env.pop("ALLOWED_HOSTS", None)

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "True True True ['https://audit.example.com']"


@pytest.mark.parametrize(
    ("over", "said"),
    [
        ({}, "console 587 True False"),
        ({"EMAIL_HOST": "smtp.example.com"}, "smtp 587 True False"),
        ({"EMAIL_HOST": "smtp.example.com", "EMAIL_PORT": "465"}, "smtp 465 False True"),
        (
            {"EMAIL_HOST": "localhost", "EMAIL_PORT": "25", "EMAIL_USE_TLS": "0"},
            "smtp 25 False False",
        ),
    ],
)
def test_a_mail_server_is_spoken_to_encrypted_unless_a_setting_says_otherwise(
    tmp_path: Path, over: dict[str, str], said: str
) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("EMAIL_")}
    secret = tmp_path / "password"
    secret.write_text("hush\n")
    env |= {"VAR_DIR": str(tmp_path), "EMAIL_HOST_PASSWORD_FILE": str(secret), **over}
    code = (
        "from audit_site import settings as s; assert s.EMAIL_HOST_PASSWORD == 'hush'; "
        "print(s.EMAIL_BACKEND.split('.')[-2], s.EMAIL_PORT, s.EMAIL_USE_TLS, s.EMAIL_USE_SSL)"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == said


def test_the_readme_begins_with_two_commands() -> None:
    lines = [line.strip() for line in (ROOT / "README.md").read_text().splitlines() if line.strip()]

    assert lines[1].startswith("make run")
    assert lines[2].startswith("make test")


def test_every_picture_of_the_readme_is_there() -> None:
    text = (ROOT / "README.md").read_text()

    for part in text.split("](")[1:]:
        target = part.split(")")[0]
        if not target.startswith("http"):
            assert (ROOT / target).exists(), target


def test_the_docs_say_what_every_refusal_means() -> None:
    assert refusal_tables.written() == refusal_tables.text()


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_the_docs_lists_every_test(name: str) -> None:
    table = TABLES[name]

    assert table.listed() == [sentence(test) for test in table.tests()]
