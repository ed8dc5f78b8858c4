"""Lines of Autotask's contracts: services and bundles, with their unit rows as a history."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Final

import msgspec

from integrations.adapters.autotask.api import AutotaskApi
from integrations.adapters.autotask.errors import WORDS
from integrations.adapters.autotask.filters import Condition, is_one_of
from integrations.adapters.autotask.guide import IDS_PER_QUESTION
from integrations.adapters.autotask.lookups import Lookups
from integrations.adapters.autotask.paging import record_id, record_stamp
from integrations.adapters.autotask.unit_history import read_history, require_dates
from integrations.adapters.autotask.wire import (
    WireContract,
    WireContractLine,
    WireUnits,
    contract_of,
)
from integrations.psa.contract import LineKind, PsaAgreementLine, RejectedRecord
from integrations.psa.decoding import clean, of_lines, raw_id, read_records
from integrations.psa.errors import PsaRefused
from integrations.psa.listing import Newest, ended_early
from integrations.psa.parallel import ordered_map
from integrations.psa.questions import batched_ids
from integrations.psa.refusals import RefusedAnswer


@dataclass(frozen=True, slots=True)
class LineFamily:
    """Services or bundles: where their lines and their unit rows are read, and how a unit row names
    its line and its product in the catalogue.
    """

    kind: LineKind
    lines: str
    units: str
    catalogue: str
    line: str
    product: str


FAMILIES: Final = (
    LineFamily(
        "service", "ContractServices", "ContractServiceUnits", "Services", "contractServiceID",
        "serviceID",
    ),
    LineFamily(
        "bundle", "ContractServiceBundles", "ContractServiceBundleUnits", "ServiceBundles",
        "contractServiceBundleID", "serviceBundleID",
    ),
)  # fmt: skip
SETUP_FEE: Final = "setup-fee"


@dataclass(frozen=True, slots=True)
class Question:
    """A query for lines or unit rows."""

    entity: str
    kind: type[Any]
    conditions: list[Condition]


@dataclass(slots=True)
class Rows:
    """What a query gave, by id. `is_part`: something is missing, and nobody knows of which
    contract; `short`: how many came of how many.
    """

    rows: dict[int, Any] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    incomplete: set[int] = field(default_factory=set)
    is_part: bool = False
    refused: PsaRefused | None = None
    short: tuple[int, int] | None = None


@dataclass(slots=True)
class FoundLines:
    """Lines and unit rows by contract, and the contracts of which some could not be read, or were
    `withheld` because a right is missing. `short`: how many came of how many.
    """

    lines: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    units: dict[int, list[Any]] = field(default_factory=lambda: defaultdict(list))
    incomplete: set[int] = field(default_factory=set)
    withheld: set[int] = field(default_factory=set)
    refused: PsaRefused | None = None
    short: tuple[int, int] | None = None

    def keep(self, rows: Iterable[Any]) -> None:
        """Sort rows by what they are and whose; one that names no contract is nobody's."""
        for row in rows:
            if row.contract_id is not None:
                kept = self.units if isinstance(row, WireUnits) else self.lines
                kept[row.contract_id].append(row)


