"""What is stored of records that events and issues name by id: what they are called, and whose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from django.db.models import OuterRef, QuerySet, Subquery, UUIDField

from agreements.models import Agreement, AgreementLine
from integrations.kinds import AGREEMENTS, COMPANIES, CONTACTS, LINES
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, PsaContactRecord

#: Kind (`contact`) and id of a record.
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class RecordName:
    """A record as we know it.

    `owner` names its audITee (`company_id`), or its company in the PSA where that is not linked; ""
    = it is not known whose it is.
    """

    name: str = ""
    owner: str = ""
    company_id: UUID | None = None


def record_names(integration: Integration, keys: Iterable[Key]) -> dict[Key, RecordName]:
    """What is known of these records; unknown ones are not in. One statement for each kind."""
    wanted: dict[str, set[str]] = defaultdict(set)
    for kind, external_id in keys:
        if external_id and kind in READERS:
            wanted[kind].add(external_id)
    return {
        (kind, external_id): known
        for kind, ids in wanted.items()
        for external_id, known in READERS[kind](integration, ids)
    }


Read = Iterator[tuple[str, RecordName]]


def _companies(integration: Integration, ids: Collection[str]) -> Read:
    rows = _of(PsaCompanyRecord.objects, integration, ids)
    for external_id, name in rows.values_list("external_id", "name"):
        yield external_id, RecordName(name)


def _contacts(integration: Integration, ids: Collection[str]) -> Read:
    theirs = {
        "tenant": integration.tenant_id,
        "integration": integration,
        "external_id": OuterRef("company_external_id"),
    }
    links = CompanyLink.objects.in_force().filter(**theirs)
    companies = PsaCompanyRecord.objects.filter(**theirs)
    rows: QuerySet[Any] = _of(PsaContactRecord.objects, integration, ids).annotate(
        linked_id=Subquery(links.values("company_id")[:1], output_field=UUIDField()),
        linked_name=Subquery(links.values("company__name")[:1]),
        company_name=Subquery(companies.values("name")[:1]),
    )
    for row in rows:
        owner = row.linked_name or row.company_name or ""
        yield row.external_id, RecordName(str(row), owner, row.linked_id)


def _agreements(integration: Integration, ids: Collection[str]) -> Read:
    rows = _of(Agreement.objects, integration, ids)
    values = rows.values_list("external_id", "name", "company__name", "company_id")
    for external_id, name, owner, company_id in values:
        yield external_id, RecordName(name, owner, company_id)


def _lines(integration: Integration, ids: Collection[str]) -> Read:
    """An id that stands in agreements of several companies says nothing."""
    rows = AgreementLine.objects.filter(
        tenant=integration.tenant_id, agreement__integration=integration, external_id__in=ids
    )
    found: dict[str, set[RecordName]] = defaultdict(set)
    for row in rows.select_related("agreement__company").order_by("id"):
        company = row.agreement.company
        found[row.external_id].add(RecordName(str(row), company.name, company.pk))
    for external_id, known in found.items():
        if len(known) == 1:
            yield external_id, known.pop()


def _of(rows: Any, integration: Integration, ids: Collection[str]) -> Any:
    return rows.filter(
        tenant=integration.tenant_id, integration=integration, external_id__in=ids
    ).order_by("id")


READERS: Final[dict[str, Callable[[Integration, Collection[str]], Read]]] = {
    COMPANIES.singular: _companies,
    CONTACTS.singular: _contacts,
    AGREEMENTS.singular: _agreements,
    LINES.singular: _lines,
}
