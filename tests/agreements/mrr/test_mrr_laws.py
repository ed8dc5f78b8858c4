from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from agreements import mrr
from agreements.mrr import Agreement, Book, Line
from agreements.mrr.doubts import doubts_of
from agreements.mrr.money import plain_text, round_money
from agreements.mrr.words import NO_WORDS, WordChoice, Words, word_key

ON = date(2026, 6, 15)
ONE_DAY = timedelta(days=1)
amounts = st.decimals(min_value=-5000, max_value=50000, places=2)
positive = st.decimals(min_value=1, max_value=50000, places=2)
cycles = st.sampled_from(
    [
        "monthly",
        "annual",
        "quarterly",
        "weekly",
        "bimonthly",
        "biennial",
        {"every": 18, "unit": "month"},
    ]
)
days = st.dates(date(2024, 1, 1), date(2028, 12, 31))
#: About the day on which most is asked: lines of one product often meet there.
near = st.integers(-45, 20).map(lambda n: ON + ONE_DAY * n)
asked_days = st.just(ON) | days
currencies = st.sampled_from(["USD"] * 3 + ["EUR", "JPY", "KWD", "CLF", "pounds"])
rarely = st.sampled_from([False] * 7 + [True])
names = st.sampled_from(["", "Gold", "Renewal of gold", "Gold 2026", "Silver"])
DOUBTS = ["possible_overlap", "part_of_cycle", "negative_agreement"]
right = st.none() | st.lists(st.sampled_from(DOUBTS), unique=True)
#: What somebody said: of a type, a status, a product, a currency.
SAID = [
    WordChoice("agreement_type", "Retainer", "leave_out"),
    WordChoice("agreement_type", "Project", "count"),
    WordChoice("status", "On hold", "active"),
    WordChoice("product", "B", "usage"),
    WordChoice("product", "A", "recurring"),
    WordChoice("currency", "pounds", "GBP"),
]
WORDS = {("", one.kind, word_key(one.word)): one for one in SAID}
words = st.lists(st.sampled_from(sorted(WORDS)), unique=True).map(
    lambda keys: {key: WORDS[key] for key in keys}
)


@st.composite
def lines(draw: Any) -> Line:
    product = draw(st.sampled_from(["", "A", "B"]))
    start = draw(near if product else st.none() | days)
    end = draw(st.none() | days | st.integers(-1, 70).map(lambda n: (start or ON) + ONE_DAY * n))
    return Line(
        id=str(draw(st.integers(1, 10**6))),
        quantity=draw(st.decimals(min_value=-20, max_value=200, places=1)),
        unit_price=draw(amounts),
        less_included=draw(st.none() | st.decimals(min_value=0, max_value=30, places=0)),
        bill=draw(st.sampled_from(["billable"] * 4 + ["no_charge", "BillLater"])),
        start_date=start,
        end_date=end,
        product=product,
        one_time=draw(st.sampled_from([None, None, None, False])),
        usage=draw(rarely),
        exclude=draw(rarely),
        right=draw(right),
        cycle=draw(st.none() | cycles),
        chosen_cycle=draw(st.none() | st.none() | cycles),
        has_recurred=draw(rarely),
    )


@st.composite
def agreements(draw: Any) -> Agreement:
    start = draw(st.just(date(2025, 1, 1)) | days)
    end = draw(st.none() | st.integers(0, 1500).map(lambda n: start + timedelta(days=n)))
    return Agreement(
        source="s",
        id=str(draw(st.integers(1, 10**9))),
        company_id=draw(st.sampled_from(["A", "B", "C"])),
        name=draw(names),
        type=draw(st.sampled_from(["", "Retainer", "Project"])),
        status=draw(st.sampled_from(["", "On hold"])),
        recurring=draw(st.sampled_from([None] * 3 + [True, False])),
        exclude=draw(rarely),
        force_include=draw(rarely),
        assume_renewal=draw(rarely),
        set_aside=draw(rarely),
        right=draw(right),
        chosen_cycle=draw(st.none() | st.none() | cycles),
        currency=draw(currencies),
        start_date=start,
        end_date=end,
        cycle=draw(cycles),
        amount=draw(amounts),
        active=draw(st.sampled_from([None, None, True, False])),
        inactive_from=draw(st.none() | days),
        lines=draw(st.lists(lines(), max_size=4, unique_by=lambda line: line.id)),
    )


