"""audITees as lists show them: one row each, in one statement."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Exists, FilteredRelation, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from audit_site.db.bulk import AnyOf, AskedMany
from audit_site.db.json_rows import IdText
from audit_site.db.statements import RowStatement, asked_id
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.importing.primary_contact import Choice, Primary, Why, reason_of
from integrations.importing.rules import Reason, explain
from integrations.models import CompanyLink, Integration, PsaCompanyRecord, PsaContactRecord
from integrations.psa import registry
from integrations.psa.contact_methods import email_in, phone_in
from integrations.psa.contract import PsaInfo


class ShownCompany(NamedTuple):
    """A company with its primary contact (`contact_…`), its link in force (`link_…`, with its
    integration's `psa`, `status` and pause), and who chose the contact (`choice_…`); what there is
    none of is None. Ids but its own are texts: nobody makes 600 objects of them for a page.
    """

    id: UUID
    name: str
    status: str
    type: str
    created_at: datetime
    contact_id: str | None
    contact_external_id: str
    first_name: str
    last_name: str
    email: str
    phone: str
    contact_is_active: bool
    link_id: str | None
    integration: str | None
    external_id: str
    linked_at: datetime
    last_synced_at: datetime | None
    problem_codes: list[str]
    linked_by_id: str | None
    linked_by_name: str
    linked_by_email: str
    psa: str
    integration_status: str
    on_pause_since: datetime | None
    on_pause_until: datetime | None
    choice_id: str | None
    chosen_contact: str | None
    chosen_by_name: str
    chosen_at: datetime
    choice_gone_at: datetime | None
    can_undo_link: bool
    psa_default: str | None
    is_flagged: bool

    @property
    def is_active(self) -> bool:
        return self.status == Company.Status.ACTIVE

    @property
    def is_linked(self) -> bool:
        return self.link_id is not None

    @property
    def link_is_active(self) -> bool:
        return self.is_linked and self.integration_status != Integration.Status.DISCONNECTED

    @property
    def is_read(self) -> bool:
        """Whether a person may have it read now: linked, and neither disconnected nor paused."""
        return self.link_is_active and not self._is_paused

    @property
    def _is_paused(self) -> bool:
        since, until = self.on_pause_since, self.on_pause_until
        return since is not None and (until is None or until > timezone.now())

    @property
    def psa_info(self) -> PsaInfo:
        return registry.get_adapter(self.psa).info

    @property
    def linked_by(self) -> str:
        return self.linked_by_name or self.linked_by_email

    @property
    def problems(self) -> list[Reason]:
        codes = self.problem_codes if self.is_linked else ()
        return [explain(code, self.psa_info) for code in codes]

    @property
    def why(self) -> Why | None:
        """Why the primary contact is this one, or why there is none."""
        choice = None
        if self.choice_id is not None:
            choice = Choice(
                self.chosen_contact, self.chosen_by_name, self.chosen_at, self.choice_gone_at
            )
        return reason_of(self._primary, choice)

    @property
    def _primary(self) -> Primary | None:
        if self.contact_id is None:
            return None
        has_method = bool(email_in(self.email) or phone_in(self.phone))
        return Primary(
            self.contact_id,
            self.contact_external_id,
            self.contact_is_active and has_method,
            self.psa_info.name if self.is_linked else "",
            self.is_flagged or self.psa_default == self.contact_external_id,
        )


def _shown() -> QuerySet[Company, Any]:
    primary = Q(contacts__is_primary=True, contacts__gone_at=None)
    of_record = {"tenant": OuterRef("tenant"), "integration": OuterRef("tie__integration")}
    record = PsaCompanyRecord.objects.filter(**of_record, external_id=OuterRef("tie__external_id"))
    flagged = PsaContactRecord.objects.filter(
        **of_record, external_id=OuterRef("main__external_id"), is_default=True
    )
    newest = CompanyLink.objects.filter(tenant=OuterRef("tenant"), company=OuterRef("pk"))
    can_undo: Any = newest.undoable_first().values_list("can_undo")[:1]
    rows = Company.objects.filter(AnyOf("id", AskedMany(1)), tenant=asked_id(0)).annotate(
        main=FilteredRelation("contacts", condition=primary),
        tie=FilteredRelation("links", condition=Q(links__unlinked_at=None)),
        undoable=Coalesce(Subquery(can_undo), Value(False)),
        psa_default=Subquery(record.values("default_contact_id")[:1]),
        flagged=Exists(flagged),
    )
    contact = ("id", "external_id", "first_name", "last_name", "email", "phone", "is_active")
    link = ("id", "integration_id", "external_id", "linked_at", "last_synced_at", "problem_codes")
    account = ("psa", "status", "on_pause_since", "on_pause_until")
    choice = ("id", "contact_id", "chosen_by_name", "chosen_at", "gone_at")
    names = (
        *("id", "name", "status", "type", "created_at"),
        *(f"main__{name}" for name in contact),
        *(f"tie__{name}" for name in link),
        *(f"tie__linked_by__{name}" for name in ("id", "name", "email")),
        *(f"tie__integration__{name}" for name in account),
        *(f"primary_choice__{name}" for name in choice),
        *("undoable", "psa_default", "flagged"),
    )
    is_id = {name for name in names if name.endswith(("__id", "_id"))}
    return rows.values_list(
        *(IdText(name) if name in is_id and "external" not in name else name for name in names)
    )


SHOWN: Final = RowStatement(ShownCompany, _shown)


def shown_companies(tenant: Tenant, ids: Collection[UUID]) -> dict[UUID, ShownCompany]:
    """Those of these companies that are the tenant's, by id. One statement."""
    return {row.id: row for row in SHOWN.rows(tenant.pk, ids)} if ids else {}
