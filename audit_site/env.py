"""Typed readers for the environment; a bad value stops the start with a sentence that names it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

TRUE = frozenset({"1", "true", "yes", "on"})
FALSE = frozenset({"0", "false", "no", "off", ""})


def env_text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def env_bool(name: str, *, default: bool = False) -> bool:
    """Read a switch: 1/true/yes/on or 0/false/no/off."""
    value = os.environ.get(name)
    if value is None:
        return default
    word = value.strip().lower()
    if word in TRUE:
        return True
    if word in FALSE:
        return False
    raise ImproperlyConfigured(f"{name} must be on or off (1 or 0), not {value!r}.")


def env_int(name: str, default: int) -> int:
    value = os.environ.get(name, "").strip()
    if not value:
        return default
    try:
        return int(value)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {value!r}.") from None


def env_ports(name: str, default: Iterable[int]) -> list[int]:
    """Read comma-separated port numbers."""
    values = env_list(name)
    if not values:
        return sorted(default)
    if not all(value.isdecimal() and 0 < int(value) < 65536 for value in values):
        raise ImproperlyConfigured(f"{name} must be port numbers, such as 443,8040.")
    return sorted(map(int, values))


def env_list(name: str, default: tuple[str, ...] = ()) -> list[str]:
    """Read comma-separated values; blanks around them don't count."""
    value = os.environ.get(name)
    if value is None or not value.strip():
        return list(default)
    return [item.strip() for item in value.split(",") if item.strip()]


def env_secret(name: str) -> str:
    """Read a secret from NAME, or from the file that NAME_FILE names (Docker secrets)."""
    path = os.environ.get(f"{name}_FILE", "").strip()
    if not path:
        return os.environ.get(name, "").strip()
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"{name}_FILE names a file that can't be read ({error.strerror}). "
            "Correct the path or its rights."
        ) from None


def load_env_file(path: Path) -> None:
    """Take `NAME=value` lines of a file as defaults: what the environment already has wins."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        name, separator, value = line.partition("=")
        if separator and not name.lstrip().startswith("#"):
            os.environ.setdefault(name.strip(), value.strip())
