"""The additions of ConnectWise's agreements, page by page; they stand under one agreement each."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import msgspec

from integrations.adapters.connectwise.api import LISTS, ConnectWiseApi, record_id, record_stamp
from integrations.adapters.connectwise.paging import Place, Rows, numbered_pages
from integrations.adapters.connectwise.wire import WireAddition
from integrations.psa.contract import PsaAgreement, PsaAgreementLine, RejectedRecord
from integrations.psa.decoding import calendar_date, clean, of_lines, read_records
from integrations.psa.errors import PsaRefused
from integrations.psa.http import PsaResponse
from integrations.psa.listing import Newest, ended_early, looks_full
from integrations.psa.questions import count_at_end

BILL_CUSTOMER: Final = {
    "billable": "billable",
    "donotbill": "do_not_bill",
    "nocharge": "no_charge",
}


@dataclass(slots=True)
class Additions:
    """The lines of one agreement by id, what was set aside, and whether (and why) some are missing.

    `short`: how many came of how many that there are.
    """

    lines: dict[int, PsaAgreementLine] = field(default_factory=dict)
    rejected: list[RejectedRecord] = field(default_factory=list)
    incomplete: bool = False
    refused: PsaRefused | None = None
    short: tuple[int, int] | None = None


class AdditionReader:
    """Reads the additions of one agreement after another, or of several side by side."""

    def __init__(self, api: ConnectWiseApi) -> None:
        self._api = api

    def read(self, agreement: PsaAgreement) -> Additions:
        """All additions of an agreement, page by page; they stand under one agreement each."""
        found = Additions()
        path = f"{LISTS['read_agreements']}/{agreement.external_id}/additions"

        def ask(place: Place) -> tuple[Rows, str | None]:
            page = self._additions_page(path, place, found)
            found.incomplete = found.incomplete or page is None
            return page or ((), None)

        newest = Newest[tuple[WireAddition, PsaAgreementLine]](
            lambda pair: record_id(pair[0]), lambda pair: record_stamp(pair[0])
        )
        for rows, place in numbered_pages(ask, self._api.page_size):
            pairs, bad = read_records(rows, WireAddition, lambda raw: (raw, build_line(raw)))
            found.lines |= {raw.id: line for raw, line in newest.of(pairs)}
            found.rejected += of_lines(bad)
            looks_cut = not rows and looks_full(place.read, self._api.page_size)
            if looks_cut and not found.incomplete:
                self._mind_count(path, place.read, agreement.external_id, found)
        found.incomplete = found.incomplete or bool(found.rejected)
        return found

    def _mind_count(self, path: str, read: int, agreement_id: str, found: Additions) -> None:
        """Additions whose end looks like a cap of the server are counted."""
        total = count_at_end(lambda: self._api.count(f"{path}/count", {}, "read_lines"))
        if total is not None and read < total:
            found.short = read, total
            kind = f"additions of agreement {agreement_id}"
            found.rejected.append(ended_early(kind, read, total, is_line=True))

    def _additions_page(
        self, path: str, place: Place, found: Additions
    ) -> tuple[list[msgspec.Raw], str | None] | None:
        """None when the agreement was deleted a moment ago, or when its additions are refused."""

        def read(response: PsaResponse) -> tuple[list[msgspec.Raw], str | None]:
            return self._api.read_rows(response, "read_lines")

        params = {"pageSize": str(self._api.page_size), **place.params}
        try:
            return self._api.ask_by_id(path, read, params)
        except PsaRefused as error:
            if error.code != "permission_denied":
                raise
            found.refused = error
            return None


def build_line(raw: WireAddition) -> PsaAgreementLine:
    """An addition. Prorated prices concern one invoice only and are not looked at."""
    billed = raw.billed_quantity
    bill = clean(raw.bill_customer)
    return PsaAgreementLine(
        external_id=str(raw.id),
        kind="addition",
        description=clean(raw.invoice_description) or clean(raw.description),
        product=clean(raw.product.identifier) if raw.product else "",
        quantity=raw.quantity if billed is None else billed,
        unit_price=raw.unit_price,
        less_included=raw.less_included if billed is None else None,
        bill=BILL_CUSTOMER.get(bill.casefold(), bill) or "billable",
        start_date=calendar_date(raw.effective_date, "effectiveDate"),
        end_date=calendar_date(raw.cancelled_date, "cancelledDate"),
    )
