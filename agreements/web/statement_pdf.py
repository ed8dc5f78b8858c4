"""The statement of a figure as PDF: what goes in alone makes the file, no clock and no zone.

Moments are in UTC, for a tenant's zone may change, and the file of a day and a moment may not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cache
from html import escape
from io import BytesIO
from typing import Any, Final

from django.conf import settings
from django.template.loader import render_to_string
from reportlab.lib import colors
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Flowable,
    LongTable,
    Paragraph,
    SimpleDocTemplate,
    Spacer,
)

from agreements.decisions import which_one
from agreements.figures import Total
from agreements.models import ChoiceRecord
from agreements.web.decision_words import decision
from agreements.web.mrr_page import Group, LineRow, MrrPage
from audit_site.pages.written import day_written, days_written, money_written
from audit_site.tenants.models import Tenant

PLAIN, BOLD = "DejaVuSansCondensed", "DejaVuSansCondensed-Bold"
ACCENT, INK, SOFT, LINE, BAND = map(
    colors.HexColor, ("#0b5d57", "#1c2430", "#556070", "#d5dae0", "#f1f4f6")
)
MARGIN: Final = 18 * mm
FOOT: Final = 7
#: What the library leaves free inside of the margins, at each side.
INSET: Final = 6
WIDTH: Final = A4[0] - 2 * (MARGIN + INSET)
LEDGER_WIDTHS: Final = [part * WIDTH for part in (0.42, 0.12, 0.15, 0.15, 0.16)]
WHY_WIDTHS: Final = [part * WIDTH for part in (0.38, 0.62)]
DECISION_WIDTHS: Final = [part * WIDTH for part in (0.16, 0.15, 0.24, 0.2, 0.25)]


def _style(name: str, size: float, font: str = PLAIN, **more: Any) -> ParagraphStyle:
    return ParagraphStyle(
        name, fontName=font, fontSize=size, leading=size * 1.35, **{"textColor": INK, **more}
    )


LOGO: Final = _style("logo", 13, BOLD, textColor=ACCENT)
TITLE: Final = _style("title", 15, BOLD, spaceBefore=10)
FIGURE: Final = _style("figure", 20, BOLD, spaceBefore=4)
HEAD: Final = _style("head", 11, BOLD, spaceBefore=14, spaceAfter=5)
TEXT: Final = _style("text", 8.5)
STRONG: Final = _style("strong", 8.5, BOLD)
SUB: Final = _style("sub", 7.5, textColor=SOFT)
NUMBER: Final = _style("number", 8.5, alignment=TA_RIGHT)
SUM: Final = _style("sum", 8.5, BOLD, alignment=TA_RIGHT)
COLUMN: Final = _style("column", 7.5, BOLD, textColor=SOFT)
NUMBERS: Final = _style("numbers", 7.5, BOLD, textColor=SOFT, alignment=TA_RIGHT)


def pdf_of(page: MrrPage, *, tenant: Tenant, called: str, at: datetime) -> bytes:
    """The file: `called` is the audITee's name then, `at` the moment as known at which it is."""
    _use_fonts()
    as_of = day_written(page.figure.as_of)
    title = f"Monthly recurring revenue of {called}"
    about = f"{tenant.name} · MRR of {called} · as of {as_of} · as known on {_moment(at)}"

    def build(pages: int) -> tuple[bytes, int]:
        """The file, and how many pages it has; `pages` are written to be so many."""
        out = BytesIO()
        document = SimpleDocTemplate(
            out,
            pagesize=A4,
            leftMargin=MARGIN,
            rightMargin=MARGIN,
            topMargin=MARGIN,
            bottomMargin=MARGIN + 4 * mm,
            title=title,
            author=tenant.name,
            lang="en",
            invariant=1,
        )

        def foot(canvas: Canvas, document: BaseDocTemplate) -> None:
            canvas.setDateFormatter(lambda *_: f"D:{at.astimezone(UTC):%Y%m%d%H%M%S}+00'00'")
            _write_foot(canvas, about, f"{document.page} / {pages}")

        story = list(_story(page, tenant.name, title, at))
        document.build(story, onFirstPage=foot, onLaterPages=foot)
        return out.getvalue(), document.page

    content, pages = build(1)
    return content if pages == 1 else build(pages)[0]


@cache
def _use_fonts() -> None:
    folder = settings.BASE_DIR / "static" / "vendor" / "dejavu-fonts-ttf"
    for name in (PLAIN, BOLD):
        pdfmetrics.registerFont(TTFont(name, str(folder / f"{name}.ttf")))


def _write_foot(canvas: Canvas, about: str, number: str) -> None:
    """Write below a page what it is of, cut where it is too long, and which page it is."""
    canvas.setFont(PLAIN, FOOT)
    canvas.setFillColor(SOFT)
    room = WIDTH - pdfmetrics.stringWidth(number, PLAIN, FOOT) - 4 * mm
    while pdfmetrics.stringWidth(about, PLAIN, FOOT) > room:
        about = f"{about[:-2]}…"
    canvas.drawString(MARGIN + INSET, 12 * mm, about)
    canvas.drawRightString(MARGIN + INSET + WIDTH, 12 * mm, number)


