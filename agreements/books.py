"""From stored rows to the engine's book: agreements, lines, and what people decided about them.

How many queries it takes does not depend on how many agreements there are. All ids are text here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import Case, F, Q, QuerySet, TextField, Value, When
from django.db.models.functions import Coalesce
from msgspec import Struct
from msgspec.json import encode
from msgspec.structs import replace

from agreements import mrr
from agreements.models import MANUAL, Agreement, AgreementLine
from agreements.mrr.words import words_of_agreement, words_of_line
from agreements.stored_values import KeptValues, agreement_as_kept, line_as_kept
from audit_site.db.bulk import AnyOf
from audit_site.db.json_rows import IdText, JsonArray, decoder
from audit_site.tenants.models import Tenant
from integrations.importing.said_words import words_of
from integrations.psa import registry

ONE_DAY = timedelta(days=1)
NOT_GONE: Mapping[UUID, datetime | None] = {}
AS_STORED: Mapping[UUID, KeptValues] = {}


def _json_of(type_: type[Struct], **columns: Any) -> JsonArray:
    """Which column is which field of the engine's. Fields after these stay what they are by
    default.
    """
    fields = type_.__struct_fields__
    if set(columns) != set(fields[: len(columns)]):
        raise TypeError(f"These are not the first fields of {type_.__name__}: {[*columns]}")
    return JsonArray(*(columns[name] for name in fields[: len(columns)]))


#: What somebody chose as replaced is of the agreement's own account, or both are typed.
SAME_ACCOUNT = Q(choices__renews__integration=F("integration")) | Q(
    choices__renews__source=MANUAL, source=MANUAL
)
AGREEMENT = _json_of(
    mrr.Agreement,
    source="source",
    id="external_id",
    company_id=IdText("company_id"),
    name="name",
    currency="currency",
    start_date="start_date",
    end_date="end_date",
    no_end="no_end",
    cancelled="cancelled",
    cancelled_date="cancelled_date",
    recurring="recurring",
    active="active",
    cycle="cycle",
    amount="amount",
    parent_id="parent_external_id",
    renews_id=Coalesce(
        Case(  # an id of another account means nothing in this one
            When(SAME_ACCOUNT, then="choices__renews__external_id")
        ),
        "renews_external_id",
    ),
    incomplete="incomplete",
    exclude=Coalesce("choices__exclude", False),
    force_include=Coalesce("choices__force_include", False),
    assume_renewal=Coalesce("choices__assume_renewal", False),
    account=Coalesce(IdText("integration_id"), Value("", TextField())),
    type="type",
    status="status",
    former_type="former_type",
    type_changed_on="type_changed_on",
    set_aside="set_aside",
    counts_from="counts_from",
)
LINE = _json_of(
    mrr.Line,
    id="external_id",
    kind="kind",
    quantity="quantity",
    unit_price="unit_price",
    less_included="less_included",
    bill="bill",
    start_date="start_date",
    end_date="end_date",
    cycle="cycle",
    product="product",
    one_time="one_time",
    exclude=Coalesce("choices__exclude", False),
    units="units",
)
AGREEMENTS, LINES = decoder(mrr.Agreement), decoder(mrr.Line)


def _json_again(row: mrr.Agreement | mrr.Line, columns: JsonArray) -> str:
    """What `columns` would have written of a row that was changed since."""
    names = row.__struct_fields__[: len(columns.get_source_expressions())]
    return encode([getattr(row, name) for name in names]).decode()


@dataclass(slots=True)
class AgreementText:
    """An agreement and its lines as JSON: what the engine is given, without the lines, and what is
    shown beside that. A line is `[the engine's, shown]`, with `gone_from` behind where it has one;
    those fields of the engine's that are no columns are not in it. `words`: kind and key of each
    word on its lines, where anything was said of words.
    """

    engine: str
    shown: str
    lines: list[str] = field(default_factory=list)
    words: set[tuple[str, str]] = field(default_factory=set)


@dataclass(slots=True)
class CompanyText:
    """A company's book as JSON: its agreements by id, those that only serve as context, and what
    else the engine is given, as far as it concerns these agreements.
    """

    agreements: dict[str, AgreementText]
    context: list[AgreementText]
    sources: dict[str, mrr.Source]
    words: dict[tuple[str, str, str], mrr.WordChoice]


class Recount(NamedTuple):
    """Agreements of an account that count from a day on are to count from another one on, None = on
    all days.
    """

    account: UUID
    was: date
    becomes: date | None

    def concerns(self, row: Agreement) -> bool:
        return (row.integration_id, row.counts_from) == (self.account, self.was)


class Kept(NamedTuple):
    """An agreement as it is kept: the engine's, and whose it is; as text where that is wanted."""

    id: str
    tenant: Tenant
    agreement: mrr.Agreement
    text: AgreementText | None = None

    @property
    def key(self) -> tuple[str, str]:
        return self.agreement.account, self.agreement.id

    @property
    def parent_key(self) -> tuple[str, str]:
        return self.agreement.account, self.agreement.parent_id


