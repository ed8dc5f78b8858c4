"""A company's MRR as its page shows it: each row with what people decided about it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from agreements.decisions import Replacement, choice_history, label_of, replacements
from agreements.figures import AgreementRow, CompanyFigure
from agreements.models import Agreement, ChoiceRecord
from agreements.mrr import LedgerRow
from agreements.mrr.doubts import POSSIBLE_OVERLAP, rivals
from agreements.overlaps import Overlap
from agreements.web import decision_words
from agreements.web.acts import Act, agreement_act, line_act
from agreements.web.arithmetic import NONE, Arithmetic, arithmetic_of
from agreements.web.short_reasons import short_reason
from audit_site.tenants.models import Tenant

History = Mapping[UUID, Sequence[ChoiceRecord]]


@dataclass(frozen=True, slots=True)
class Decisions:
    """What people decided about some agreements and their lines, from every side.

    `history` is newest first, by the agreement's or the line's id; `replaced_by` and `replaces` are
    by the agreement's id. `labels` name the agreements by the text of their ids.
    """

    history: History
    replaced_by: Mapping[UUID, list[Replacement]]
    replaces: Mapping[UUID, Sequence[Replacement]]
    labels: dict[str, str]

    def in_force(self, pk: UUID) -> ChoiceRecord | None:
        """The newest that still holds; None where all was taken back, too."""
        return decision_words.in_force(self.history.get(pk, ()))


def decisions_about(
    tenant: Tenant, agreements: Sequence[Agreement], until: datetime | None = None
) -> Decisions:
    """What was decided until a moment; None = now. One statement."""
    history = choice_history(tenant, agreements, until)
    found = replacements(agreements, history)
    replaced_by: dict[UUID, list[Replacement]] = defaultdict(list)
    replaces: dict[UUID, list[Replacement]] = defaultdict(list)
    for replacement in found:
        replaced_by[replacement.older.pk].append(replacement)
        replaces[replacement.newer.pk].append(replacement)
    return Decisions(
        history,
        replaced_by,
        replaces,
        {str(agreement.pk): label_of(agreement) for agreement in agreements},
    )


@dataclass(frozen=True, slots=True)
class LineRow:
    """A row of the ledger with its arithmetic and the newest decision about its line that still
    holds. `overlaps` are what it is warned of as counted twice with.
    """

    row: LedgerRow
    sum: Arithmetic
    decision: ChoiceRecord | None
    overlaps: Sequence[Overlap] = ()

    @property
    def name(self) -> str:
        return str(self.row.line_ref or "Flat amount")

    @property
    def has_notes(self) -> bool:
        """Whether more is to be said of it than its sum."""
        row = self.row
        return bool(self.decision or row.remarks or row.right)

    @property
    def why(self) -> str:
        """Why it is left out, in a few words."""
        return short_reason(self.row)

    @property
    def act(self) -> Act | None:
        return line_act(self.row)


@dataclass(frozen=True, slots=True)
class DecidedAgreement:
    """An agreement with the newest decision about it that still holds.

    What it `replaces` was decided otherwise than by that and is still so; `replaced_by` says what
    replaces it; `said` is what was said of its PSA's words, in sentences.
    """

    row: AgreementRow
    decision: ChoiceRecord | None
    replaces: Sequence[Replacement]
    replaced_by: Sequence[Replacement]
    said: Sequence[str]


@dataclass(frozen=True, slots=True)
class Group:
    """An agreement with its rows; `subtotal` is what those that count come to as they are shown."""

    decided: DecidedAgreement
    counted: list[LineRow]
    left_out: list[LineRow]

    @property
    def agreement(self) -> Agreement:
        return self.decided.row.agreement

    @property
    def currency(self) -> str:
        return self.decided.row.summary.currency

    @property
    def subtotal(self) -> str:
        return str(sum((Decimal(line.row.mrr) for line in self.counted), Decimal(0)))

    @property
    def act(self) -> Act:
        return agreement_act(self.decided.row)

    @property
    def whole(self) -> LineRow | None:
        """The row that says why nothing of it counts; None = something does."""
        return None if self.counted else next(iter(self.left_out), None)

    @property
    def reasons(self) -> str:
        """Why its rows are left out, each reason once: `billed once, ended 31 Jan 2026`."""
        return ", ".join(dict.fromkeys(line.why for line in self.left_out))


@dataclass(frozen=True, slots=True)
class MrrPage:
    """The sum, agreement by agreement; those of which something counts come first."""

    figure: CompanyFigure
    groups: list[Group]
    labels: dict[str, str]

    @property
    def counting(self) -> list[Group]:
        return [group for group in self.groups if group.counted]

    @property
    def left_out(self) -> list[Group]:
        """The agreements of which nothing counts."""
        return [group for group in self.groups if not group.counted]

    @property
    def number_left_out(self) -> int:
        return len(self.figure.left_out)


def mrr_page(tenant: Tenant, figure: CompanyFigure) -> MrrPage:
    """One statement."""
    agreements = [row.agreement for row in figure.agreements]
    decisions = decisions_about(tenant, agreements, figure.known_at)
    said, sums = _said(figure.ledger), arithmetic_of(figure)
    rows: dict[UUID, list[LineRow]] = defaultdict(list)
    for row in figure.ledger:
        if row.agreement_ref:
            decision = decisions.in_force(row.line_ref.pk) if row.line_ref else None
            line = LineRow(row, sums.get(row.row_id, NONE), decision, _overlaps(row, figure))
            rows[row.agreement_ref.pk].append(line)
    groups = [
        Group(
            _agreement(row, decisions, said[row.agreement.pk]),
            [line for line in rows[row.agreement.pk] if line.row.included],
            [line for line in rows[row.agreement.pk] if not line.row.included],
        )
        for row in figure.agreements
    ]
    return MrrPage(figure, groups, decisions.labels)


def _overlaps(row: LedgerRow, figure: CompanyFigure) -> list[Overlap]:
    """What a row is counted twice with; who looks at a moment that is past can't settle it."""
    if not row.included or POSSIBLE_OVERLAP not in row.warnings or figure.known_at is not None:
        return []
    day, own = figure.as_of.toordinal(), row.agreement_ref
    item = next(one for one in figure.book if one.agreement.ref == own)
    others = (other.agreement.ref for other in rivals(item, figure.book, day))
    return [Overlap(own, other) for other in others]


def _said(ledger: Sequence[LedgerRow]) -> Mapping[UUID, list[str]]:
    """What was said of the words that each agreement rests on, each sentence once."""
    found: dict[UUID, list[str]] = defaultdict(list)
    for row in ledger:
        if row.agreement_ref:
            said = found[row.agreement_ref.pk]
            said += [sentence for sentence in row.said if sentence not in said]
    return found


def _agreement(row: AgreementRow, decisions: Decisions, said: Sequence[str]) -> DecidedAgreement:
    pk = row.agreement.pk
    newest = decisions.in_force(pk)
    earlier = [
        replacement
        for replacement in decisions.replaces.get(pk, ())
        if newest and replacement.record.pk != newest.pk
    ]
    return DecidedAgreement(row, newest, earlier, decisions.replaced_by.get(pk, ()), said)
