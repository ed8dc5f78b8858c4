"""The ledger: one entry per row, counted or not, with the sentence that a person reads."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from agreements.mrr.awaited import AwaitedWord, awaited_word, is_other_type, unknown_cycle_of
from agreements.mrr.book import Source
from agreements.mrr.dates import EVER, NEVER
from agreements.mrr.doubts import comes_to_less_than_nothing, is_part_of_cycle, overlapping
from agreements.mrr.figures import mrr, row_id
from agreements.mrr.money import exact_text, money_text, plain_text, round_money
from agreements.mrr.prepared import Prepared, Row
from agreements.mrr.words import WordChoice

#: Why a row is left out. Codes are stable, sentences may be reworded.
REASONS: Final[dict[str, str]] = {
    "duplicate_id": "agreement {id} was already read once from this source.",
    "excluded_by_user": "someone in your team excluded this agreement from MRR.",
    "set_aside": "it was typed by hand and set aside when a PSA was linked; it counts as soon as "
    "someone in your team says so.",
    "not_recurring": "this is not a recurring agreement.",
    "unknown_currency": 'its currency "{currency}" is not one we know.',
    "one_time": "billed once, so it is not recurring revenue.",
    "usage": "billed by use, so it is not known ahead.",
    "invalid_dates": "it ends ({end}) before it starts ({start}).",
    "inactive": "the PSA marks this agreement inactive.",
    "cancelled": "cancelled; its last day was {last}.",
    "superseded": "replaced by its renewal; its last day was {last}.",
    "not_started": "it starts on {start}.",
    "before_move": "its audITee was linked to this company of the PSA on {moved}; until the day "
    "before, what it was linked to before counts.",
    "expired": "it ended; its last day was {last}.",
    "incomplete": "the PSA did not let us read all of its lines.",
    "invalid_amount": "its price or quantity is missing or not a number.",
    "line_excluded_by_user": "someone in your team excluded this line from MRR.",
    "do_not_bill": "marked 'do not bill'.",
    "no_charge": "marked 'no charge'.",
    "unknown_bill_type": "marked for billing in a way we do not know.",
    "unknown_cycle": "its billing cycle is not one we know.",
    "single_cycle": "it lives for one billing cycle only, so it is billed at most once.",
    "line_invalid_dates": "the line ends before it starts.",
    "line_not_started": "the line starts on {start}.",
    "line_ended": "the line ended; its last day was {last}.",
    "no_units_for_date": "the PSA has no unit count for {as_of}.",
    "zero_amount": "the amount is zero.",
}
CODES: Final = tuple(REASONS)
#: Sentences that say more, where more is known.
MOVED_ACCOUNT: Final = "its audITee moved here on {moved}; before that its former account counts."
SET_ASIDE_FOR: Final = "typed by hand, and set aside since {psa} was linked on {linked}."
OTHER_TYPE: Final = "its type is {type}; only {recurring_type} counts."
FORMER_TYPE: Final = " Its type was {former_type} before {changed}."
UNKNOWN_CYCLE: Final = 'its billing cycle "{cycle}" is not one we know; it brings {amount} a cycle.'
INACTIVE_STATUS: Final = 'its status is "{status}"; only active agreements count.'
EXCLUDED_TYPE: Final = "someone in your team excluded agreements of its type from MRR."
#: What a warning means; it never changes a number. `{source}` is what the source is called.
WARNINGS: Final[dict[str, str]] = {
    "cancelled_without_date": "Cancelled, and we can't tell since when: it is out of the past too.",
    "stale_cancel_date": "There is a cancel date without the cancelled flag; it is ignored.",
    "inactive_may_still_bill": "{source} bills an inactive {agreement} until its end date.",
    "currency_assumed": "It names no currency; your own was taken.",
    "start_date_assumed": "It has no start date; it is taken as in force since ever.",
    "less_included_ignored": "A credit has no included units; they are ignored.",
    "negative_less_included": "Fewer than no units are included; that is ignored.",
    "parent_not_in_force": "Its parent agreement is not in force on this day.",
    "possible_overlap": "Another agreement of this name is in force too, and both count: does one "
    "replace the other?",
    "assumed_renewal": "It has ended; someone in your team says that it renews.",
    "included_by_user": "Someone in your team counts it in spite of its type or status.",
    "part_of_cycle": "It ends before one of its billing cycles is over: its price may be for that "
    "part only.",
    "negative_agreement": "The agreement comes to less than nothing on this day: a discount may "
    "have outlived what it discounted.",
    "counted_beside_psa": "It was typed by hand; someone in your team counts it beside what the "
    "PSA has.",
}
WARNING_CODES: Final = tuple(WARNINGS)


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One entry. Exact figures are "n/d" or None where they can't be known; dates None = open.

    `warnings` are codes of `WARNINGS`, `remarks` their sentences in the same order. `said` is what
    people said of the words that it rests on, in sentences; `awaited` the word whose meaning keeps
    it out, as long as nobody says it. `right` are codes of what would be warned of, had nobody said
    that it is right.
    """

    row_id: str
    agreement_id: str | None
    company_id: str | None
    parent_id: str | None
    source: str | None
    kind: str
    currency: str
    included: bool
    reason: str | None
    first_day: date | None
    last_day: date | None
    cycle: str | None
    factor: str | None
    per_cycle_exact: str | None
    rate_exact: str | None
    mrr_exact: str
    mrr: str
    formula: str
    sentence: str
    warnings: list[str] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    awaited: AwaitedWord | None = None
    right: list[str] = field(default_factory=list)
    agreement_ref: Any = None
    line_ref: Any = None