def _story(page: MrrPage, sender: str, title: str, at: datetime) -> Iterator[Flowable]:
    figure = page.figure
    yield _said(sender, LOGO)
    yield _said(title, TITLE)
    none = "None" if figure.is_known else "Not known"
    amounts = [money_written(total["amount"], total["currency"]) for total in figure.totals]
    yield from (_said(amount, FIGURE) for amount in amounts or [none])
    yield Spacer(0, 3)
    yield _said(f"As of {day_written(figure.as_of)}, as known on {_moment(at)}", TEXT)
    yield from (_said(_averages(total), SUB) for total in figure.totals)
    yield _said("What this figure is", HEAD)
    yield _said(" ".join(render_to_string("agreements/_definition.html").split()), TEXT)
    yield _said("What counts", HEAD)
    yield _ledger(page)
    if any(group.left_out for group in page.groups):
        yield _said("Left out, and why", HEAD)
        yield _left_out(page)
    if decided := list(_decided(page)):
        yield _said("What was decided", HEAD)
        yield _table(("When", "Who", "About", "What", "Why"), decided, DECISION_WIDTHS)


def _averages(total: Total) -> str:
    before, after = (money_written(total["average"][name]) for name in ("trailing12", "forward12"))
    return (
        f"{total['currency']} on average: {before} over the last 12 months, {after} over the next "
        "12 as signed"
    )


def _ledger(page: MrrPage) -> Flowable:
    rows: list[list[Any]] = []
    bands: list[int] = []
    for group in page.counting:
        bands.append(len(rows) + 1)
        subtotal = money_written(group.subtotal, group.currency)
        name = [_said(str(group.agreement), STRONG), _said(which_one(group.agreement), SUB)]
        rows.append([name, "", "", "", _said(subtotal, SUM)])
        rows += [_counted(line) for line in group.counted]
    if not rows:
        rows.append([_said("Nothing counts on this day.", TEXT), "", "", "", ""])
    for row in page.figure.rounding:
        amount = money_written(row.mrr, row.currency)
        rows.append([_said(row.sentence, SUB), "", "", "", _said(amount, NUMBER)])
        bands.append(-len(rows))  # a sentence over the columns, without a band
    totals = len(rows) + 1
    for total in page.figure.totals:
        amount = money_written(total["amount"], total["currency"])
        text = f"Total {total['currency']}"
        rows.append([_said(text, STRONG), "", "", "", _said(amount, SUM)])
    spans = [("SPAN", (0, abs(at)), (3, abs(at))) for at in bands]
    looks: list[Any] = [("LEFTPADDING", (3, 0), (3, -1), 10)]
    looks += [("BACKGROUND", (0, at), (-1, at), BAND) for at in bands if at > 0]
    if page.figure.totals:
        looks.append(("LINEABOVE", (0, totals), (-1, totals), 1, INK))
    header = ("Line", "#Quantity", "#Price", "Cycle", "#A month")
    return _table(header, rows, LEDGER_WIDTHS, [*spans, *looks])


def _counted(line: LineRow) -> list[Any]:
    terms, row = line.sum, line.row
    name = [_said(line.name, TEXT), *(_said(text, SUB) for text in (*row.said, *row.remarks))]
    quantity = [_said(terms.quantity, NUMBER)]
    if terms.included:
        quantity.append(_said(terms.included, SUB))
    cycle = f"{terms.cycle.capitalize()} {terms.factor}".strip()
    return [
        name,
        quantity,
        _said(terms.price, NUMBER),
        _said(cycle, TEXT),
        _said(money_written(row.mrr), NUMBER),
    ]


def _left_out(page: MrrPage) -> Flowable:
    rows = [
        [
            [_said(line.name, TEXT), _said(str(group.agreement), SUB)],
            _said(days_written(line.row.sentence), TEXT),
        ]
        for group in page.groups
        for line in group.left_out
    ]
    return _table(("Line", "Why"), rows, WHY_WIDTHS)


def _decided(page: MrrPage) -> Iterator[list[Flowable]]:
    """Who decided what about which agreement or line, and why."""
    for group in page.groups:
        whole = str(group.agreement)
        if group.decided.decision:
            yield _decision(group.decided.decision, whole, page.labels)
        for own in group.decided.replaces:
            yield _decision(own.record, whole, page.labels)
        for line in _lines(group):
            if line.decision:
                yield _decision(line.decision, f"{line.name} of {whole}", page.labels)


def _lines(group: Group) -> Sequence[LineRow]:
    return [*group.counted, *group.left_out]


def _decision(record: ChoiceRecord, about: str, labels: dict[str, str]) -> list[Flowable]:
    who = record.actor_name or "a program"
    texts = (_moment(record.at), who, about, decision(record, labels), record.note)
    return [_said(text, TEXT) for text in texts]


def _table(
    header: Sequence[str],
    rows: Sequence[list[Any]],
    widths: Sequence[float],
    looks: Sequence[Any] = (),
) -> Flowable:
    """`#A month` stands above numbers. The header stands on each page."""
    heads = [_said(text.lstrip("#"), NUMBERS if text[0] == "#" else COLUMN) for text in header]
    return LongTable(
        [heads, *rows],
        colWidths=list(widths),
        repeatRows=1,
        style=[
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LINEBELOW", (0, 0), (-1, -1), 0.4, LINE),
            ("LEFTPADDING", (0, 0), (-1, -1), 3),
            ("RIGHTPADDING", (0, 0), (-1, -1), 3),
            ("TOPPADDING", (0, 0), (-1, -1), 3),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
            *looks,
        ],
    )


def _said(text: str, style: ParagraphStyle) -> Paragraph:
    """What somebody typed is text, never markup."""
    return Paragraph(escape(text, quote=False), style)


def _moment(at: datetime) -> str:
    in_utc = at.astimezone(UTC)
    return f"{day_written(in_utc)}, {in_utc:%H:%M:%S} UTC"