@st.composite
def books_with_renewals(draw: Any) -> list[Agreement]:
    """Agreements of which some replace others, one or several."""
    book = draw(st.lists(agreements(), max_size=6, unique_by=lambda agreement: agreement.id))
    for agreement in book:
        ids = [other.id for other in book if other is not agreement]
        agreement.renews = draw(st.lists(st.sampled_from(ids), max_size=2)) if ids else []
    return book


books = books_with_renewals()


def exact(figures: list[mrr.Figure]) -> dict[str, Fraction]:
    return {figure.currency: figure.exact for figure in figures}


def all_figures(book: list[Agreement], on: date, said: Words = NO_WORDS) -> Any:
    prepared = mrr.prepare(Book(book, words=said))
    windows = {name: exact(found) for name, found in mrr.averages(prepared, on).items()}
    return exact(mrr.mrr(prepared, on)), windows, exact(mrr.recognized(prepared, on))


@settings(max_examples=60)
@given(st.lists(positive, min_size=1, max_size=5), cycles)
def test_all_figures_agree_when_nothing_starts_or_ends(prices: list[Decimal], cycle: Any) -> None:
    book = [
        Agreement(
            "s", str(n), currency="USD", start_date=date(2020, 1, 1), cycle=cycle, amount=price
        )
        for n, price in enumerate(prices)
    ]

    now, windows, month = all_figures(book, ON)

    assert now == windows["trailing12"] == windows["forward12"] == month


@settings(max_examples=60)
@given(books, asked_days, words)
def test_the_ledger_adds_up_to_the_totals_to_the_cent(
    book: list[Agreement], on: date, said: Words
) -> None:
    prepared = mrr.prepare(Book(book, words=said))
    sums: dict[str, Decimal] = {}
    for row in mrr.ledger(prepared, on):
        sums[row.currency] = sums.get(row.currency, Decimal(0)) + Decimal(row.mrr)

    totals = {figure.currency: Decimal(figure.amount) for figure in mrr.mrr(prepared, on)}

    assert {currency: total for currency, total in sums.items() if total} == {
        currency: total for currency, total in totals.items() if total
    }


@settings(max_examples=60)
@given(agreements(), st.integers(1, 1400), days, words)
def test_splitting_an_agreement_in_two_at_any_day_changes_no_figure(
    whole: Agreement, offset: int, on: date, said: Words
) -> None:
    whole.assume_renewal = False  # else both parts would go on
    cut = whole.start_date + timedelta(days=offset)
    end = whole.end_date
    if end is not None and cut > end:
        cut = end
    if cut <= whole.start_date:
        return
    first = replace(whole, id="first", end_date=cut - ONE_DAY)
    second = replace(whole, id="second", start_date=cut)

    assert all_figures([whole], on, said) == all_figures([first, second], on, said)
    second.renews = ["first"]
    assert all_figures([whole], on, said) == all_figures([first, second], on, said)


@settings(max_examples=60)
@given(books, days, st.integers(1, 900), words)
def test_opening_plus_movements_is_closing(
    book: list[Agreement], start: date, span: int, said: Words
) -> None:
    prepared = mrr.prepare(Book(book, words=said))

    for bridge in mrr.movement(prepared, start, start + timedelta(days=span)):
        assert bridge.opening + sum(bridge.classes.values()) == bridge.closing


@settings(max_examples=100)
@given(books, asked_days, st.randoms(), words)
def test_the_order_of_input_does_not_matter(
    book: list[Agreement], on: date, random: Any, said: Words
) -> None:
    shuffled = [replace(one, lines=random.sample(one.lines, len(one.lines))) for one in book]
    random.shuffle(shuffled)

    assert all_figures(book, on, said) == all_figures(shuffled, on, said)
    assert told(book, on, said) == told(shuffled, on, said)


@st.composite
def pieces(draw: Any) -> Line:
    """A line of the one product, about as long as a period."""
    start = draw(near)
    return Line(
        id="",
        quantity=Decimal(1),
        unit_price=Decimal(10),
        start_date=start,
        end_date=start + timedelta(days=draw(st.sampled_from([0, 6, 15, 29, 30, 31, 60]))),
        product="A",
        has_recurred=draw(rarely),
    )