@dataclass(frozen=True, slots=True)
class AgreementSummary:
    """An agreement as a whole on a day."""

    agreement_id: str
    currency: str
    exact: Fraction
    included: bool
    reason: str | None
    ref: Any

    @property
    def mrr(self) -> str:
        return money_text(self.currency, self.exact)


def ledger(book: list[Prepared], on: date) -> list[LedgerRow]:
    """Every row in source order, then a `rounding` row per currency whose rows don't add up.

    With those the printed rows add up to the printed totals to the cent.
    """
    day = on.toordinal()
    doubtful = overlapping(book, day)
    entries = [
        entry for item in book for entry in _entries(item, on, overlaps=id(item) in doubtful)
    ]
    printed: dict[str, Fraction] = defaultdict(Fraction)
    for entry in entries:
        printed[entry.currency] += Fraction(entry.mrr)
    for figure in mrr(book, on):
        difference = Fraction(figure.amount) - printed[figure.currency]
        if difference:
            entries.append(_rounding(figure.currency, difference))
    return entries


def summary(item: Prepared, on: date) -> AgreementSummary:
    """An agreement as a whole: its sum, whether some row counts, and why not."""
    day, agreement = on.toordinal(), item.agreement
    count, exact = item.counted(day)
    reason = item.reason_on(day)
    if reason is None and not count:
        reason = item.rows[0].reason_on(day)
    return AgreementSummary(agreement.id, item.currency, exact, bool(count), reason, agreement.ref)


def _entries(item: Prepared, on: date, *, overlaps: bool) -> Iterable[LedgerRow]:
    """An agreement's rows; what is warned of it as a whole stands on one of them."""
    day = on.toordinal()
    of_first, of_counted = _agreement_warnings(item, day), _counting_warnings(item, day)
    for row in item.rows:
        reason = row.reason_on(day)
        warnings = list(row.warnings)
        if reason is None:
            warnings += _counted_warnings(row, day, overlaps=overlaps)
        warnings += of_first
        of_first = []
        if reason is None:
            warnings += of_counted
            of_counted = []
        yield _entry(row, on, reason, warnings)