class LineReader:
    """Reads the lines of many contracts of one family: lines and unit rows side by side."""

    def __init__(self, api: AutotaskApi, lookups: Lookups, family: LineFamily) -> None:
        self._api = api
        self._lookups = lookups
        self._family = family

    def read(
        self, contract_ids: Sequence[int], since: date, rejected: list[RejectedRecord]
    ) -> FoundLines:
        """Lines and unit rows of these contracts, from a day on; adds to what is `rejected`."""
        found = FoundLines()
        for ids in batched_ids([*map(str, contract_ids)], IDS_PER_QUESTION):
            self._read_batch(ids, since, found, rejected)
        hidden = found.lines and not found.units and not found.refused
        if hidden and self._api.hides(self._family.units):
            found.refused = WORDS.permission_denied(RefusedAnswer(200, right="read_lines"))
            found.withheld |= found.lines.keys()
            found.incomplete |= found.withheld
        return found

    def _read_batch(
        self, ids: list[str], since: date, found: FoundLines, rejected: list[RejectedRecord]
    ) -> None:
        of_contracts = is_one_of("contractID", ids)
        recent = {"op": "gte", "field": "endDate", "value": since.isoformat()}
        questions = [
            Question(self._family.lines, WireContractLine, [of_contracts]),
            Question(self._family.units, WireUnits, [of_contracts, recent]),
        ]
        for answer in ordered_map(self._read_all, questions, workers=len(questions)):
            rejected += answer.rejected
            incomplete = set(map(int, ids)) if answer.is_part else answer.incomplete
            found.incomplete |= incomplete
            if answer.refused:
                found.refused = answer.refused
                found.withheld |= incomplete
            found.short = found.short or answer.short
            found.keep(answer.rows.values())

    def _read_all(self, question: Question) -> Rows:
        """Read every row of a query; a refusal, or a row that names no contract, makes it a part.

        A part is never shown as the whole: its contracts are left out of MRR and said to be.
        """
        found = Rows()
        build = require_dates if question.kind is WireUnits else lambda row: row
        newest = Newest[Any](record_id, record_stamp)
        try:
            for page in self._api.raw_pages(question.entity, "read_lines", question.conditions):
                good, rejected = read_records(page.rows, question.kind, build)
                found.rows |= {row.id: row for row in newest.of(good)}
                found.rejected += of_lines(rejected)
                if page.short:
                    found.short, found.is_part = page.short, True
                    found.rejected.append(ended_early(question.entity, *page.short, is_line=True))
                bad_ids = {record.external_id for record in rejected}
                owners = {contract_of(row) for row in page.rows if raw_id(row) in bad_ids}
                found.is_part = found.is_part or None in owners
                found.incomplete |= {owner for owner in owners if owner is not None}
        except PsaRefused as error:
            if error.code != "permission_denied":
                raise
            found.is_part, found.refused = True, error
        return found

    def build(
        self,
        contract: WireContract,
        found: FoundLines,
        months: int | None,
        contract_start: date | None,
    ) -> Iterator[PsaAgreementLine]:
        """One line for each contract service or bundle, with its unit rows as a history.

        Unit rows without a line of theirs are money too: they make a line of their own.
        """
        lines = {str(line.id): line for line in found.lines.get(contract.id, ())}
        rows_of: dict[str, list[WireUnits]] = defaultdict(list)
        for row in found.units.get(contract.id, ()):
            rows_of[line_key(row)].append(row)
        for key in sorted({*lines, *rows_of}, key=lambda key: (len(key), key)):
            line, rows = lines.get(key), rows_of.get(key, [])
            product_id = product_id_of(line, rows)
            product = self._lookups.product(self._family.catalogue, product_id)
            text = clean(line.invoice_description or line.internal_description) if line else ""
            units, cycle = read_history(rows, months, contract_start)
            yield PsaAgreementLine(
                external_id=f"{self._family.kind}-{key}",
                kind=self._family.kind,
                description=text or product,
                product=product or ("" if product_id is None else str(product_id)),
                cycle=cycle,
                units=units,
            )


def has_line(api: AutotaskApi, line_id: str, contract_id: str) -> bool:
    """Whether a line that we know by our id is there: in its own list, or in its unit rows."""
    kind, _, key = line_id.partition("-")
    if line_id == SETUP_FEE:
        row = api.find_row("Contracts", contract_id, "read_agreements", ("id", "setupFee"))
        return row is not None and bool(msgspec.json.decode(row, type=WireContract).setup_fee)
    family = next((family for family in FAMILIES if family.kind == kind), None)
    number = key.removeprefix("catalogue-")
    if family is None or not number.isdecimal():
        return False
    if number != key:
        return api.has_rows(
            family.units,
            [is_one_of("contractID", [contract_id]), is_one_of(family.product, [number])],
        )
    if api.find_row(family.lines, number, "read_lines", ("id",)) is not None:
        return True
    return api.has_rows(family.units, [is_one_of(family.line, [number])])


def line_key(row: WireUnits) -> str:
    """The id of the line that a unit row belongs to, or else of its product in the catalogue."""
    owner = row.contract_service_id or row.contract_service_bundle_id
    return str(owner) if owner else f"catalogue-{row.service_id or row.service_bundle_id}"


def product_id_of(line: WireContractLine | None, rows: Sequence[WireUnits]) -> int | None:
    """The id in the catalogue that the line names, or else the first of its unit rows that does."""
    for item in (line, *rows):
        for product_id in (item.service_id, item.service_bundle_id) if item is not None else ():
            if product_id is not None:
                return product_id
    return None
