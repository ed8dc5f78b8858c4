"""Which columns of stored agreements and lines are which fields of the engine's, as JSON."""

from __future__ import annotations

from typing import Any

from django.db.models import TextField, Value
from django.db.models.functions import Coalesce
from msgspec import Struct
from msgspec.json import encode

from agreements import mrr
from audit_site.db.json_rows import IdText, JsonArray, decoder


def _json_of(type_: type[Struct], **columns: Any) -> JsonArray:
    """Which column is which field of the engine's. Fields after these stay what they are by
    default.
    """
    fields = type_.__struct_fields__
    if set(columns) != set(fields[: len(columns)]):
        raise TypeError(f"These are not the first fields of {type_.__name__}: {[*columns]}")
    return JsonArray(*(columns[name] for name in fields[: len(columns)]))


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
    renews=Coalesce("choices__renews", "renews_external_ids"),
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
    inactive_from="inactive_from",
    right="choices__right",
    chosen_cycle="choices__cycle",
    set_aside_psa="set_aside_psa",
    set_aside_since="set_aside_since",
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
    has_recurred="has_recurred",
    right="choices__right",
    chosen_cycle="choices__cycle",
)
AGREEMENTS, LINES = decoder(mrr.Agreement), decoder(mrr.Line)


def json_again(row: mrr.Agreement | mrr.Line, columns: JsonArray) -> str:
    """What `columns` would have written of a row that was changed since."""
    names = row.__struct_fields__[: len(columns.get_source_expressions())]
    return encode([getattr(row, name) for name in names]).decode()