@settings(max_examples=100)
@given(st.lists(pieces(), min_size=2, max_size=4), cycles, st.randoms())
def test_which_lines_are_billed_once_does_not_depend_on_their_order(
    some: list[Line], cycle: Any, random: Any
) -> None:
    given_ids = [replace(line, id=str(position)) for position, line in enumerate(some)]
    whole = Agreement("s", "1", currency="USD", cycle=cycle, lines=given_ids)
    other = replace(whole, lines=random.sample(given_ids, len(given_ids)))

    assert told([whole], ON, NO_WORDS) == told([other], ON, NO_WORDS)


def told(book: list[Agreement], on: date, said: Words) -> Any:
    """Of each row why it counts or not; of each agreement and line what is doubtful."""
    prepared = mrr.prepare(Book(book, words=said))
    every = [row for row in mrr.ledger(prepared, on) if row.kind != "rounding"]
    rows = {row.row_id: (row.reason, row.mrr_exact, row.sentence) for row in every}
    of_agreements: dict[str | None, set[str]] = {}
    for row in every:
        of_agreements.setdefault(row.agreement_id, set()).update(row.warnings, row.right)
    return rows, of_agreements


@settings(max_examples=40)
@given(books, asked_days, words)
def test_what_is_warned_of_and_said_to_be_right_changes_no_figure(
    book: list[Agreement], on: date, said: Words
) -> None:
    looked_at = [
        replace(one, right=DOUBTS, lines=[replace(line, right=DOUBTS) for line in one.lines])
        for one in book
    ]

    prepared = mrr.prepare(Book(looked_at, words=said))

    assert all_figures(book, on, said) == all_figures(looked_at, on, said)
    assert [doubts_of(item, on.toordinal(), overlaps=True) for item in prepared] == [[]] * len(book)
    assert not [row for row in mrr.ledger(prepared, on) if {*row.warnings} & {*DOUBTS}]


@settings(max_examples=60)
@given(books, days)
def test_a_row_has_a_reason_exactly_when_it_brings_nothing(book: list[Agreement], on: date) -> None:
    prepared = mrr.prepare(Book(book))
    day = on.toordinal()

    for item in prepared:
        for row in item.rows:
            assert (row.reason_on(day) is None) == row.counts(day)


@settings(max_examples=40)
@given(agreements(), days)
def test_the_next_change_is_the_next_day_on_which_something_differs(
    agreement: Agreement, after: date
) -> None:
    (item,) = mrr.prepare(Book([agreement]))

    def state(day: date) -> Any:
        return [(row.reason_on(day.toordinal()), row.mrr(day.toordinal())) for row in item.rows]

    change = mrr.next_change(item, after)

    for offset in range(1, 400):
        day = after + timedelta(days=offset)
        if change is not None and day >= change:
            break
        assert state(day) == state(after)


@settings(max_examples=30)
@given(books, days)
def test_no_float_is_anywhere(book: list[Agreement], on: date) -> None:
    prepared = mrr.prepare(Book(book))
    rows = mrr.ledger(prepared, on)
    values: list[Any] = [getattr(row, name) for row in rows for name in row.__slots__]
    values += [figure.exact for figure in mrr.mrr(prepared, on)]
    values += [rate for item in prepared for row in item.rows for _, _, rate in row.stretches]

    assert not [value for value in values if isinstance(value, float)]


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**6))
def test_rounding_is_half_away_from_zero(numerator: int, denominator: int) -> None:
    amount = Fraction(numerator, denominator)

    rounded = round_money("USD", amount)

    assert abs(Fraction(rounded) - amount) <= Fraction(1, 200)
    assert round_money("USD", -amount) == -rounded
    assert round_money("USD", Fraction(1, 200)) == Decimal("0.01")
    assert round_money("USD", Fraction(-1, 200)) == Decimal("-0.01")
    assert str(round_money("USD", Fraction(-1, 1000))) == "0.00"


@given(st.integers(-(10**40), 10**40), st.integers(0, 40))
def test_a_number_that_ends_is_shown_with_all_its_digits(digits: int, places: int) -> None:
    number = Fraction(digits, 10**places)

    assert Fraction(plain_text(number)) == number
    assert "E" not in plain_text(number)
