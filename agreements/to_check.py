"""Agreements of all companies in one list, above all those that somebody should look at: amounts
that are doubtful, and what ended with nothing following.

Which they are is read from what is stored; a page of them is worked out with its companies' books.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from fractions import Fraction
from typing import Final
from uuid import UUID

from django.db.models import Exists, F, OuterRef, Q, QuerySet, TextField, Value
from django.db.models.functions import Cast, Coalesce, Concat
from django.db.models.lookups import Contains

from agreements import books, mrr, stored_mrr
from agreements.decision_rules import RIGHT_OF_AGREEMENTS, RIGHT_OF_LINES
from agreements.figures import AgreementRow, Money, agreement_row, first_left_out
from agreements.models import Agreement, AgreementLine
from agreements.mrr.doubts import (
    PART_OF_CYCLE,
    POSSIBLE_OVERLAP,
    is_part_of_cycle,
    rivals,
)
from agreements.mrr.prepared import Row
from agreements.overlaps import Overlap
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from companies.models import Company

#: Reasons of agreements that no day brings into force.
NEVER_IN_FORCE: Final = (
    *("duplicate_id", "excluded_by_user", "set_aside", "not_recurring", "one_time"),
    *("invalid_dates", "unknown_currency", "inactive"),
)
#: Agreements that ended longer ago are let be.
ENDED_WITHIN: Final = timedelta(days=92)


def of_active(tenant: Tenant) -> QuerySet[Agreement]:
    """Agreements of active companies that their PSA shows, with what is stored of their MRR."""
    rows = Agreement.objects.for_tenant(tenant).present()
    return rows.filter(company__status=Company.Status.ACTIVE).select_related(
        "stored_mrr", "company__tenant", "integration", "typed", "choices"
    )


def in_doubt(rows: QuerySet[Agreement], code: str = "") -> QuerySet[Agreement]:
    """Those that count today with a warning that waits for a person; of one code, or any."""
    doubtful = rows.filter(~Q(stored_mrr__doubts=""), stored_mrr__isnull=False)
    return doubtful.filter(stored_mrr__doubts__contains=code) if code else doubtful


def _never_was() -> Q:
    """Agreements that never were in force, and in which nothing goes on."""
    called_off = Q(stored_mrr__last_day=None) | Q(stored_mrr__last_day__lt=F("start_date"))
    return Q(stored_mrr__reason__in=NEVER_IN_FORCE) | (
        Q(stored_mrr__reason="cancelled") & called_off
    )


def ended_without_renewal(tenant: Tenant) -> QuerySet[Agreement]:
    """Agreements that ended within the last 92 days, of clients who are active still, and that no
    other one replaces; one that was called off before it began replaces nothing.
    """
    today = tenant.today()
    same_account = Q(integration=OuterRef("integration")) | Q(
        source=OuterRef("source"), integration=None
    )
    newer = Agreement.objects.for_tenant(tenant).present().exclude(_never_was())
    newer = newer.filter(same_account, company=OuterRef("company"))
    said = Coalesce("choices__renews", "renews_external_ids")
    newer = newer.annotate(said=Cast(said, TextField())).filter(
        Contains(F("said"), Concat(Value('"'), OuterRef("external_id"), Value('"')))
    )
    return of_active(tenant).filter(
        ~Exists(newer),
        stored_mrr__reason="expired",
        stored_mrr__last_day__range=(today - ENDED_WITHIN, today - timedelta(days=1)),
    )


def count_to_check(tenant: Tenant) -> int:
    """How many agreements somebody should look at. Two statements."""
    return in_doubt(of_active(tenant)).count() + ended_without_renewal(tenant).count()


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked(AgreementRow):
    """An agreement with what it comes to today, in a list of all companies.

    `rate` is what it brings a month, or brought on the last day of one that ended. `doubts` are
    codes of warnings that wait for a person; `overlaps` what it may be counted twice with; `lines`
    those whose amount may be for a part of a cycle only, and `part` what they bring together.
    """

    rate: Money
    doubts: Sequence[str]
    overlaps: Sequence[Overlap]
    lines: Sequence[AgreementLine]
    part: Money
    last_day: date | None

    @property
    def overlap_ids(self) -> list[str]:
        return [str(overlap.other.pk) for overlap in self.overlaps]

    @property
    def is_doubtful_in_part(self) -> bool:
        """Whether some of its amount is in doubt, and all else is well."""
        return [*self.doubts] == [PART_OF_CYCLE] and self.part != self.rate


def checked(tenant: Tenant, agreements: Sequence[Agreement]) -> list[Checked]:
    """These agreements as a list shows them. As many statements, however many they are."""
    settled = _settled(tenant, agreements)
    lines = _lines(tenant, [item for item, _ in settled.values()])
    others = _others(tenant, [ref for _, refs in settled.values() for ref in refs])
    today = tenant.today()
    found = []
    for agreement in agreements:
        if agreement.pk in settled:
            item, refs = settled[agreement.pk]
            item.agreement.ref = agreement
            overlaps = [Overlap(agreement, others[ref]) for ref in refs if ref in others]
            found.append(_checked(item, overlaps, lines.get(agreement.pk, ()), today))
    return found


def doubts_about(agreement: Agreement, line: AgreementLine | None = None) -> Sequence[str]:
    """The codes of what is doubtful today of an agreement itself, or of one of its lines."""
    stored_mrr.refresh_stale(agreement.tenant, [agreement.company_id])
    rows = Agreement.objects.for_tenant(agreement.tenant).select_related("stored_mrr")
    for found in checked(agreement.tenant, [*rows.filter(pk=agreement.pk)]):
        if line is None:
            return [code for code in found.doubts if code in RIGHT_OF_AGREEMENTS]
        return RIGHT_OF_LINES if line.pk in {one.pk for one in found.lines} else ()
    return ()


def settled_with(agreement: Agreement) -> Sequence[Agreement]:
    """Agreements whose doubt is settled with that of this one: which may be counted twice with it,
    and with no other of which nobody has said that it is right.
    """
    (found,) = checked(agreement.tenant, [agreement])
    rows = Agreement.objects.for_tenant(agreement.tenant).select_related("stored_mrr")
    others = checked(agreement.tenant, [*rows.filter(AnyOf("id", found.overlap_ids))])
    doubtful = {row.agreement.pk for row in others if POSSIBLE_OVERLAP in row.doubts}
    doubtful.add(agreement.pk)
    return [
        row.agreement
        for row in others
        if row.agreement.pk in doubtful
        and doubtful & {overlap.other.pk for overlap in row.overlaps} == {agreement.pk}
    ]


def _others(tenant: Tenant, refs: Sequence[str]) -> dict[str, Agreement]:
    """Agreements by the text of their ids."""
    rows = Agreement.objects.for_tenant(tenant).filter(AnyOf("id", refs)) if refs else ()
    return {str(agreement.pk): agreement for agreement in rows}


def _checked(
    item: mrr.Prepared, overlaps: Sequence[Overlap], lines: Sequence[AgreementLine], today: date
) -> Checked:
    row = agreement_row(item, mrr.summary(item, today), first_left_out(mrr.ledger([item], today)))
    has_ended = item.last_day is not None and item.last_day < today
    on = item.last_day if has_ended and item.last_day else today
    day = on.toordinal()
    part = sum((row.mrr(day) for row in _parts_of_cycle(item, day)), Fraction(0))
    return Checked(
        row.agreement,
        row.summary,
        row.sentence,
        row.is_recurring,
        row.awaited,
        rate=_money(item.currency, item.counted(day)[1]),
        doubts=_stored_doubts(row.agreement),
        overlaps=overlaps,
        lines=lines,
        part=_money(item.currency, part),
        last_day=item.last_day,
    )


def _money(currency: str, amount: Fraction) -> Money:
    return {"currency": currency, "amount": mrr.money_text(currency, amount)}


def _parts_of_cycle(item: mrr.Prepared, day: int) -> Iterator[Row]:
    """The rows that may be priced for a part of a cycle; not those that somebody said are right."""
    for row in item.rows:
        right = (row.line.right if row.line else None) or ()
        if is_part_of_cycle(row) and row.counts(day) and PART_OF_CYCLE not in right:
            yield row


def _last_days(agreements: Sequence[Agreement]) -> list[date]:
    stored = [one.stored_mrr for one in agreements if hasattr(one, "stored_mrr")]
    return [row.last_day for row in stored if row.last_day]


def _stored_doubts(agreement: Agreement) -> list[str]:
    stored = getattr(agreement, "stored_mrr", None)
    return [code for code in (stored.doubts if stored else "").split(",") if code]


def _settled(
    tenant: Tenant, agreements: Sequence[Agreement]
) -> dict[UUID, tuple[mrr.Prepared, list[str]]]:
    """By id, these agreements settled in the books of their companies, with their lines; and our
    ids of what may be counted twice with each.
    """
    owners = {str(agreement.company_id): tenant for agreement in agreements}
    since = min([tenant.today(), *_last_days(agreements)])
    settled = books.prepare_by_company(owners, {tenant.pk: since}) if owners else {}
    wanted = {str(agreement.pk): agreement for agreement in agreements}
    day = tenant.today().toordinal()
    found = {}
    for items in settled.values():
        for item in (one for one in items if one.is_own and one.agreement.ref in wanted):
            agreement, others = wanted[item.agreement.ref], []
            if POSSIBLE_OVERLAP in _stored_doubts(agreement):
                others = rivals(item, items, day)
            found[agreement.pk] = item, [other.agreement.ref for other in others]
    return found


def _lines(tenant: Tenant, settled: Iterable[mrr.Prepared]) -> dict[UUID, list[AgreementLine]]:
    """By agreement, the lines that may be priced for a part of a cycle."""
    today = tenant.today().toordinal()
    named = {
        (item.agreement.ref, row.line.id)
        for item in settled
        for row in _parts_of_cycle(item, today)
        if row.line is not None
    }
    found: dict[UUID, list[AgreementLine]] = {}
    if named:
        rows = AgreementLine.objects.for_tenant(tenant).present()
        ids = {agreement_id for agreement_id, _ in named}
        for line in rows.filter(AnyOf("agreement_id", ids)).order_by("position", "id"):
            if (str(line.agreement_id), line.external_id) in named:
                found.setdefault(line.agreement_id, []).append(line)
    return found
