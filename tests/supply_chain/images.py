"""Pin the images of containers to the digests that their registry has now: `make images`."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests.supply_chain.inventory import ROOT

FILES = ("Dockerfile", "docker-compose.yml")
#: An image by its tag, with the digest that it has been pinned to.
PINNED = re.compile(r"(?P<image>[\w./-]+:[\w.-]+)@sha256:[0-9a-f]{64}")
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def pin(root: Path = ROOT) -> list[str]:
    """Write the digests into the files; a line for each image that changed."""
    changes = []
    for name in FILES:
        before = (root / name).read_text()
        after = PINNED.sub(lambda found: f"{found['image']}@{digest(found['image'])}", before)
        (root / name).write_text(after)
        changes += [line.strip() for line in after.splitlines() if line not in before.splitlines()]
    return changes


def digest(image: str) -> str:
    """What the registry has under this tag, for all platforms together."""
    command = ["docker", "buildx", "imagetools", "inspect", image]
    done = subprocess.run(
        [*command, "--format", "{{.Manifest.Digest}}"], capture_output=True, text=True, check=False
    )
    said = done.stdout.strip()
    if done.returncode or not DIGEST.fullmatch(said):
        raise SystemExit(f"{image} can't be looked up: {done.stderr.strip() or said}")
    return said