def _entry(row: Row, on: date, reason: str | None, warnings: list[str]) -> LedgerRow:
    day, item = on.toordinal(), row.owner
    agreement, line = item.agreement, row.line
    per_cycle, rate, amount = row.per_cycle(day), row.rate(day), row.mrr(day)
    accepted = {*(agreement.right or ()), *((line and line.right) or ())}
    right = [code for code in warnings if code in accepted]
    warnings = [code for code in warnings if code not in accepted]
    first, until = max(item.first, row.first), min(item.until, row.until)
    formula = _formula(row, day) if rate is not None else ""
    sentence = f"Counted: {formula}." if reason is None else _sentence(row, reason, on)
    said = [choice.sentence for choice in _words_of(row)]
    return LedgerRow(
        row_id=row_id(item, line.id if line else None),
        agreement_id=agreement.id,
        company_id=agreement.company_id,
        parent_id=agreement.parent_id or None,
        source=agreement.source,
        kind=line.kind if line else "flat",
        currency=item.currency,
        included=reason is None,
        reason=reason,
        first_day=_day(first),
        last_day=_day(until - 1),
        cycle=row.cycle.name if row.cycle else None,
        factor=exact_text(row.factor) if row.factor is not None else None,
        per_cycle_exact=exact_text(per_cycle) if per_cycle is not None else None,
        rate_exact=exact_text(rate) if rate is not None else None,
        mrr_exact=exact_text(amount),
        mrr=money_text(item.currency, amount),
        formula=formula,
        sentence=" ".join([sentence, *said]),
        warnings=warnings,
        remarks=[_remark(code, item.source) for code in warnings],
        said=said,
        awaited=awaited_word(row, reason),
        right=right,
        agreement_ref=agreement.ref,
        line_ref=line.ref if line else None,
    )


def _rounding(currency: str, difference: Fraction) -> LedgerRow:
    return LedgerRow(
        row_id=f"rounding:{currency}",
        agreement_id=None,
        company_id=None,
        parent_id=None,
        source=None,
        kind="rounding",
        currency=currency,
        included=True,
        reason=None,
        first_day=None,
        last_day=None,
        cycle=None,
        factor=None,
        per_cycle_exact=None,
        rate_exact=None,
        mrr_exact=exact_text(difference),
        mrr=money_text(currency, difference),
        formula="",
        sentence="Rounding: the rows are rounded one by one, the total once.",
    )


def _day(ordinal: int) -> date | None:
    return date.fromordinal(ordinal) if EVER < ordinal < NEVER - 1 else None


def _sentence(row: Row, reason: str, on: date) -> str:
    agreement, line, item = row.owner.agreement, row.line, row.owner
    of_line = reason.startswith("line_")
    start = line.start_date if of_line and line else agreement.start_date
    if of_line:
        last = _day(row.until - 1)
    elif reason == "cancelled" and item.settled:
        last = None
    else:
        last = _day(item.until - 1)
    text = _template(row, reason).format(
        id=agreement.id,
        start=_text(start),
        end=_text(agreement.end_date),
        last=_text(last),
        moved=_text(agreement.counts_from),
        as_of=on.isoformat(),
        currency=item.currency,
        cycle=unknown_cycle_of(row),
        amount=_amount_per_cycle(row, on.toordinal()),
        type=agreement.type,
        status=agreement.status,
        recurring_type=item.source.recurring_type,
        former_type=agreement.former_type,
        changed=_text(agreement.type_changed_on),
        psa=agreement.set_aside_psa,
        linked=_text(agreement.set_aside_since),
    )
    return f"Left out: {text}"


def _template(row: Row, reason: str) -> str:
    """The sentence of a reason: the one that says more, where more is known."""
    item = row.owner
    agreement, meaning = item.agreement, item.meaning
    if reason == "not_recurring" and is_other_type(item):
        has_changed = agreement.former_type and agreement.type_changed_on
        return OTHER_TYPE + (FORMER_TYPE if has_changed else "")
    if reason == "set_aside" and agreement.set_aside_psa and agreement.set_aside_since:
        return SET_ASIDE_FOR
    if reason == "before_move" and not item.edition.says_linked_elsewhere:
        return MOVED_ACCOUNT
    if reason == "unknown_cycle" and unknown_cycle_of(row):
        return UNKNOWN_CYCLE
    if reason == "inactive" and agreement.status:
        return INACTIVE_STATUS
    if reason == "excluded_by_user" and meaning.exclude and not agreement.exclude:
        return EXCLUDED_TYPE
    return REASONS[reason]


def _amount_per_cycle(row: Row, day: int) -> str:
    per_cycle, currency = row.per_cycle(day), row.owner.currency
    return f"{currency} {money_text(currency, per_cycle)}" if per_cycle is not None else "nothing"


def _words_of(row: Row) -> list[WordChoice]:
    """What people said of words that this row rests on."""
    return [*row.owner.meaning.decided, *([row.word] if row.word else [])]


