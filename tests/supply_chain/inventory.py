"""What the product is made of: locked packages, files for browsers, and images of containers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path

from tests.supply_chain.licences import of_package

ROOT = Path(__file__).resolve().parents[2]
LOCKED = re.compile(
    r"^(?P<name>[\w.-]+)==(?P<version>[\w.]+)(?P<rest>(?: \\)?(?:\n    .*)*)", re.MULTILINE
)
HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
ASKED_BY = re.compile(r"^    #(?: via)?[ ]+([\w.-]+)$", re.M)
IMAGE = re.compile(
    r"^(?:FROM|\s+image:) (?P<name>[\w./-]+):(?P<tag>[\w.-]+)@sha256:(?P<digest>[0-9a-f]{64})$",
    re.M,
)


@dataclass(frozen=True)
class Part:
    """One thing that somebody else made; `licence` is an SPDX expression."""

    kind: str  # pypi, npm or docker
    name: str
    version: str
    licence: str = ""
    hashes: tuple[str, ...] = ()
    asked_by: frozenset[str] = field(default_factory=frozenset)
    where: str = ""


def packages() -> Iterator[Part]:
    """Every package of requirements.txt, and which others brought it."""
    for found in LOCKED.finditer((ROOT / "requirements.txt").read_text()):
        rest = found["rest"]
        yield Part(
            "pypi",
            found["name"],
            found["version"],
            of_package(found["name"]),
            tuple(HASH.findall(rest)),
            frozenset(ASKED_BY.findall(rest)),
        )


def vendored() -> Iterator[Part]:
    """What lies under static/vendor, by its manifest."""
    files = json.loads((ROOT / "static" / "vendor" / "manifest.json").read_text())["files"]
    for name, version, licence in sorted(
        {(entry["package"], entry["version"], entry["licence"]) for entry in files}
    ):
        hashes = tuple(entry["sha256"] for entry in files if entry["package"] == name)
        yield Part("npm", name, version, licence, hashes, where="static/vendor")


def brought_by_packages() -> Iterator[Part]:
    """Scripts that Python packages carry into the browser; the packages name their versions."""
    script = metadata.distribution("django-htmx").locate_file(
        "django_htmx/static/django_htmx/htmx-2.min.js"
    )
    htmx = _one(r'version:"([\d.]+)"', Path(str(script)).read_text())
    yield Part("npm", "htmx.org", htmx, "0BSD", where="django-htmx")
    said = metadata.metadata("drf-spectacular-sidecar").get_payload()
    for name, title, licence in (
        ("swagger-ui-dist", "Swagger UI", "Apache-2.0"),
        ("redoc", "Redoc", "MIT"),
    ):
        version = _one(rf"`{title}`_ version ``([\d.]+)``", str(said))
        yield Part("npm", name, version, licence, where="drf-spectacular-sidecar")


def _one(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    if found is None:
        raise SystemExit(f"No version is found by {pattern}: the package says it differently now.")
    return found[1]


def assets() -> list[Part]:
    return [*vendored(), *brought_by_packages()]


def images() -> list[Part]:
    """The images that Dockerfile and docker-compose.yml begin with, by digest."""
    text = "\n".join((ROOT / name).read_text() for name in ("Dockerfile", "docker-compose.yml"))
    return [
        Part("docker", found["name"], found["tag"], hashes=(found["digest"],))
        for found in IMAGE.finditer(text)
    ]


def parts() -> list[Part]:
    return [*packages(), *assets(), *images()]