def agreements_of(*tenants: Tenant) -> QuerySet[Agreement]:
    """Agreements in the order of the book, each with its JSON."""
    return (
        Agreement.objects.for_tenants(tenants)
        .annotate(
            json=AGREEMENT,
            id_text=IdText("id"),
            tenant_text=IdText("tenant_id"),
        )
        .order_by("id")
    )


def lines_of(tenants: Iterable[Tenant]) -> QuerySet[AgreementLine]:
    """Lines in the PSA's order, each with its JSON."""
    return (
        AgreementLine.objects.for_tenants(tenants)
        .annotate(
            json=LINE,
            agreement_text=IdText("agreement_id"),
            chosen_force_include=F("choices__force_include"),
        )
        .order_by("position", "id")
    )


def read(
    chosen: QuerySet[Agreement], tenants: Iterable[Tenant], *, with_text: bool = False
) -> list[Kept]:
    """These agreements, without their lines; `ref` is the id. No instance is made of any row."""
    by_id = {str(tenant.pk): tenant for tenant in tenants}
    columns = ("json", "id_text", "tenant_text", "gone_at", "cycle_label")
    found = []
    for json, id_, tenant_id, gone_at, cycle_label in chosen.values_list(*columns):
        tenant = by_id[tenant_id]
        agreement = _agreement(json, gone_at, tenant)
        text = None
        if with_text:
            engine = json if gone_at is None else _json_again(agreement, AGREEMENT)
            text = AgreementText(engine, encode((id_, cycle_label, gone_at)).decode())
        agreement.ref = id_
        found.append(Kept(id_, tenant, agreement, text))
    return found


def add_lines(kept: Iterable[Kept], lines: QuerySet[AgreementLine]) -> None:
    """Give agreements their lines. One of an agreement that came since is left."""
    by_id = {item.id: item for item in kept}
    columns = ("json", "agreement_text", "gone_at", "chosen_force_include")
    for json, agreement_id, gone_at, forced in lines.values_list(*columns):
        if item := by_id.get(agreement_id):
            item.agreement.lines.append(_line(json, gone_at, forced, item.tenant))


def _add_lines_with_text(
    kept: Iterable[Kept],
    counting: Collection[str],
    lines: QuerySet[AgreementLine],
    *,
    with_words: bool,
) -> None:
    """As `add_lines`, for those that are `counting`; all are given the texts of their lines."""
    by_id = {item.id: item for item in kept}
    columns = ("json", "agreement_text", "gone_at", "chosen_force_include", "shown")
    rows = lines.annotate(shown=JsonArray(IdText("id"), "description"))
    for json, agreement_id, gone_at, forced, shown in rows.values_list(*columns):
        item = by_id.get(agreement_id)
        if item is None or item.text is None:
            continue
        is_counting = agreement_id in counting
        if is_counting or gone_at is not None or forced or with_words:
            line = _line(json, gone_at, forced, item.tenant)
            if is_counting:
                item.agreement.lines.append(line)
            if with_words:
                item.text.words.update(words_of_line(line))
            if forced:
                json = _json_again(line, LINE)  # noqa: PLW2901  as the engine is given it
            if line.gone_from is not None:
                shown = f'{shown},"{line.gone_from}"'  # noqa: PLW2901
        item.text.lines.append(f"[{json},{shown}]")


