"""The bill of materials: CycloneDX 1.6 in JSON."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from urllib.parse import quote

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from tests.supply_chain.inventory import ROOT, Part, packages, parts

PAGES = {
    "pypi": "https://pypi.org/project/{name}/{version}/",
    "npm": "https://www.npmjs.com/package/{name}/v/{version}",
    "docker": "https://hub.docker.com/_/{name}",
}


def write() -> str:
    """The bill of materials as text; fails if it does not fit the schema of CycloneDX."""
    text = JsonV1Dot6(bill(parts())).output_as_string(indent=2)
    if fault := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        raise SystemExit(f"The bill of materials does not fit CycloneDX 1.6: {fault!r}")
    return text + "\n"


def bill(made_of: Iterable[Part]) -> Bom:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    product = Component(
        name=project["name"],
        version=project["version"],
        type=ComponentType.APPLICATION,
        bom_ref=project["name"],
    )
    bom = Bom()
    bom.metadata.component = product
    components = {part: component(part) for part in made_of}
    bom.components.update(components.values())
    by_name = {part.name: made for part, made in components.items() if part.kind == "pypi"}
    brought = {part.name: part.asked_by for part in packages()}
    for name, made in by_name.items():
        needs = [by_name[other] for other, by in brought.items() if name in by]
        bom.register_dependency(made, needs)
    bom.register_dependency(product, components.values())
    return bom


def component(part: Part) -> Component:
    """One part; hashes of many files of a package stand at the place it is fetched from."""
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=digest) for digest in part.hashes]
    is_image = part.kind == "docker"
    version = f"sha256:{part.hashes[0]}" if is_image else part.version
    purl = PackageURL(
        part.kind, None, part.name, version, {"tag": part.version} if is_image else None
    )
    page = PAGES[part.kind].format(name=quote(part.name), version=quote(part.version))
    return Component(
        name=part.name,
        version=part.version,
        type=ComponentType.CONTAINER if is_image else ComponentType.LIBRARY,
        bom_ref=purl.to_string(),
        purl=purl,
        hashes=hashes if is_image else None,
        licenses=[LicenseFactory().make_from_string(part.licence)] if part.licence else None,
        external_references=[
            ExternalReference(
                type=ExternalReferenceType.DISTRIBUTION,
                url=XsUri(page),
                hashes=None if is_image else hashes,
            )
        ],
    )
