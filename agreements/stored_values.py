"""What a PSA had said of agreements and their lines, kept as JSON so that it can be said again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypedDict
from uuid import UUID

import msgspec

from agreements import mrr
from agreements.models import Agreement, AgreementLine
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant

#: What a reading writes of an agreement, and of a line.
AGREEMENT_FIELDS: Final = (
    "name",
    "type",
    "former_type",
    "type_changed_on",
    "status",
    "currency",
    "start_date",
    "end_date",
    "no_end",
    "cancelled",
    "cancelled_date",
    "recurring",
    "active",
    "inactive_from",
    "cycle",
    "cycle_label",
    "amount",
    "parent_external_id",
    "renews_external_ids",
    "incomplete",
    "counts_from",
    "changed_at",
    "synced_at",
)
LINE_FIELDS: Final = (
    "position",
    "kind",
    "description",
    "product",
    "quantity",
    "unit_price",
    "less_included",
    "bill",
    "start_date",
    "end_date",
    "cycle",
    "one_time",
    "has_recurred",
    "units",
    "gone_at",
)
ENGINE_NAMES: Final = {"parent_external_id": "parent_id"}


class KeptValues(TypedDict):
    """An agreement's values, and those of its lines by their ids, as plain JSON."""

    own: dict[str, Any]
    lines: dict[str, dict[str, Any]]


def keep_values(tenant: Tenant, rows: Iterable[Agreement]) -> dict[UUID, KeptValues]:
    """What is stored of these agreements, by their ids. One statement."""
    found: dict[UUID, KeptValues] = {
        row.pk: {"own": _plain(row, AGREEMENT_FIELDS), "lines": {}} for row in rows
    }
    if found:
        lines = AgreementLine.objects.for_tenant(tenant).filter(AnyOf("agreement_id", found))
        for line in lines:
            found[line.agreement_id]["lines"][str(line.pk)] = _plain(line, LINE_FIELDS)
    return found


def differing(
    tenant: Tenant, kept: Mapping[str, KeptValues], rows: Iterable[Agreement]
) -> dict[UUID, KeptValues]:
    """Those of the kept values that are not what is stored now of these agreements."""
    now = keep_values(tenant, [row for row in rows if str(row.pk) in kept])
    return {pk: kept[str(pk)] for pk, values in now.items() if _differs(kept[str(pk)], values)}


def _differs(kept: KeptValues, now: KeptValues) -> bool:
    """Whether what is stored now is something else; a field that came since is nothing else."""
    lines = kept["lines"]
    if lines.keys() != now["lines"].keys() or _other_fields(kept["own"], now["own"]):
        return True
    return any(_other_fields(values, now["lines"][id_]) for id_, values in lines.items())


def _other_fields(kept: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    kept = _as_of_today(kept)
    return any(name in kept and kept[name] != value for name, value in now.items())


def restore_values(tenant: Tenant, kept: Mapping[UUID, KeptValues]) -> None:
    """Store the kept values again; lines that came since leave. The next reading compares anew."""
    if not kept:
        return
    rows = list(Agreement.objects.for_tenant(tenant).filter(AnyOf("id", kept)))
    for row in rows:
        _set(row, kept[row.pk]["own"], AGREEMENT_FIELDS)
        row.fingerprint = row.lines_fingerprint = ""
    Agreement.objects.bulk_update(rows, [*AGREEMENT_FIELDS, "fingerprint", "lines_fingerprint"])
    of_them = AgreementLine.objects.for_tenant(tenant).filter(AnyOf("agreement_id", kept))
    known, new = [], []
    for line in of_them:
        values = kept[line.agreement_id]["lines"].get(str(line.pk))
        if values is None:
            new.append(line.pk)
            continue
        _set(line, values, LINE_FIELDS)
        line.fingerprint = ""
        known.append(line)
    AgreementLine.objects.bulk_update(known, [*LINE_FIELDS, "fingerprint"], batch_size=500)
    of_them.filter(AnyOf("id", new)).delete()


def agreement_as_kept(engine: mrr.Agreement, row: Agreement, kept: KeptValues) -> None:
    """Give the engine's agreement and its instance the kept values; nothing is stored."""
    choices = getattr(row, "choices", None)
    is_chosen = choices is not None and choices.renews is not None
    _set(row, kept["own"], AGREEMENT_FIELDS)
    _tell(engine, row, [one for one in AGREEMENT_FIELDS if one != "renews_external_ids"])
    if not is_chosen:
        engine.renews = row.renews_external_ids


def line_as_kept(engine: mrr.Line, row: AgreementLine, kept: KeptValues) -> bool:
    """The same of a line; False = it was not there."""
    values = kept["lines"].get(str(row.pk))
    if values is None:
        return False
    _set(row, values, LINE_FIELDS)
    _tell(engine, row, [one for one in LINE_FIELDS if one != "units"])
    if row.units is not None:
        engine.units = msgspec.convert(row.units, list[mrr.Units], strict=False)
    else:
        engine.units = None
    return True


def _tell(engine: mrr.Agreement | mrr.Line, row: Any, names: Iterable[str]) -> None:
    for name in names:
        theirs = ENGINE_NAMES.get(name, name)
        if theirs in engine.__struct_fields__:
            setattr(engine, theirs, getattr(row, name))


def _plain(row: Agreement | AgreementLine, names: Iterable[str]) -> dict[str, Any]:
    values: dict[str, Any] = msgspec.to_builtins({name: getattr(row, name) for name in names})
    return values


def _as_of_today(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Kept values by the names of today: until edition 7 one id of what it renews was kept."""
    if "renews_external_id" not in values:
        return values
    one = values["renews_external_id"]
    return {**values, "renews_external_ids": [one] if one else []}


def _set(row: Any, values: Mapping[str, Any], names: Iterable[str]) -> Any:
    """Give a row these of the kept values; a field that came since stays."""
    values = _as_of_today(values)
    for name in names:
        if name in values:
            setattr(row, name, row._meta.get_field(name).to_python(values[name]))
    return row