def _agreement(json: str, gone_at: datetime | None, tenant: Tenant) -> mrr.Agreement:
    agreement = AGREEMENTS.decode(json)
    _end_gone(agreement, gone_at, tenant)
    return agreement


def _end_gone(agreement: mrr.Agreement, gone_at: datetime | None, tenant: Tenant) -> None:
    if gone_at is not None:
        _end(agreement, tenant.today(gone_at) - ONE_DAY)


def _end(agreement: mrr.Agreement, last_day: date) -> None:
    """Out of MRR after this day, if it was in: a cancellation without a date never was."""
    if agreement.cancelled is not False:
        if agreement.cancelled_date is not None:
            last_day = min(last_day, agreement.cancelled_date)
        elif agreement.cancelled:
            return
    agreement.cancelled, agreement.cancelled_date = True, last_day


def _line(json: str, gone_at: datetime | None, forced: bool | None, tenant: Tenant) -> mrr.Line:
    line = LINES.decode(json)
    _settle_line(line, gone_at, forced, tenant)
    return line


def _settle_line(
    line: mrr.Line, gone_at: datetime | None, forced: bool | None, tenant: Tenant
) -> None:
    if gone_at is not None:
        line.gone_from = tenant.today(gone_at)
    if forced:
        line.one_time = False


# Books


def sources() -> dict[str, mrr.Source]:
    """What the engine needs to know of each PSA, by its key, and of what was typed in here."""
    return {MANUAL: mrr.Source("audIT")} | {
        info.key: mrr.Source(
            info.name, info.bills_when_inactive, info.agreement_word, info.recurring_type
        )
        for info in registry.infos()
    }


def prepare_company(
    tenant: Tenant,
    company_id: UUID,
    *,
    without: Collection[UUID] = (),
    gone: Mapping[UUID, datetime | None] = NOT_GONE,
    put_back: Collection[UUID] = (),
    as_kept: Mapping[UUID, KeptValues] = AS_STORED,
    recount: Recount | None = None,
) -> list[mrr.Prepared]:
    """Settle one company's book; `ref` of its agreements and lines are their model instances.

    As if some agreements were not there, others gone since another moment than is stored, others
    not set aside any more, and others as they were when their values were kept; as if some counted
    from another day on (`recount`).
    """
    kept: dict[str, Kept] = {}
    chosen = agreements_of(tenant).filter(company=company_id)
    rows: Iterable[Any] = chosen.select_related("integration", "typed")
    for row in (row for row in rows if row.pk not in without):
        agreement = AGREEMENTS.decode(row.json)
        if row.pk in as_kept:
            agreement_as_kept(agreement, row, as_kept[row.pk])
        _end_gone(agreement, gone.get(row.pk, row.gone_at), tenant)
        agreement.set_aside = agreement.set_aside and row.pk not in put_back
        if recount is not None and recount.concerns(row):
            agreement.counts_from = recount.becomes
        agreement.ref = row
        kept[row.id_text] = Kept(row.id_text, tenant, agreement)
    lines: Iterable[Any] = lines_of([tenant]).filter(AnyOf("agreement_id", kept))
    for row in lines:
        line = LINES.decode(row.json)
        if row.agreement_id in as_kept and not line_as_kept(line, row, as_kept[row.agreement_id]):
            continue
        _settle_line(line, row.gone_at, row.chosen_force_include, tenant)
        line.ref = row
        kept[row.agreement_text].agreement.lines.append(line)
    found = list(kept.values())
    return _prepared(found, _context(found), tenant, words_of(tenant))


def stored_agreements(tenant: Tenant, company_id: UUID) -> list[mrr.Agreement]:
    """A company's agreements with their lines as the engine takes them; `ref` is their id."""
    kept = read(agreements_of(tenant).filter(company=company_id), [tenant])
    add_lines(kept, lines_of([tenant]).filter(AnyOf("agreement_id", [item.id for item in kept])))
    return [item.agreement for item in kept]


