"""The days that a page's address asks for, and what is wrong with those that are no days."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date
from typing import Final
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse

from agreements.mrr.dates import EARLIEST, LATEST, day_of
from companies.models import Company

FIELDS: Final = {"as_of": "As of", "from": "From", "to": "To"}


@dataclass(slots=True)
class Days:
    """An as-of day, and a movement that ends on it unless the address says otherwise.

    `given` are the days that the address itself names: what links and forms pass on. `troubles` are
    sentences about those that could not be used; the defaults take their place.
    """

    as_of: date
    start: date
    end: date
    given: dict[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, query: QueryDict, today: date) -> Days:
        """By default as of today, and a movement since the end of the month before."""
        given: dict[str, date] = {}
        troubles = []
        for name in FIELDS:
            if text := query.get(name):
                if day := day_of(text):
                    given[name] = day
                else:
                    troubles.append(trouble_with(name, text))
        as_of = given.get("as_of", today)
        end = given.get("to", as_of)
        last_month = date.fromordinal(end.replace(day=1).toordinal() - 1)
        if given.get("from", last_month) >= end:
            troubles = troubles or ["The first day must come before the last one."]
            del given["from"]
        start = given.get("from", last_month)
        named = {name: day.isoformat() for name, day in given.items()}
        return cls(as_of, start, end, named, troubles)

    @property
    def movement_query(self) -> str:
        """The days of the movement as a query: `from=2026-10-31&to=2026-11-29`."""
        return urlencode({"from": self.start.isoformat(), "to": self.end.isoformat()})

    @property
    def given_query(self) -> str:
        """What a query goes on with to keep the given days of the movement; "" = there are none."""
        given = {name: day for name, day in self.given.items() if name != "as_of"}
        return f"&{urlencode(given)}" if given else ""

    def csv_addresses(self, company: Company | None = None) -> dict[str, str]:
        """Where a page's charts can be downloaded; of one company, or of all."""
        of = f"&company={company.pk}" if company else ""
        return {
            "series_address": f"{reverse('agreements:series-csv')}?as_of={self.as_of}{of}",
            "movement_address": f"{reverse('agreements:movement-csv')}?{self.movement_query}{of}",
        }

    def show_troubles(self, request: HttpRequest) -> None:
        """Say on the page what was wrong."""
        for trouble in self.troubles:
            messages.error(request, trouble)

    def refusal(self) -> HttpResponse | None:
        """The answer of a download or a part of a page, which has no place for messages."""
        if not self.troubles:
            return None
        text = "\n".join(self.troubles)
        return HttpResponse(f"{text}\n", status=400, content_type="text/plain; charset=utf-8")


def trouble_with(name: str, text: str) -> str:
    """Which field is wrong, and what to type."""
    wanted = f"type a date as 2026-11-27, from {EARLIEST.year} to {LATEST.year}."
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) and not _exists(text):
        return f"{FIELDS[name]}: {text} does not exist; {wanted}"
    return f"{FIELDS[name]}: {wanted}"


def _exists(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True
