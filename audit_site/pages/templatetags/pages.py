"""Small filters of our templates."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import template
from django.conf import settings
from django.contrib.messages.storage.base import Message
from django.http import QueryDict
from django.template.loader import render_to_string
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from audit_site.pages.written import days_written, formula_written, moment_written, money_written

register = template.Library()
register.filter("days_written", days_written)
register.filter("formula_written", formula_written)

#: state or status → how its mark looks
LOOKS = {
    "connected": "good",
    "healthy": "good",
    "refused": "bad",
    "unreachable": "bad",
    "key_missing": "bad",
    "waiting": "warn",
    "limited": "warn",
    "paused": "warn",
    "disconnected": "warn",
    "reading": "busy",
    "succeeded": "good",
    "active": "good",
    "created": "good",
    "returned": "good",
    "failing": "bad",
    "failed": "bad",
    "rejected": "bad",
    "gone": "bad",
    "partial": "warn",
    "cancelled": "warn",
    "updated": "busy",
    "testing": "busy",
    "running": "busy",
    "queued": "busy",
}


@register.filter
def look(state: str) -> str:
    """The class of a mark for a state."""
    return LOOKS.get(state, "")


@register.filter
def once(messages: Iterable[Message]) -> list[Message]:
    """Messages, each text once: on its way to a page somebody may meet the same refusal twice."""
    return list({message.message: message for message in messages}.values())


@register.filter
def in_fours(text: str) -> str:
    """A key in groups of four, to be typed."""
    return " ".join(text[at : at + 4] for at in range(0, len(text), 4))


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """An icon; with a label when it alone says something."""
    address = static("vendor/bootstrap-icons/icons.svg")
    if label:
        return format_html(
            '<svg class="bi" role="img" aria-label="{}"><use href="{}#{}"></use></svg>',
            label,
            address,
            name,
        )
    return format_html(
        '<svg class="bi" aria-hidden="true"><use href="{}#{}"></use></svg>', address, name
    )


@register.filter
def moment(value: datetime | None) -> str:
    """A moment in the tenant's zone, without what goes without saying."""
    if value is None:
        return "never"
    local, now = timezone.localtime(value), timezone.localtime()
    if local.date() == now.date():
        return f"today {local:%H:%M}"
    return moment_written(value)


@register.filter
def upcoming(value: datetime) -> str:
    """A moment to come, as one would say it: tonight, 02:17."""
    local, now = timezone.localtime(value), timezone.localtime()
    days = (local.date() - now.date()).days
    if local <= now:
        return "now, as soon as it is its turn"
    if (days == 0 and (local.hour >= 18 or local.hour < 6)) or (
        days == 1 and local.hour < 6 <= now.hour
    ):
        return f"tonight, {local:%H:%M}"
    if days in {0, 1}:
        return f"{'tomorrow' if days else 'today'}, {local:%H:%M}"
    return f"{local:%a %d %b, %H:%M}"


@register.simple_tag(takes_context=True)
def page_address(context: dict[str, Any], number: int) -> str:
    """The address of another page of the same filtered list."""
    query: QueryDict = context["request"].GET.copy()
    query["page"] = str(number)
    return f"?{query.urlencode()}"


@register.simple_tag(takes_context=True)
def stretch_address(
    context: dict[str, Any], *, after: str = "", before: str = "", start: str = ""
) -> str:
    """The same filtered list after a row, before one, or from a name on; else its beginning."""
    query: QueryDict = context["request"].GET.copy()
    for name, value in (("after", after), ("before", before), ("from", start)):
        query.pop(name, None)
        if value:
            query[name] = value
    return f"?{query.urlencode()}"


@dataclass(frozen=True, slots=True)
class Column:
    """A head of a table's column, above numbers or not; a hidden one is only heard."""

    title: str
    is_number: bool
    is_hidden: bool

    @classmethod
    def of(cls, text: str) -> Column:
        """`#A month` stands above numbers, `~Undo` is hidden."""
        return cls(text.lstrip("#~"), text.startswith("#"), text.startswith("~"))


@register.simple_block_tag
def table(
    content: str, caption: str, columns: str = "", classes: str = "", label: str = "Table"
) -> SafeString:
    """A table in its frame, around `<tbody>` (and `<thead>`, where `columns` are not enough).

    `columns` are the heads, parted by `|` (see `Column.of`). `caption` is only heard; `label` names
    the frame, which scrolls.
    """
    heads = [Column.of(text) for text in columns.split("|") if text]
    context = {
        "content": content,
        "caption": caption,
        "columns": heads,
        "classes": classes,
        "label": label,
    }
    return render_to_string("components/table.html", context)


@register.simple_block_tag
def no_rows(content: str, columns: int, icon: str = "") -> SafeString:
    """What a table without rows says in their place, across its columns."""
    context = {"content": content, "columns": columns, "icon": icon}
    return render_to_string("components/no_rows.html", context)


@register.filter
def grouped(number: int) -> str:
    """A count with its thousands apart: 12,400."""
    return f"{number:,}"


@register.filter
def said(message: str) -> str:
    """A message without its technical detail, which is its second line; `names` stand out."""
    parts = message.partition("\n")[0].split("`")
    texts = [
        format_html("<code>{}</code>", part) if at % 2 and at < len(parts) - 1 else part
        for at, part in enumerate(parts)
    ]
    return format_html_join("", "{}", ((text,) for text in texts))


@register.filter
def detail(message: str) -> str:
    """The technical detail of a message; "" = it has none."""
    return message.partition("\n")[2]


@register.filter
def undo_at(message: Message) -> str:
    """Where what a message tells of is undone, as its `extra_tags` say it; "" = nowhere."""
    address = message.extra_tags or ""
    return address if address.startswith("/") else ""


@register.filter
def reachable(text: str) -> str:
    """A text in which our own address, and nothing else, is a link."""
    parts = text.split(settings.HELP_EMAIL)
    if len(parts) == 1:
        return text
    link = format_html('<a class="alert-link" href="mailto:{0}">{0}</a>', settings.HELP_EMAIL)
    return format_html_join(link, "{}", ((part,) for part in parts))


@register.filter
def money(amount: str) -> str:
    """An amount with its thousands apart: 1,460.00."""
    return money_written(amount)


@register.filter
def signed(amount: str) -> str:
    """A difference with its sign and its thousands apart: +1,460.00."""
    return money_written(amount) if amount.startswith("-") else f"+{money_written(amount)}"


@register.filter
def unlocalized(value: float) -> str:
    """A number for an attribute: with a point, whatever the language."""
    return str(value)
