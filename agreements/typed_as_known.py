"""What was known at a moment of agreements that people typed: by whom, when, why, set aside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from agreements.models import Agreement, TypedAgreement, TypedChange
from companies.models import Company

Act = TypedChange.Act


def add_details(company: Company, agreements: Iterable[Agreement], at: datetime) -> None:
    """Give agreements of a company, as they were known at a moment, their details of then.

    One statement where one of them is typed, else none.
    """
    typed = [agreement for agreement in agreements if agreement.is_typed]
    if not typed:
        return
    details = _details_at(company, at)
    for agreement in typed:
        agreement.typed = details.get(agreement.pk) or TypedAgreement(typed_at=at)
        if agreement.set_aside and agreement.typed.set_aside_at is None:
            agreement.typed.set_aside_at = agreement.typed.typed_at  # since it was typed
        if not agreement.set_aside:
            agreement.typed.set_aside_at = None


def _details_at(company: Company, at: datetime) -> Mapping[UUID, TypedAgreement]:
    rows = TypedChange.objects.for_tenant(company.tenant).filter(company=company, at__lte=at)
    found: dict[UUID, TypedAgreement] = {}
    for change in rows.order_by("at", "id"):
        details = found.setdefault(change.agreement_pk, TypedAgreement(typed_at=change.at))
        details.note = change.after.get("note", details.note)
        match change.act:
            case Act.ADDED:
                details.typed_by_name = change.actor_name
            case Act.CHANGED:
                details.changed_at, details.changed_by_name = change.at, change.actor_name
            case Act.SET_ASIDE:
                details.set_aside_at = change.at
    return found
