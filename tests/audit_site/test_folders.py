"""Folders are made when Django starts, not when somebody reads the settings."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def run(code: str, var: Path) -> None:
    env = {**os.environ, "VAR_DIR": str(var), "CELERY_BROKER_URL": "", "DATABASE_URL": ""}
    env["DJANGO_SETTINGS_MODULE"] = "audit_site.settings"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=env, check=True)


def test_reading_the_settings_makes_no_folder(tmp_path: Path) -> None:
    run("import audit_site.settings", tmp_path / "var")

    assert list(tmp_path.iterdir()) == []


def test_starting_django_makes_them_private(tmp_path: Path) -> None:
    run("import django; django.setup()", tmp_path / "var")

    made = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")}
    assert made == {"var", "var/broker", "var/broker/queue", "var/broker/control", "var/static"}
    assert (tmp_path / "var").stat().st_mode & 0o777 == 0o700
