"""The days and the moment that an address asks for, and what is wrong with those that are none."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Final
from urllib.parse import quote, urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils import timezone

from agreements import stored_mrr
from agreements.mrr.dates import EARLIEST, LATEST, day_of
from audit_site.tenants.models import Tenant
from companies.models import Company

FIELDS: Final = {"as_of": "As of", "from": "From", "to": "To"}
ONE_SECOND: Final = timedelta(seconds=1)
KNOWN: Final = "known"
#: As known at which moment the movement opens; by default as known when it closes.
OPENS: Final = "opens"
#: What REST calls it, and is understood here too.
KNOWN_IN_REST: Final = "known_at"
MOMENTS: Final = {KNOWN: "As known at", OPENS: "Opening as known at"}


@dataclass(slots=True)
class Days:
    """An as-of day, and a movement that ends on it unless the address says otherwise.

    `known_at` is the moment as known at which figures are asked for; None = now. `opens_at`: the
    movement opens as known then; None = as known when it closes. `given` is what the address itself
    names: what links and forms pass on. `troubles` are sentences about what could not be used; the
    defaults take its place.
    """

    as_of: date
    start: date
    end: date
    known_at: datetime | None = None
    opens_at: datetime | None = None
    asked_known: str = ""
    given: dict[str, str] = field(default_factory=dict)
    troubles: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, query: QueryDict, tenant: Tenant) -> Days:
        """By default as of today, and a movement since the end of the month before.

        Of a past moment, today is the day that it was then.
        """
        given: dict[str, date] = {}
        troubles = []
        for name in FIELDS:
            if text := query.get(name):
                if day := day_of(text):
                    given[name] = day
                else:
                    troubles.append(trouble_with(name, text))
        moments, wrong = _moments(query, tenant)
        troubles += wrong
        known_at = moments.get(KNOWN)
        as_of = given.get("as_of", tenant.today(known_at))
        end = given.get("to", as_of)
        last_month = date.fromordinal(end.replace(day=1).toordinal() - 1)
        if given.get("from", last_month) >= end:
            troubles = troubles or ["The first day must come before the last one."]
            del given["from"]
        start = given.get("from", last_month)
        named = {name: day.isoformat() for name, day in given.items()}
        named |= {name: as_text(moment) for name, moment in moments.items()}
        asked, opens_at = _asked(query, KNOWN), moments.get(OPENS)
        return cls(as_of, start, end, known_at, opens_at, asked, named, troubles)

    @property
    def movement_query(self) -> str:
        """The days of the movement as a query: `from=2026-10-31&to=2026-11-29`."""
        days = {"from": self.start.isoformat(), "to": self.end.isoformat()}
        opens = {OPENS: self.given[OPENS]} if OPENS in self.given else {}
        return urlencode({**days, **self._known, **opens})

    @property
    def figure_query(self) -> str:
        """The day and the moment of the figure as a query: `as_of=2026-11-29`."""
        return urlencode({"as_of": self.as_of.isoformat(), **self._known})

    @property
    def known_field(self) -> str:
        """The moment for a field of a form: to the second, at which all of it was known."""
        return _field_text(self.known_at)

    @property
    def opens_field(self) -> str:
        return _field_text(self.opens_at)

    @property
    def is_instant(self) -> bool:
        """Whether the address names the very moment: a day that is today's ends later."""
        return len(self.asked_known) > len("2026-11-27")

    @property
    def _known(self) -> dict[str, str]:
        return {KNOWN: self.given[KNOWN]} if KNOWN in self.given else {}

    @property
    def given_query(self) -> str:
        """What a query goes on with to keep the given days of the movement; "" = there are none."""
        given = {name: day for name, day in self.given.items() if name != "as_of"}
        return f"&{urlencode(given)}" if given else ""

    @property
    def moment(self) -> datetime:
        """The moment as known at which figures are asked for."""
        return self.known_at or timezone.now()

    def fixed(self, tenant: Tenant, company: Company | None = None) -> Days:
        """The same days as known at a moment: now, where none was asked for.

        What a sync has changed meanwhile is worked out and kept before. While books are there of
        which nothing is kept yet, as after the first release that keeps any, no moment is fixed.
        """
        if self.known_at is None:
            late = stored_mrr.refresh_for_reader(tenant, company.pk if company else None)
            if late.has_unkept:
                return self
        known_at = self.moment
        return replace(self, known_at=known_at, given={**self.given, KNOWN: as_text(known_at)})

    def csv_addresses(self, company: Company | None = None, currency: str = "") -> dict[str, str]:
        """Where a page's charts can be downloaded; of one company, or of all in one currency."""
        of = f"&company={company.pk}" if company else ""
        of += f"&currency={quote(currency)}" if currency else ""
        return {
            "series_address": f"{reverse('agreements:series-csv')}?{self.figure_query}{of}",
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


def _asked(query: QueryDict, name: str) -> str:
    """What an address says of a moment; "" = nothing."""
    said = query.get(name, "")
    return said or query.get(KNOWN_IN_REST, "") if name == KNOWN else said


def _moments(query: QueryDict, tenant: Tenant) -> tuple[dict[str, datetime], list[str]]:
    """The moments that an address names, and what is wrong with those that can't be used."""
    found: dict[str, datetime] = {}
    troubles = []
    for name, title in MOMENTS.items():
        if text := _asked(query, name):
            if moment := moment_in(text, tenant):
                found[name] = moment
            else:
                troubles.append(
                    f"{title}: type a date as 2026-11-27 or a moment as 2026-11-27T14:05, and "
                    "none to come."
                )
    if OPENS in found and found[OPENS] > found.get(KNOWN, found[OPENS]):
        troubles.append("The movement must not open with what became known after its end.")
        del found[OPENS]
    return found, troubles


def moment_in(text: str, tenant: Tenant) -> datetime | None:
    """The moment that a text names, in the tenant's zone unless it says another; a day = its end.

    Of today, the end is now. None = it is none, or still to come.
    """
    now = timezone.now()
    if day := day_of(text):
        if day == tenant.today(now):
            return now
        begin = datetime.combine(day + timedelta(days=1), datetime.min.time(), tenant.zone)
        found = begin - timedelta(microseconds=1)
    else:
        try:
            found = datetime.fromisoformat(text)
        except ValueError:
            return None
        if not EARLIEST.year <= found.year < LATEST.year:
            return None
        found = found if found.tzinfo else found.replace(tzinfo=tenant.zone)
    found = found.astimezone(UTC)
    if now < found <= now + ONE_SECOND:  # a field holds whole seconds
        return now
    return found if found <= now else None


def _field_text(moment: datetime | None) -> str:
    """As `datetime-local` wants it, in the zone of the page; "" = none. Rounded up."""
    if moment is None:
        return ""
    local = timezone.localtime(moment)
    if local.microsecond:
        local = local.replace(microsecond=0) + ONE_SECOND
    return local.replace(tzinfo=None).isoformat()


def as_text(moment: datetime) -> str:
    """A moment as an address holds it: to the microsecond, in UTC."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


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