def end_before(agreement: mrr.Agreement, day: date) -> None:
    """Out of MRR from a day on, as one that its PSA no longer shows."""
    _end(agreement, day - ONE_DAY)


def prepare_values(tenant: Tenant, agreements: Sequence[mrr.Agreement]) -> list[mrr.Prepared]:
    """Settle a book of agreements that are not all stored, by the tenant's words."""
    return mrr.prepare(mrr.Book([*agreements], tenant.currency, sources(), words_of(tenant)))


def prepare_all(tenant: Tenant, chosen: QuerySet[Agreement]) -> list[mrr.Prepared]:
    """Settle the book of all these agreements together."""
    return mrr.prepare(book_of(tenant, chosen))


def book_of(tenant: Tenant, chosen: QuerySet[Agreement]) -> mrr.Book:
    """The book of all these agreements together."""
    kept = read(chosen, [tenant])
    add_lines(kept, lines_of([tenant]).filter(agreement__in=chosen.order_by().values("pk")))
    return _book(kept, _context(kept), tenant, words_of(tenant))


def prepare_by_company(
    owners: Mapping[str, Tenant],
    days: Mapping[UUID, date],
    known: Collection[str] = (),
    texts: dict[str, CompanyText] | None = None,
) -> dict[str, list[mrr.Prepared]]:
    """Settle each company's book on its own: what agreements of one come to never depends on
    another's, but for the cycle that a child inherits from its parent.

    `owners`: the companies and whose they are. `days`: by tenant, the day from which on the figures
    matter. Agreements of which nothing can count from then on come without their lines, and so do
    those of which the caller knows what they come to. `texts` is filled with the whole books.
    """
    tenants = {tenant.pk: tenant for tenant in owners.values()}.values()
    with_text = texts is not None
    chosen = agreements_of(*tenants).filter(AnyOf("company_id", owners))
    kept = read(chosen, tenants, with_text=with_text)
    parents = {item.key: item for item in _parents_elsewhere(kept, with_text=with_text)}
    if any(item.agreement.parent_id for item in kept):
        parents |= {item.key: item for item in kept}
    words = words_of(*tenants)
    of_company: dict[str, list[Kept]] = defaultdict(list)
    for item in kept:
        of_company[item.agreement.company_id].append(item)
    prepared = {
        company_id: _prepared(
            items, _foreign(company_id, items, parents), owners[company_id], words
        )
        for company_id, items in of_company.items()
    }
    counting = [
        item
        for company_id, items in of_company.items()
        for item, settled in zip(items, prepared[company_id], strict=False)
        if item.id not in known and settled.can_count(days[item.tenant.pk].toordinal())
    ]
    ids = {item.id for item in counting}
    if texts is None:
        add_lines(counting, lines_of(tenants).filter(AnyOf("agreement_id", ids)))
    else:
        every = [item.id for item in kept]
        lines = lines_of(tenants).filter(AnyOf("agreement_id", every))
        _add_lines_with_text(kept, ids, lines, with_words=bool(words))
        texts |= _texts(of_company, owners, parents, words)
    return prepared


def _texts(
    of_company: Mapping[str, Sequence[Kept]],
    owners: Mapping[str, Tenant],
    parents: Mapping[tuple[str, str], Kept],
    words: mrr.Words,
) -> dict[str, CompanyText]:
    """The companies' books as text; one without agreements is an empty book."""
    foreign = {
        company_id: sorted(_foreign(company_id, of_company[company_id], parents))
        for company_id in of_company
    }
    renewals = _renewals_elsewhere(foreign)
    found, all_sources = {}, sources()
    for company_id in owners:
        kept = of_company.get(company_id, ())
        context = _with_renewals(kept, foreign.get(company_id, []), renewals)
        items = [*kept, *context]
        named = {item.agreement.source for item in items}
        found[company_id] = CompanyText(
            {item.id: item.text for item in kept if item.text},
            [item.text for item in context if item.text],
            {name: all_sources[name] for name in sorted(named) if name in all_sources},
            _words_on(items, words) if words else {},
        )
    return found