def _text(day: date | None) -> str:
    return day.isoformat() if day else "not known"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a line's amount is the product of: `included` units are free, 0 = none."""

    quantity: Fraction
    included: Fraction
    price: Fraction

    @property
    def billed(self) -> Fraction:
        """How many are charged."""
        return max(self.quantity - self.included, Fraction(0)) if self.included else self.quantity


def terms_of(row: Row) -> Terms | None:
    """None = the amount is no product: a flat one, or by a history of units."""
    line = row.line
    if line is None or row.history is not None or line.quantity is None:
        return None
    included = line.less_included
    if not included or line.quantity < 0 or included < 0:  # beside a credit it may be anything
        included = Decimal(0)
    return Terms(Fraction(line.quantity), Fraction(included), Fraction(line.unit_price or 0))


def _formula(row: Row, day: int) -> str:
    """`(22 - 20 included, at least 0) x 25 = 50 monthly = 50.00 a month`."""
    per_cycle, rate = row.per_cycle(day), row.rate(day)
    if per_cycle is None or rate is None or row.cycle is None or row.factor is None:
        return ""
    parts = [plain_text(per_cycle)]
    if terms := terms_of(row):
        quantity = plain_text(terms.quantity)
        if terms.included:
            quantity = f"({quantity} - {plain_text(terms.included)} included, at least 0)"
        parts.insert(0, f"{quantity} x {plain_text(terms.price)}")
    text = f"{' = '.join(parts)} {row.cycle.name.replace('_', ' ')}"
    if row.factor != 1:
        text += f" x {row.factor}"
    return f"{text} = {money_text(row.owner.currency, rate)} a month"


# Warnings


def _remark(code: str, source: Source) -> str:
    """A warning's sentence, as it is said of this source."""
    return WARNINGS[code].format(source=source.name, agreement=source.agreement_word)


def _counted_warnings(row: Row, day: int, *, overlaps: bool) -> list[str]:
    """Those that stand on each row that counts, or on the one."""
    parent = row.owner.parent
    applying = {
        "parent_not_in_force": parent is not None and parent.reason_on(day) is not None,
        "possible_overlap": overlaps,
        "part_of_cycle": is_part_of_cycle(row),
    }
    return [code for code, applies in applying.items() if applies]


def _agreement_warnings(item: Prepared, day: int) -> list[str]:
    """Those that stand on an agreement's first row."""
    agreement = item.agreement
    is_inactive = item.reason_on(day) == "inactive"
    applying = {
        "cancelled_without_date": agreement.cancelled is True and not agreement.cancelled_date,
        "stale_cancel_date": agreement.cancelled is False and agreement.cancelled_date is not None,
        "inactive_may_still_bill": is_inactive and item.source.bills_when_inactive,
        "currency_assumed": not agreement.currency.strip(),
        "start_date_assumed": agreement.start_date is None,
        "negative_agreement": comes_to_less_than_nothing(item, day),
    }
    return [code for code, applies in applying.items() if applies]


def _counting_warnings(item: Prepared, day: int) -> list[str]:
    """Those that stand on an agreement's first row that counts: why it counts all the same."""
    agreement, end, meaning = item.agreement, item.agreement.end_date, item.meaning
    since = agreement.inactive_from
    is_inactive = meaning.active is False and (since is None or day >= since.toordinal())
    not_meant = meaning.recurring is False or is_inactive
    applying = {
        "assumed_renewal": bool(
            agreement.assume_renewal and end and not agreement.no_end and day > end.toordinal()
        ),
        "included_by_user": agreement.force_include and not_meant,
        "counted_beside_psa": agreement.force_include and agreement.set_aside,
    }
    return [code for code, applies in applying.items() if applies]


def rounding_difference(entries: Iterable[LedgerRow], currency: str) -> str:
    """What the `rounding` row of a currency says, 0 where there is none."""
    found = [Fraction(e.mrr) for e in entries if e.kind == "rounding" and e.currency == currency]
    return money_text(currency, sum(found, Fraction(0)))


__all__ = ["AgreementSummary", "LedgerRow", "Terms", "ledger", "round_money", "summary", "terms_of"]
