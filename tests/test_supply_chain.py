"""The bill of materials, licences, images and typed secrets."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from tests.supply_chain import images, inventory, licences, sbom
from tests.supply_chain.inventory import ROOT, Part
from tests.supply_chain.typed_secrets import findings

VALIDATOR = JsonStrictValidator(SchemaVersion.V1_6)


def test_the_bill_of_materials_fits_cyclonedx_and_names_every_part() -> None:
    text = sbom.write()

    assert VALIDATOR.validate_str(text) is None
    assert VALIDATOR.validate_str(text.replace('"components"', '"parts"', 1)) is not None
    listed = {(part["name"], part["version"]) for part in json.loads(text)["components"]}
    locked = {
        tuple(line.split(" ")[0].split("=="))
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line
    }
    assert len(locked) > 60
    assert locked <= listed
    browser = {name for name, _ in listed - locked}
    assert {"bootstrap", "bootstrap-icons", "htmx.org", "swagger-ui-dist", "redoc"} <= browser


def test_the_bill_of_materials_says_who_brought_what_and_by_which_hash() -> None:
    bill = json.loads(sbom.write())
    needs = {entry["ref"]: entry.get("dependsOn", []) for entry in bill["dependencies"]}
    parts = {part["name"]: part for part in bill["components"]}
    kombu, amqp = parts["kombu"]["bom-ref"], parts["amqp"]["bom-ref"]

    assert amqp in needs[kombu]
    assert needs[amqp] == [parts["vine"]["bom-ref"]]
    assert parts["psycopg2-binary"]["licenses"] == [{"license": {"id": "LGPL-3.0-or-later"}}]
    assert parts["htmx.org"]["licenses"] == [{"license": {"id": "0BSD"}}]
    hashes = parts["vine"]["externalReferences"][0]["hashes"]
    assert {item["content"] for item in hashes} == set(
        next(part for part in inventory.packages() if part.name == "vine").hashes
    )


def test_every_image_of_a_container_is_named_by_its_digest() -> None:
    text = (ROOT / "Dockerfile").read_text() + (ROOT / "docker-compose.yml").read_text()
    named = [line for line in text.splitlines() if line.strip().startswith(("FROM ", "image: "))]

    assert [part.name for part in inventory.images()] == ["python", "nginx", "postgres", "redis"]
    assert [line.strip() for line in named if "@sha256:" not in line] == [
        "image: audit-psa-integrations"  # built from the Dockerfile
    ]


def test_every_licence_in_use_is_accepted() -> None:
    parts = [*inventory.packages(), *inventory.assets()]

    assert licences.refusals(parts) == []
    assert licences.DOCUMENT.read_text() == licences.document(parts)


@pytest.mark.parametrize(
    ("licence", "accepted"),
    [
        ("MIT", True),
        ("GPL-3.0-only OR MIT", True),
        ("GPL-3.0-only AND MIT", False),
        ("Apache-2.0 WITH LLVM-exception", False),
        ("AGPL-3.0-only", False),
        ("BSD License", False),
        ("", False),
    ],
)
def test_a_licence_counts_as_a_whole(licence: str, accepted: bool) -> None:
    assert licences.is_accepted(licence) is accepted


@pytest.mark.parametrize(
    ("licence", "said"),
    [
        ("AGPL-3.0-only", "thing 1.0: the licence AGPL-3.0-only is not accepted."),
        ("As you like", "thing 1.0: its licence is not known ('As you like')."),
        ("", "thing 1.0: it names no licence."),
    ],
)
def test_a_licence_that_nobody_accepted_fails_with_a_sentence(licence: str, said: str) -> None:
    (sentence,) = licences.refusals([Part("pypi", "thing", "1.0", licence)])

    assert sentence.startswith(said)
    assert "tests/supply_chain/licences.py" in sentence


def test_no_licence_is_read_in_a_file_without_need() -> None:
    """What metadata says exactly wins; an entry for it would only grow old."""
    exact = [name for name in licences.READ_IN_FILE if licences.said_by_metadata(name)]

    assert exact == []


def test_a_secret_that_was_typed_is_found_and_not_repeated(tmp_path: Path) -> None:
    key = "AKIA" + "2E0A8F3B" + "244C9986"
    file = tmp_path / "settings.py"
    file.write_text(f'x = 1\nAWS = "{key}"\nOTHER = "{key}"  # pragma: allowlist secret\n')

    (sentence,) = findings([str(file)])

    assert sentence.startswith(f"{file}:2: this looks like a secret (AWS Access Key).")
    assert key not in sentence


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ('PASSWORD = "changed the password of"', 0),
        ('TOKEN_GENERATOR_SECRET = "django.contrib.auth.tokens.Generator"', 0),
        ("DATABASE_URL=postgres://user:password@host/name", 0),
        ("DATABASE_URL=postgres://user:" + "Xk29-vQ" + "@host/name", 1),
        ('PASSWORD = "' + "Xk29-vQ7" + '"', 1),
    ],
)
def test_what_only_looks_like_a_secret_is_left_alone(tmp_path: Path, line: str, found: int) -> None:
    file = tmp_path / "settings.py"
    file.write_text(f"{line}\n")

    assert len([*findings([str(file)])]) == found


def test_images_are_pinned_to_what_the_registry_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in images.FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    newest = "sha256:" + "ab" * 32
    docker = tmp_path / "docker"
    docker.write_text(f'#!/bin/sh\necho "$4" >> {tmp_path}/asked\necho {newest}\n')
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    changes = images.pin(tmp_path)

    tags = [f"{part.name}:{part.version}" for part in inventory.images()]
    assert (tmp_path / "asked").read_text().split() == tags
    assert changes[0] == f"FROM {tags[0]}@{newest}"
    assert changes[1:] == [f"image: {tag}@{newest}" for tag in tags[1:]]
    assert images.pin(tmp_path) == []


def test_an_image_that_cannot_be_looked_up_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in images.FILES:
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'no such host' >&2\nexit 1\n")
    (tmp_path / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    with pytest.raises(SystemExit, match=r"python:3\.11-slim-bookworm can't be looked up: no such"):
        images.pin(tmp_path)

    assert (tmp_path / "Dockerfile").read_text() == (ROOT / "Dockerfile").read_text()


def test_the_command_says_what_is_wrong_and_fails(tmp_path: Path) -> None:
    file = tmp_path / "key.txt"
    file.write_text("-----BEGIN " + "RSA PRIVATE KEY-----\n")

    done = subprocess.run(
        [sys.executable, "-m", "tests.supply_chain", "secrets", str(file)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert f"{file}:1: this looks like a secret (Private Key)" in done.stderr
