"""How Chromium is started here: Debian's own, without anything that talks to the outside."""

from __future__ import annotations

import shutil

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
