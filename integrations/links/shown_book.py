"""What an audITee would come to with a record's agreements, without storing any of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from agreements import books, mrr
from agreements.models import MANUAL, Agreement, AgreementChoices, AgreementLine
from companies.models import Company
from integrations.importing.record_store import values_of
from integrations.models import CompanyLink, Integration
from integrations.psa.contract import PsaAgreement, PsaAgreementLine

#: Columns whose field of the engine has another name, or that the engine does not take.
RENAMED = {
    "external_id": "id",
    "parent_external_id": "parent_id",
    "renews_external_id": "renews_id",
}
#: What people decided, which stays when a record shows an agreement again.
DECIDED: Final = ("exclude", "force_include", "assume_renewal")


def book_with(link: CompanyLink, shown: Sequence[PsaAgreement]) -> list[mrr.Prepared]:
    """The audITee's book once it has this link and is read: what the record shows, what was decided
    about that before, what former records had shown up to today, and what was typed, set aside.
    """
    company, integration = link.company, link.integration
    stored = books.stored_agreements(company.tenant, company.pk)
    known = {one.id: one for one in stored if one.account == str(integration.pk)}
    replaced = _replaced_by_choice(company, integration) if known else {}
    fresh = [engine_agreement(record, integration, company) for record in shown]
    for agreement in fresh:
        agreement.counts_from = link.counts_from
        if agreement.id in known:
            agreement.counts_from = known[agreement.id].counts_from
            _decide_as_before(agreement, known[agreement.id])
        agreement.renews_id = replaced.get(agreement.id, agreement.renews_id)
    came_again = {id(known[one.id]) for one in fresh if one.id in known}
    kept = [one for one in stored if id(one) not in came_again]
    for agreement in kept:
        if agreement.source == MANUAL:
            agreement.set_aside = True
        else:
            books.end_before(agreement, company.tenant.today())
    return books.prepare_values(company.tenant, [*kept, *fresh])


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
            line.exclude = before.exclude
            if before.one_time is False:  # only people say so: it counts by a decision
                line.one_time = False


def _replaced_by_choice(company: Company, integration: Integration) -> dict[str, str]:
    """By agreement of this account, which one a person said that it replaces; both as the PSA's
    ids.
    """
    rows = AgreementChoices.objects.for_tenant(company.tenant).filter(
        agreement__company=company,
        agreement__integration=integration,
        renews__integration=integration,
    )
    return dict(rows.values_list("agreement__external_id", "renews__external_id"))