def _with_renewals(
    kept: Sequence[Kept], context: Sequence[Kept], renewals: Iterable[Kept]
) -> list[Kept]:
    """These parents of another company, and what replaces them there."""
    keys = {parent.key for parent in context}
    read_already = keys | {item.key for item in kept}
    return [
        *context,
        *(
            item
            for item in renewals
            if (item.agreement.account, item.agreement.renews_id) in keys
            and item.key not in read_already
        ),
    ]


def _words_on(
    items: Iterable[Kept], words: mrr.Words
) -> dict[tuple[str, str, str], mrr.WordChoice]:
    """Of what was said of words, that which is about a word on these agreements."""
    keys: set[tuple[str, str, str]] = set()
    for item in items:
        on_lines = item.text.words if item.text else set()
        account = item.agreement.account
        found = {*words_of_agreement(item.agreement), *on_lines}
        keys.update((account, kind, key) for kind, key in found)
    return {key: words[key] for key in sorted(keys) if key in words}


def _renewals_elsewhere(foreign: Mapping[str, Sequence[Kept]]) -> list[Kept]:
    """What replaces parents of other companies; most books have none, and nothing is read."""
    parents = list({item.id: item for items in foreign.values() for item in items}.values())
    return _renewals_of(parents, known=(), with_text=True) if parents else []


def _prepared(
    kept: Sequence[Kept], context: Iterable[Kept], tenant: Tenant, words: mrr.Words
) -> list[mrr.Prepared]:
    """Settle a book; those of `context` have no rows in it, and stand at its end."""
    return mrr.prepare(_book(kept, context, tenant, words))


def _book(
    kept: Sequence[Kept], context: Iterable[Kept], tenant: Tenant, words: mrr.Words
) -> mrr.Book:
    book = [item.agreement for item in kept]
    book += [replace(other.agreement, is_context=True) for other in context]
    return mrr.Book(book, tenant.currency, sources(), words)


def _foreign(
    company_id: str, kept: Iterable[Kept], parents: Mapping[tuple[str, str], Kept]
) -> list[Kept]:
    """Parents of a company's agreements that belong to another company."""
    found = {
        item.parent_key: parents.get(item.parent_key) for item in kept if item.agreement.parent_id
    }
    return [p for p in found.values() if p and p.agreement.company_id != company_id]


def _context(kept: Sequence[Kept]) -> list[Kept]:
    """Parents that were not read yet, and what replaces them, to know if they are in force."""
    parents = _parents_elsewhere(kept)
    return [*parents, *_renewals_of(parents, known=[*kept, *parents])] if parents else []


def _renewals_of(
    parents: Sequence[Kept], known: Iterable[Kept], *, with_text: bool = False
) -> list[Kept]:
    """Agreements that replace these, by somebody's choice or else as the PSA says."""
    tenants = {parent.tenant.pk: parent.tenant for parent in parents}.values()
    chosen = Q(choices__renews__in=[parent.id for parent in parents])
    by_the_psa = Q(
        choices__renews=None,
        integration__in={parent.agreement.account for parent in parents},
        renews_external_id__in={parent.agreement.id for parent in parents},
    )
    keys = {parent.key for parent in parents}
    read_already = {item.key for item in known}
    return [
        item
        for item in read(
            agreements_of(*tenants).filter(chosen | by_the_psa), tenants, with_text=with_text
        )
        if (item.agreement.account, item.agreement.renews_id) in keys
        and item.key not in read_already
    ]


def _parents_elsewhere(kept: Sequence[Kept], *, with_text: bool = False) -> list[Kept]:
    """Parents that were not read yet; most books have none, and then nothing is read."""
    wanted = {item.parent_key: item.tenant for item in kept if item.agreement.parent_id}
    if wanted:
        for item in kept:
            wanted.pop(item.key, None)
    if not wanted:
        return []
    tenants = {tenant.pk: tenant for tenant in wanted.values()}.values()
    found = agreements_of(*tenants).filter(
        integration__in={integration for integration, _ in wanted},
        external_id__in={external_id for _, external_id in wanted},
    )
    return [item for item in read(found, tenants, with_text=with_text) if item.key in wanted]
