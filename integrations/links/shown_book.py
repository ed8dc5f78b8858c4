"""What an audITee would come to with a record's agreements, without storing any of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any, Final

from agreements import books, mrr
from agreements.models import MANUAL, Agreement, AgreementChoices, AgreementLine
from companies.models import Company
from integrations.importing.record_store import values_of
from integrations.importing.said_words import NO_WORDS, CompanyWords, company_words
from integrations.models import CompanyLink, Integration
from integrations.psa.contract import PsaAgreement, PsaAgreementLine
from integrations.sync.earlier_readings import (
    days_read,
    first_day_out,
    has_moved_on,
    is_out,
    left_to_its_dates,
    went_out_before,
)

#: Columns whose field of the engine has another name, or that the engine does not take.
RENAMED = {
    "external_id": "id",
    "parent_external_id": "parent_id",
    "renews_external_ids": "renews",
}
#: What people decided, which stays when a record shows an agreement again.
DECIDED: Final = ("exclude", "force_include", "assume_renewal", "right", "chosen_cycle")
#: The same of its lines, and what earlier readings had told of them.
KNOWN_OF_LINES: Final = ("exclude", "right", "chosen_cycle", "has_recurred")


def book_with(link: CompanyLink, shown: Sequence[PsaAgreement]) -> list[mrr.Prepared]:
    """The audITee's book once it has this link and is read: what the record shows, what was decided
    about that before, what former records had shown up to today, and what was typed, set aside.
    """
    company, integration = link.company, link.integration
    stored = books.stored_agreements(company.tenant, company.pk)
    known = {one.id: one for one in stored if one.account == str(integration.pk)}
    replaced = _replaced_by_choice(company, integration) if known else {}
    read_on = days_read(integration, [company.pk]).get(company.pk) if known else None
    words = company_words(integration) if known else NO_WORDS
    today = company.tenant.today()
    fresh = [
        engine_agreement(
            left_to_its_dates(record, today, is_known_out=_is_known_out(record, known, words)),
            integration,
            company,
        )
        for record in shown
    ]
    for agreement in fresh:
        agreement.counts_from = link.counts_from
        if before := known.get(agreement.id):
            agreement.counts_from = before.counts_from
            _decide_as_before(agreement, before)
            if is_out(agreement.active, agreement.status, words):
                agreement.inactive_from = _first_day_out(before, words, read_on, today)
        agreement.renews = replaced.get(agreement.id, agreement.renews)
    came_again = {id(known[one.id]) for one in fresh if one.id in known}
    kept = [one for one in stored if id(one) not in came_again]
    for agreement in kept:
        if agreement.source == MANUAL:
            _set_aside(agreement, link)
        else:
            books.end_before(agreement, today)
    return books.prepare_values(company.tenant, [*kept, *fresh])


def _is_known_out(
    record: PsaAgreement, known: Mapping[str, mrr.Agreement], words: CompanyWords
) -> bool:
    """Whether it was seen inactive before its end, and has the same end still."""
    before = known.get(record.external_id)
    if before is None or before.active is not False or before.end_date != record.end_date:
        return False
    if not is_out(before.active, before.status, words):
        return False
    return went_out_before(before.inactive_from, before.end_date)


def _set_aside(agreement: mrr.Agreement, link: CompanyLink) -> None:
    """As linking does: a decision to count it that was made before is none to count it beside."""
    if not agreement.set_aside:
        agreement.set_aside, agreement.force_include = True, False
        agreement.set_aside_psa = link.integration.psa_info.name
        agreement.set_aside_since = link.company.tenant.today(link.linked_at)


def engine_agreement(
    record: PsaAgreement, integration: Integration, company: Company
) -> mrr.Agreement:
    """An agreement as its stored row would give it to the engine."""
    values = _fields(values_of(record, Agreement), mrr.Agreement)
    lines = [_engine_line(line) for line in record.lines]
    return mrr.Agreement(
        **values,
        source=integration.psa,
        company_id=str(company.pk),
        account=str(integration.pk),
        lines=lines,
    )


def _engine_line(record: PsaAgreementLine) -> mrr.Line:
    values = _fields(values_of(record, AgreementLine), mrr.Line)
    units = (
        None
        if record.units is None
        else [
            mrr.Units(one.start_date, one.end_date, one.units, one.unit_price, one.amount)
            for one in record.units
        ]
    )
    return mrr.Line(**{**values, "units": units})


def _fields(values: dict[str, Any], engine: type[mrr.Agreement | mrr.Line]) -> dict[str, Any]:
    named = {RENAMED.get(name, name): value for name, value in values.items()}
    return {name: value for name, value in named.items() if name in engine.__struct_fields__}


def _decide_as_before(agreement: mrr.Agreement, known: mrr.Agreement) -> None:
    for name in DECIDED:
        setattr(agreement, name, getattr(known, name))
    lines = {line.id: line for line in known.lines}
    for line in agreement.lines:
        if before := lines.get(line.id):
            for name in KNOWN_OF_LINES:
                setattr(line, name, getattr(before, name))
            if has_moved_on(before.end_date, line.end_date):
                line.has_recurred = True
            if before.one_time is False:  # only people say so: it counts by a decision
                line.one_time = False


def _first_day_out(
    known: mrr.Agreement, words: CompanyWords, read_on: date | None, today: date
) -> date | None:
    """From when on an agreement is out that is shown as inactive: as the reading that follows will
    note it.
    """
    if is_out(known.active, known.status, words):
        return known.inactive_from
    return first_day_out(read_on, None if known.no_end else known.end_date, today)


def _replaced_by_choice(company: Company, integration: Integration) -> dict[str, list[str]]:
    """By agreement of this account, which ones a person said that it replaces; all as the PSA's
    ids.
    """
    rows = AgreementChoices.objects.for_tenant(company.tenant).filter(
        agreement__company=company,
        agreement__integration=integration,
        renews__isnull=False,
    )
    return {id_: ids or [] for id_, ids in rows.values_list("agreement__external_id", "renews")}
