"""Finding texts in all that is stored of a tenant, and taking them out of what tells of them."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from django.db import models, transaction
from django.db.models import Q, TextField
from django.db.models.functions import Cast

from agreements.known.free_text import all_texts
from agreements.known.texts import pieces_with, rewrite
from agreements.models import BookPiece, BookVersion, ChoiceRecord, TypedAgreement, TypedChange
from audit_site.db.slices import SLICE
from audit_site.privacy.owned import owned_models, text_fields
from audit_site.tenants.models import ApiToken, AuditEvent, Membership, Tenant, TenantOwned
from companies.models import Company, Contact, PrimaryChoice
from integrations.models import Integration, PsaCompanyRecord, PsaContactRecord, PsaWord

ERASED: Final = "[erased]"
#: Tables in which nothing is taken out of a text: rows of their own subject, and the audit trail,
#: which holds no personal data of contacts and can't be changed.
NOT_TOLD: Final = frozenset(
    {ApiToken, AuditEvent, Company, Contact, Integration, Membership, PsaCompanyRecord}
    | {PsaContactRecord}
)
#: Columns with names of the tenant's own people.
OWN_PEOPLE: Final = {
    BookVersion: {"name"},
    ChoiceRecord: {"actor_name"},
    PrimaryChoice: {"chosen_by_name"},
    TypedAgreement: {"typed_by_name", "changed_by_name"},
    TypedChange: {"actor_name"},
    PsaWord: {"by_name", "ended_by_name", "key"},
}


NAME_PARTS: Final = ("first_name", "last_name")


class Needles:
    """Texts that are looked for, whatever their case, also as JSON writes them.

    `names` are people's, as (first name, last name): in JSON the two may stand apart.
    """

    def __init__(self, texts: Iterable[str], names: Collection[tuple[str, str]] = ()) -> None:
        self.texts = sorted({text for text in texts if text}, key=len, reverse=True)
        self._names = {(first.casefold(), last.casefold()) for first, last in names}
        spelled = [
            json.dumps({"last_name": last}, ensure_ascii=ascii)[1:-1]
            for _, last in names
            for ascii in (True, False)
        ]
        #: What rows may hold in which something is to be taken out.
        self.hints = list(dict.fromkeys(spelled))
        written = [json.dumps(text)[1:-1] for text in self.texts]
        self.forms = list(dict.fromkeys([*self.texts, *written]))
        self._pattern = re.compile("|".join(map(re.escape, self.forms)), re.IGNORECASE)

    def __bool__(self) -> bool:
        return bool(self.texts)  # nothing else finds a person for sure

    def stands_in(self, text: str) -> bool:
        return bool(self._pattern.search(text))

    def without(self, value: Any) -> Any:
        """The same value, with ERASED in the place of each needle."""
        match value:
            case str():
                return self._pattern.sub(ERASED, value)
            case list():
                return [self.without(item) for item in value]
            case dict():
                kept = {self.without(key): self.without(item) for key, item in value.items()}
                return {**kept, **self._without_name(value)}
        return value

    def _without_name(self, value: dict[str, Any]) -> dict[str, str]:
        """The two parts of a name taken out, where they stand in one object."""
        name = tuple(str(value.get(part)).casefold() for part in NAME_PARTS)
        return dict.fromkeys(NAME_PARTS, ERASED) if name in self._names else {}


def find_traces(tenant: Tenant, needles: Needles) -> list[str]:
    """`table.column` of each column of the tenant's rows in which a needle stands."""
    found = [
        f"{model._meta.db_table}.{field.column}"
        for model in owned_models()
        for field in text_fields(model)
        if needles and _hits(model, tenant, field, needles.forms).exists()
    ]
    if needles and any(pieces_with(tenant, needles.stands_in, all_texts)):
        found.append(f"{BookPiece._meta.db_table}.value")
    return found


def take_out(tenant: Tenant, needles: Needles) -> int:
    """Take needles out of all that tells of them; in how many rows. A slice a transaction."""
    if not needles:
        return 0
    in_columns = sum(
        _take_out(model, tenant, field, needles)
        for model in owned_models()
        if model not in NOT_TOLD
        for field in text_fields(model)
        if field.name not in OWN_PEOPLE.get(model, ())
    )
    return in_columns + rewrite(tenant, needles.stands_in, needles.without)


def _hits(
    model: type[TenantOwned], tenant: Tenant, field: models.Field[Any, Any], forms: Iterable[str]
) -> models.QuerySet[Any]:
    rows = model._base_manager.filter(tenant=tenant).annotate(
        text_searched=Cast(field.name, TextField())
    )
    wanted = Q()
    for form in forms:
        wanted |= Q(text_searched__icontains=form)
    return rows.filter(wanted)


def _take_out(
    model: type[TenantOwned], tenant: Tenant, field: models.Field[Any, Any], needles: Needles
) -> int:
    changed = 0
    hits = _hits(model, tenant, field, [*needles.forms, *needles.hints])
    for rows in _slices(hits):
        for row in rows:
            value = needles.without(getattr(row, field.name))
            setattr(row, field.name, _fitting(field, value))
        with transaction.atomic():
            model._base_manager.bulk_update(rows, [field.name])
        changed += len(rows)
    return changed


def _fitting(field: models.Field[Any, Any], value: Any) -> Any:
    return value[: field.max_length] if isinstance(value, str) and field.max_length else value


def _slices(rows: models.QuerySet[Any]) -> Iterator[list[Any]]:
    ordered = rows.order_by("pk")
    found = list(ordered[:SLICE])
    while found:
        yield found
        found = list(ordered.filter(pk__gt=found[-1].pk)[:SLICE])
