"""What of the REST contract a client that knows an older one would stumble over.

`docs/openapi.json` is the contract as it is (`make schema`), `tests/data/openapi-released.json` the
one of the last release, which clients were built on (`make schema ARGS=release` renews it).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

CURRENT = Path("docs/openapi.json")
RELEASED = Path("tests/data/openapi-released.json")
CHANGELOG = Path("CHANGELOG.md")
#: What a client does not go by.
WORDS_ONLY = {"description", "title", "example", "examples", "readOnly", "default", "enum"}

Json = dict[str, Any]


def breaking_changes(old: Json, new: Json) -> list[str]:
    """Each change as the place that it is at, with what happened there: `Company.link is gone`."""
    return sorted({*_operations(old, new), *_components(old, new)})


def not_in_changelog(changes: list[str], changelog: str) -> list[str]:
    """Those whose place the unreleased part of a changelog does not name in backticks."""
    unreleased = changelog.split("\n## ")[1]
    return [change for change in changes if f"`{change.partition(' is ')[0]}`" not in unreleased]


def _operations(old: Json, new: Json) -> Iterator[str]:
    now = dict(_calls(new))
    for name, was in _calls(old):
        if name not in now:
            yield f"{name} is gone"
            continue
        for status in set(_answers(was)) - set(_answers(now[name])):
            yield f"{name} {status} is gone"
        yield from _parameters(name, was, now[name])
        if "requestBody" in now[name] and "requestBody" not in was:
            yield f"{name} body is required"


def _calls(document: Json) -> Iterator[tuple[str, Json]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def _answers(operation: Json) -> list[str]:
    return [status for status in operation["responses"] if status < "300"]


def _parameters(name: str, was: Json, now: Json) -> Iterator[str]:
    before = {entry["name"]: entry for entry in was.get("parameters", [])}
    after = {entry["name"]: entry for entry in now.get("parameters", [])}
    for key, entry in before.items():
        place = f"{name} {key}"
        if key not in after:
            yield f"{place} is gone"
        else:
            yield from _shape(place, entry["schema"], after[key]["schema"])
    for key, entry in after.items():
        if entry.get("required") and not before.get(key, {}).get("required"):
            yield f"{name} {key} is required"


def _components(old: Json, new: Json) -> Iterator[str]:
    now = new["components"]["schemas"]
    for name, was in old["components"]["schemas"].items():
        if name not in now:
            yield f"{name} is gone"
            continue
        yield from _shape(name, was, now[name])
        fields, kept = was.get("properties", {}), now[name].get("properties", {})
        for field, shape in fields.items():
            if field not in kept:
                yield f"{name}.{field} is gone"
            else:
                yield from _shape(f"{name}.{field}", shape, kept[field])
        if name.endswith("Request"):
            for field in set(now[name].get("required", [])) - set(was.get("required", [])):
                yield f"{name}.{field} is required"


def _shape(place: str, was: Json, now: Json) -> Iterator[str]:
    for value in [v for v in was.get("enum", []) if v not in now.get("enum", [])]:
        yield f"{place} “{value}” is gone" if "enum" in now else f"{place} is another type"
    if _wire(was) != _wire(now):
        yield f"{place} is another type"


def _wire(shape: Any) -> Any:
    """A shape without words and fields of its own, which are compared one by one."""
    if isinstance(shape, list):
        return [_wire(part) for part in shape]
    if not isinstance(shape, dict):
        return shape
    left_out = WORDS_ONLY | ({"properties", "required"} if "properties" in shape else set())
    return {key: _wire(value) for key, value in sorted(shape.items()) if key not in left_out}


def read(path: Path) -> Json:
    found: Json = json.loads(path.read_text())
    return found


def release() -> None:
    """Take the contract as it is for the one that clients are built on."""
    RELEASED.write_text(json.dumps(read(CURRENT), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    if "release" in sys.argv:
        release()
    for change in breaking_changes(read(RELEASED), read(CURRENT)):
        print(change)
