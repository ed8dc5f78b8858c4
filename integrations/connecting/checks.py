"""The checks of a connection test: what each is called, and what it says of what it saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from integrations.kinds import AGREEMENTS, COMPANIES, CONTACTS, KINDS, LINES
from integrations.psa.contract import Finding, PsaAdapter, PsaInfo
from integrations.psa.errors import PsaError

#: `{"name", "ok", "seen", "code", "message", "fix"}`, as a test stores it.
Check = dict[str, Any]

#: The checks of a test in their order, with what pages call them.
CHECK_LABELS: Final[dict[str, str]] = {
    "reach_server": "Reach the server",
    "authenticate": "Sign in",
    **{kind.right: kind.check for kind in KINDS},
}
NAMES: Final = tuple(CHECK_LABELS)
REACH, AUTHENTICATE = "reach_server", "authenticate"
#: Code of a check that was not refused, and in which there was nothing to see; of a test where
#: that is so for companies or contacts.
SEES_NOTHING: Final = "sees_nothing"
MUST_SEE: Final = frozenset({COMPANIES.right, CONTACTS.right})
#: Code of a test in which nothing was refused but lines of agreements.
LINES_REFUSED: Final = "lines_refused"
#: Codes of tests after which the connection is used.
PASSED: Final = frozenset({"ok", SEES_NOTHING, LINES_REFUSED})


class Postponed(Exception):
    """A check can't be made now, because of `error`, and may be in a while."""

    def __init__(self, error: PsaError) -> None:
        super().__init__()
        self.error = error


def check(
    name: str,
    *,
    ok: bool | None = None,
    seen: int | None = None,
    code: str = "",
    message: str = "",
    fix: str = "",
) -> Check:
    """One check; `ok` is None while it was not tried, and where there was nothing to see."""
    return {"name": name, "ok": ok, "seen": seen, "code": code, "message": message, "fix": fix}


def names_of(info: PsaInfo) -> tuple[str, ...]:
    """The checks of a PSA's test, in order."""
    return (REACH, AUTHENTICATE, *info.rights)


def untried(info: PsaInfo) -> list[Check]:
    return [check(name) for name in names_of(info)]


def refused_at_once(info: PsaInfo, error: PsaError) -> list[Check]:
    """The checks of a test that could not begin."""
    first, *others = untried(info)
    return [refused(str(first["name"]), error), *others]


def refused(name: str, error: PsaError) -> Check:
    return check(name, ok=False, code=error.code, message=error.message, fix=error.fix)


def run_checks(
    adapter: PsaAdapter,
    known: Iterable[Mapping[str, Any]],
    *,
    note: Callable[[list[Check]], object],
    may_pass: Callable[[PsaError], bool],
) -> list[Check]:
    """Carry out the checks that are not among the `known` ones yet; `note` each as it is known.

    Raises Postponed for an error of which `may_pass` says that it may be over in a while: what was
    found before is noted.
    """
    steps: dict[str, Callable[[], Finding | None]] = {
        REACH: adapter.reach,
        AUTHENTICATE: adapter.authenticate,
        **{right: partial(adapter.probe, right) for right in adapter.info.rights},
    }
    found = {name: check(name) for name in steps}
    found |= {str(one["name"]): {**check(""), **one} for one in known if one["code"]}
    for name, step in steps.items():
        is_vain = name == LINES.right and found[AGREEMENTS.right]["ok"] is False
        if found[name]["code"] or is_vain:
            continue
        found[name] = _try(name, step, may_pass)
        note([*found.values()])
        if found[name]["ok"] is False and name in {REACH, AUTHENTICATE}:
            break
    return [*found.values()]


def _try(
    name: str, step: Callable[[], Finding | None], may_pass: Callable[[PsaError], bool]
) -> Check:
    try:
        finding = step() or Finding()
    except PsaError as error:
        if may_pass(error):
            raise Postponed(error) from None
        return refused(name, error)
    if finding.sees_nothing:
        return check(name, seen=finding.seen, code=SEES_NOTHING, message=finding.message)
    return check(name, ok=True, seen=finding.seen, code="ok", message=finding.message)


def outcome_of(name: str, checks: Sequence[Check]) -> tuple[bool, Check]:
    """Whether a test has passed, and what it says; `name` is the PSA's.

    Nothing is said to be well that was not seen. A PSA without an agreement is well; one that shows
    no companies or no contacts is not. Where lines alone are refused, everything else works.
    """
    failed = [one for one in checks if one["ok"] is False]
    first = failed[0] if failed else None
    if first and [one["name"] for one in failed] == [LINES.right] and _is_right(first):
        return True, _lines_refused(name, first, checks)
    return (False, first) if first else (True, _passed(name, checks))


def _is_right(one: Check) -> bool:
    return bool(one["code"] == "permission_denied")


def _lines_refused(name: str, lines: Check, checks: Sequence[Check]) -> Check:
    too_little = [one["message"] for one in checks if _is_too_little(one)]
    message = [f"{name} accepts the keys, but MRR is incomplete.", lines["message"], *too_little]
    return check("", code=LINES_REFUSED, message=" ".join(message), fix=lines["fix"])


def _passed(name: str, checks: Sequence[Check]) -> Check:
    notes = [one["message"] for one in checks if one["message"] and _is_worth_a_note(one)]
    if any(map(_is_too_little, checks)):
        message = " ".join([f"{name} accepts the keys, but they see too little.", *notes])
        return check("", code=SEES_NOTHING, message=message)
    return check("", code="ok", message=" ".join([f"Everything checks out with {name}.", *notes]))


def _is_too_little(one: Check) -> bool:
    return bool(one["name"] in MUST_SEE and one["code"] == SEES_NOTHING)


def _is_worth_a_note(one: Check) -> bool:
    """Where there are no lines to see, that is no news beside what agreements say."""
    return bool(one["name"] != LINES.right or one["code"] != SEES_NOTHING)
