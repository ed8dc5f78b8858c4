"""Named faults of a sandbox, switched on at run time, each for some paths and some requests."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, Final

#: What people type where an address or a number belongs.
ODD_EMAIL: Final = "n/a"
ODD_PHONE: Final = "-"
#: What each fault does. `options` in brackets.
FAULTS: Final[dict[str, str]] = {
    "latency": "every answer comes `ms` later",
    "slow": "the answer comes `seconds` later (default 35)",
    "slow_drip": "the answer comes in up to 300 pieces, `seconds` apart (default 1)",
    "rate_limited": "429; Retry-After is `retry_after` (seconds, an HTTP date, or null for none)",
    "quota": "`allowed` requests are answered, then one is refused with 429 and `retry_after` "
    "(default 21), and so on; with `seconds`, all are refused until so many have passed",
    "crowded": "429 while more than `most` requests (default 4) are under way at once, with "
    "`retry_after` (default null); notes the `peak`",
    "server_error": "500 with a JSON body",
    "bad_gateway_html": "502 with a page of HTML",
    "maintenance_html": "503 with a page of HTML",
    "html_200": "200 with a page of HTML",
    "blocked": "something in front answers `status` (default 403), as `form` (html, json or text)",
    "truncated_json": "the JSON is cut in half, the length says so",
    "truncated_body": "the connection ends before the announced length",
    "dropped_connection": "the connection ends before any answer",
    "redirect": "302 to `location`",
    "empty_answer": "every list is empty, with status 200",
    "bad_record": "one record a page is unusable: `how` is wrong_type, missing_id or too_long",
    "shift_page": "before the second page of a list is given out, its first record is deleted",
    "explicit_nulls": "members without a value are null instead of missing",
    "refused_right": "403 because rights are missing",
    "heavy_records": "records weigh so many bytes more: `weights` by id (pasted pictures)",
    "refused_records": "records with these `ids` are in no list, and are refused by their id",
    "old_release": "a request that names a version is refused with `status` (default 400)",
    "bad_keys": "keys are refused in the form `form` (401, 401_other, 404; `other` JSON)",
    "client_id": "the client id is refused in the form `form` (400, 403)",
    "new_release": "the release was upgraded: the old path answers no more",
    "hourly_budget": "only `allowed` requests an hour, of which `used` are spent (by others)",
    "extra_members": "records carry members that nobody has heard of",
    "zone_moved": "the tenant lives in another zone now; the old one answers `form` (401, 404 or "
    "redirect)",
    "missing_item": "what is not there by its id is answered with 200 and null",
    "locked": "the user is locked out",
    "token_life": "tokens given out from now on live `seconds`",
    "token_expired": "the token of this request has expired",
    "refresh_refused": "an old token gets no new one",
    "pascal_case": "keys are spelled in PascalCase",
    "wrapped_by_id": "a record asked for by its id comes in an envelope",
    "small_pages": "no page is longer than `most` (default 30), whatever is asked for; with "
    "`links` false nothing but a count says that there is more",
    "list_ends_early": "a list ends after its first page, while its count says that there is more",
    "repeated_record": "the first record of a list comes once more on its second page, as it was "
    "before: with an `older` stamp (default true) and another name",
    "odd_contacts": "contacts have words where addresses and numbers belong, such as n/a and -",
    "odd_words": "agreements come in a `currency` and with a billing `cycle` of these names",
    "second_claim": "the look-up of `account` shows the `contract` too",
    "no_totals": "lists don't say how many records there are",
    "no_forward_only": "the forward-only way of paging is not known",
}


@dataclass(slots=True)
class Fault:
    """A fault that is switched on.

    It hits requests whose path contains `path` (with a `$` after it: ends with it), after `after`
    such requests, `times` times (None = until it is cleared).
    """

    name: str
    path: str = ""
    times: int | None = None
    after: int = 0
    options: dict[str, Any] = field(default_factory=dict)

    def concerns(self, name: str, path: str) -> bool:
        if self.path.endswith("$"):
            return self.name == name and path.rstrip("/").endswith(self.path[:-1])
        return self.name == name and self.path in path


class FaultBox:
    """The faults of one sandbox server; safe to use from several threads."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def switch_on(
        self,
        name: str,
        *,
        path: str = "",
        times: int | None = None,
        after: int = 0,
        **options: Any,
    ) -> Fault:
        """Switch a fault on; `KeyError` when there is none of that name."""
        if name not in FAULTS:
            raise KeyError(name)
        fault = Fault(name, path, times, after, options)
        with self._lock:
            self._faults.append(fault)
        return fault

    def clear(self, name: str = "") -> None:
        with self._lock:
            self._faults = [f for f in self._faults if name and f.name != name]

    def hit(self, name: str, path: str) -> Fault | None:
        """Return the fault if it hits this request, and count the hit."""
        with self._lock:
            for fault in self._faults:
                if not fault.concerns(name, path):
                    continue
                if fault.after > 0:
                    fault.after -= 1
                    continue
                if fault.times is not None:
                    if fault.times <= 0:
                        continue
                    fault.times -= 1
                return fault
        return None

    def spent(self, name: str, path: str) -> int | None:
        """After how many seconds to come again, when as many requests were answered as a fault has
        `allowed`; None when they were not.
        """
        fault = self.hit(name, path)
        if fault is None:
            return None
        with self._lock:
            options, now = fault.options, time.monotonic()
            window = float(options.get("seconds", 0))
            if window and now >= options.setdefault("since", now) + window:
                options |= {"since": now, "answered": 0}
            answered = int(options.get("answered", 0))
            if answered < int(options.get("allowed", 40)):
                options["answered"] = answered + 1
                return None
            if not window:
                options["answered"] = 0
                return int(options.get("retry_after", 21))
            return math.ceil(float(options["since"]) + window - now)

    @contextmanager
    def under_way(self, path: str) -> Iterator[Fault | None]:
        """Around a request: the fault that refuses it because too many are under way at once."""
        fault = self.hit("crowded", path)
        if fault is None:
            yield None
            return
        options = fault.options
        with self._lock:
            options["inside"] = options.get("inside", 0) + 1
            is_crowded = options["inside"] > int(options.get("most", 4))
            options["peak"] = max(options.get("peak", 0), options["inside"])
        try:
            yield fault if is_crowded else None
        finally:
            with self._lock:
                options["inside"] -= 1

    def ids(self, name: str, path: str) -> frozenset[int]:
        """The `ids` of a fault that hits this request; none if none does."""
        fault = self.hit(name, path)
        return frozenset(map(int, fault.options["ids"])) if fault else frozenset()

    def weigh(self, rows: Iterable[dict[str, Any]], path: str) -> None:
        """Make the records heavy that a fault names: pictures that somebody pasted into them."""
        fault = self.hit("heavy_records", path)
        weights = fault.options["weights"] if fault else {}
        for row in rows:
            if weight := weights.get(str(row.get("id"))):
                row["pastedPictures"] = "x" * int(weight)

    def listed(self) -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(fault) for fault in self._faults if fault.times != 0]
