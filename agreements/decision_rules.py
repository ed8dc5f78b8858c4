"""Which decisions about agreements can be, and which are refused, whichever door they come by."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from agreements.models import Agreement, AgreementChoices, AgreementLine, LineChoices
from agreements.mrr.cycles import CYCLE_NAMES
from agreements.mrr.doubts import NEGATIVE_AGREEMENT, PART_OF_CYCLE, POSSIBLE_OVERLAP
from agreements.mrr.words import CYCLE, read_meaning_of
from audit_site.errors import DomainError, FieldErrors
from audit_site.pages.written import day_written

LINE_CHOICES: Final = ("exclude", "force_include", "cycle", "right")
AGREEMENT_CHOICES: Final = (*LINE_CHOICES, "assume_renewal", "renews")
#: Of which warnings somebody says that it is right, at an agreement and at a line.
RIGHT_OF_AGREEMENTS: Final = (POSSIBLE_OVERLAP, NEGATIVE_AGREEMENT)
RIGHT_OF_LINES: Final = (PART_OF_CYCLE,)
#: Choices that count something, and what they say of it.
COUNTING: Final = {
    "force_include": "counted in spite of what the PSA says",
    "assume_renewal": "assumed to renew",
}


def invalid(field: str, message: str, code: str = "invalid") -> FieldErrors:
    return FieldErrors([{"field": field, "code": code, "message": message}])


def refuse_what_does_not_fit(
    agreement: Agreement,
    line: AgreementLine | None,
    changes: Mapping[str, Any],
    choices: AgreementChoices | LineChoices | None,
    *,
    repeats: bool = False,
) -> None:
    """Raises where a decision can't be, whatever is said about it; `choices` are what is decided
    so far. What `repeats` an earlier decision is taken as that one was, where it does no harm.
    """
    _refuse_unknown(line, changes)
    if not repeats:
        _refuse_other_codes(line, changes, choices)
        _refuse_both(changes, choices)
    if "renews" in changes:
        _refuse_replacing(agreement, [*changes["renews"]], repeats=repeats)


def _refuse_unknown(line: AgreementLine | None, changes: Mapping[str, Any]) -> None:
    """What such a thing has no choice of, and cycles that there are not."""
    allowed = LINE_CHOICES if line else AGREEMENT_CHOICES
    for name in changes:
        if name not in allowed:
            raise invalid(name, f"A line has no {name}; decide that about its agreement.")
    cycle = changes.get("cycle")
    if cycle is not None and read_meaning_of(CYCLE, cycle) is None:
        named = ", ".join(CYCLE_NAMES)
        message = f'It is one of {named}, or {{"every": 2, "unit": "month"}}.'
        raise invalid("cycle", message, "invalid_choice")


def _refuse_replacing(agreement: Agreement, older: list[Agreement], *, repeats: bool) -> None:
    if older and agreement.start_date is None:
        raise invalid(
            "renews",
            f"{agreement} has no start date, so nothing says from when it replaces {older[0]}. "
            "Give it one in your PSA, then re-sync.",
        )
    for one in older:
        _refuse_what_it_can_not_replace(agreement, one)
        if not repeats:
            _refuse_what_begins_later(agreement, one)
    replaced = _replaced_by(agreement)
    chosen = {one.external_id for one in older} or {*agreement.renews_external_ids}
    if chosen == {*replaced.get(agreement.external_id, ())}:
        return
    if _leads_back(agreement.external_id, {**replaced, agreement.external_id: chosen}):
        raise DomainError(
            "renewal_circle",
            "The other agreement replaces this one already.",
            "Undo that decision first; what the PSA says itself is changed there.",
        )


def _refuse_what_it_can_not_replace(agreement: Agreement, older: Agreement) -> None:
    if older.pk == agreement.pk:
        raise invalid("renews", "An agreement can't replace itself.")
    ours = (agreement.company_id, agreement.integration_id)
    if (older.company_id, older.integration_id) != ours:
        raise invalid("renews", "Both agreements must be of the same company and PSA account.")


def _refuse_what_begins_later(agreement: Agreement, older: Agreement) -> None:
    """What begins earlier replaces nothing: the later one would never have been in force."""
    begins = agreement.start_date
    if begins and older.start_date and begins < older.start_date:
        raise invalid(
            "renews",
            f"{agreement} begins on {day_written(begins)}, before {older} "
            f"({day_written(older.start_date)}): nothing of that one would ever count. Choose one "
            f"that begins earlier, or decide at {older} that it replaces {agreement}.",
        )


def _refuse_other_codes(
    line: AgreementLine | None,
    changes: Mapping[str, Any],
    choices: AgreementChoices | LineChoices | None,
) -> None:
    """Only what is warned of at such a thing is said to be right; what was said before stays."""
    fitting = {*(RIGHT_OF_LINES if line else RIGHT_OF_AGREEMENTS)}
    said = {*((choices and choices.right) or ())}
    if others := {*(changes.get("right") or ())} - fitting - said:
        what = "a line" if line else "an agreement"
        message = f"Nothing is warned of as {min(others)} at {what}."
        raise invalid("right", message, "invalid_choice")


def _refuse_both(
    changes: Mapping[str, Any], choices: AgreementChoices | LineChoices | None
) -> None:
    """What is left out can't be counted for some reason as well, said now or before."""

    names = ("exclude", *COUNTING)
    before = {name: bool(getattr(choices, name, False)) for name in names}
    after = {name: bool(changes.get(name, before[name])) for name in names}
    others = [name for name in COUNTING if after[name]]
    wanted = [name for name in names if after[name] and not before[name]]
    if not (wanted and others and after["exclude"]):
        return
    raise invalid(
        wanted[0],
        "It can't be left out and counted at once: take back that it is left out, or that it is "
        f"{' and '.join(COUNTING[name] for name in others)}.",
    )


def _leads_back(start: str, replaced: Mapping[str, Collection[str]]) -> bool:
    """Whether what is replaced, and what that replaces in its turn, ends in a circle."""
    seen: set[str] = set()
    found = {id_ for id_ in replaced[start] if id_ != start}  # that it names itself does nothing
    while found:
        seen |= found
        found = {id_ for one in found for id_ in replaced.get(one, ())} - seen
    return start in seen


def _replaced_by(agreement: Agreement) -> dict[str, list[str]]:
    """What each agreement of this one's company and account replaces: somebody's choice, or else
    what the PSA says. All as the PSA's ids. One statement.
    """
    rows = Agreement.objects.for_tenant(agreement.tenant).filter(
        company=agreement.company_id, integration=agreement.integration_id
    )
    columns = ("external_id", "choices__renews", "renews_external_ids")
    return {id_: chosen or said for id_, chosen, said in rows.values_list(*columns)}
