"""The new way of a first sync beside the old one (always four at once, everything in one go), and
growing requests beside the best fixed number where a PSA refuses more.

Each way runs in a process of its own with a database and a sandbox of its own; the figures that it
leaves are compared with those of the old way.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from hashlib import blake2b
from typing import Any

#: Always so many at once; "" = they grow. "1" = what is over is read in one go with the rest.
AT_ONCE, TOGETHER = "BENCH_AT_ONCE", "BENCH_TOGETHER"
#: The sandbox refuses more than so many at once.
CROWDED = "BENCH_CROWDED"
OLD_WAY = {AT_ONCE: "4", TOGETHER: "1"}
CROWDS = (2, 6, 12)


def choose_way() -> None:
    """Let the product of this process go the way that the environment names."""
    from integrations.psa import registry  # noqa: PLC0415
    from integrations.sync.agreements_phase import AgreementsPhase  # noqa: PLC0415

    if fixed := os.environ.get(AT_ONCE):
        for adapter in registry.adapters().values():
            adapter.info = replace(adapter.info, parallel_requests=int(fixed), grows=False)
    if os.environ.get(TOGETHER) == "1":
        AgreementsPhase.fewest = sys.maxsize


class TodaysClock:
    """When the figures of today stand: every company of the import has been read in part at least."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self.seconds: float | None = None

    def watch(self, moment: str, subject: str) -> None:
        from integrations.models import CompanyLink  # noqa: PLC0415

        if self.seconds is None and (moment, subject) == ("page stored", "agreements"):
            links = CompanyLink.objects.in_force()
            if links.exists() and not links.filter(read_at=None).exists():
                self.seconds = round(time.perf_counter() - self._began, 2)


def figures() -> str:
    """What all companies' stored MRR comes to, as a text that is the same for the same figures."""
    from agreements.models import CompanyMrr  # noqa: PLC0415

    rows = CompanyMrr.objects.order_by("company__links__external_id", "currency")
    found = rows.values_list("company__links__external_id", "currency", "exact")
    return f"{len(found)} {blake2b(repr(list(found)).encode(), digest_size=8).hexdigest()}"


def watch_crowd(url: str) -> Callable[[], int]:
    """Let the sandbox refuse what is too much at once; returns what tells how many came at once."""
    import requests  # noqa: PLC0415

    fault = {"name": "crowded", "most": int(os.environ.get(CROWDED, "1000"))}
    requests.post(f"{url}/_sandbox/faults", json=fault, timeout=30).raise_for_status()

    def peak() -> int:
        faults = requests.get(f"{url}/_sandbox/faults", timeout=30).json()
        return max(one["options"].get("peak", 0) for one in faults if one["name"] == "crowded")

    return peak


def compare(
    measure: Callable[..., dict[str, Any]], companies: int, latency: float, few: int
) -> dict[str, Any]:
    """The old way, the new one, and by how many the sandbox bears, growing beside fixed."""
    found: dict[str, Any] = {"crowds": {}}
    for name, way in (("old", OLD_WAY), ("new", {})):
        found[name] = measure(companies, latency, ["first"], way=way)["first"]
    for most in CROWDS:
        crowded = {CROWDED: str(most)}
        fixed = measure(few, latency, ["first"], way={**crowded, AT_ONCE: str(most)})
        grown = measure(few, latency, ["first"], way=crowded)
        found["crowds"][most] = {"fixed": fixed["first"], "grown": grown["first"]}
    return found


def show(found: dict[str, Any], few: int) -> None:
    old, new = found["old"], found["new"]
    same = "the same figures" if old["figures"] == new["figures"] else "OTHER FIGURES"
    print(
        f"\nFirst sync beside the old way (four at once, all in one go), {same}: whole "
        f"{new['seconds']} s of {old['seconds']} s ({new['seconds'] / old['seconds']:.2f}, goal 0.5), "
        f"all of today's figures {new['today']} s ({new['today'] / old['seconds']:.2f}, goal 0.35); "
        f"{new['peak']} at once at the most, {new['refused']} refused"
    )
    for most, ways in found["crowds"].items():
        fixed, grown = ways["fixed"], ways["grown"]
        same = "the same figures" if fixed["figures"] == grown["figures"] else "OTHER FIGURES"
        print(
            f"A PSA that refuses more than {most} at once, {few} companies, {same}: "
            f"{grown['seconds'] / fixed['seconds']:.2f} of always {most} ({grown['seconds']} s, goal 1.3), "
            f"{grown['refused']} of {grown['asked']} refused "
            f"({grown['refused'] / grown['asked']:.2%}, goal 1 %)"
        )
