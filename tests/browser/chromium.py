"""How Chromium is started here: Debian's own, without anything that talks to the outside."""

from __future__ import annotations

import shutil
from pathlib import Path

EXECUTABLE = shutil.which("chromium") or shutil.which("chromium-browser")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
#: Where pictures go.
FOLDER = Path(__file__).resolve().parents[2] / "docs" / "screenshots"
