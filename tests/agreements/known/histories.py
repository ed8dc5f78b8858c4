"""A tenant to whom things happen, and who notes what they were answered and when."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import time_machine
from django.utils import timezone
from rest_framework.test import APIClient

from agreements import stored_mrr
from agreements.causes import caused_by
from agreements.decisions import choose
from agreements.models import Agreement, AgreementLine
from audit_site.account.acts import change_settings
from audit_site.errors import Explained
from companies import services
from companies.models import Company
from integrations.words.saying import say_word
from tests.agreements.known.moments import NOON, text
from tests.clients import V1
from tests.factories import (
    make_agreement,
    make_api,
    make_company,
    make_integration,
    make_line,
    make_link,
    make_tenant,
)

PRICES = ("0", "0.005", "10", "33.33", "100", "1234.567", "-7.5")
CYCLES = (
    "monthly",
    "annual",
    "quarterly",
    "weekly",
    None,
    {"unknown": "Contract"},
    {"unknown": "Term"},
)
DAYS = ("2025-12-31", "2026-03-01", "2026-06-10", "2026-06-16", "2026-06-20", "2027-01-31", None)
MONTHS = {"from": "2025-11", "to": "2026-09"}
STRETCH = {"from": "2026-05-31", "to": "2026-07-15"}
#: What is said of a moment beside what was answered at it.
BESIDE = ("known_at", "is_known", "known_from", "known_to")

Answers = dict[str, Any]


class History:
    """Things that happen to a tenant's books, each by one number, and what was answered.

    `only` one of all questions is asked.
    """

    def __init__(self, seed: int, only: str = "") -> None:
        self.only = only
        self.random = Random(seed)  # noqa: S311
        self.tenant = make_tenant(currency="USD", timezone="Pacific/Auckland")
        self.api: APIClient = make_api(self.tenant)
        self.integration = make_integration(self.tenant)
        self.companies: list[Company] = []
        self.noted: list[tuple[datetime, Answers]] = []
        for _ in range(3):  # of whom something is known from the beginning
            company = make_company(self.tenant)
            make_link(company, self.integration)
            self.companies.append(company)
            make_agreement(company, self.integration)
        stored_mrr.refresh(self.tenant, [company.pk for company in self.companies])

    # what happens

    def happen(self) -> str:
        what: Callable[[], None] = self.random.choice(
            [self._come, self._come, self._price, self._price, self._dates, self._cycle,
             self._gone, self._removed, self._line_gone, self._moved, self._decided, self._said,
             self._settings, self._archived, self._replaced, self._currency, self._inactive,
             self._moved_on, self._renewed, self._looked_at, self._billed]
        )  # fmt: skip
        what()
        return what.__name__

    def _company(self) -> Company:
        return self.random.choice(self.companies)

    def _agreement(self) -> Agreement | None:
        return self._one(Agreement.objects.filter(tenant=self.tenant).order_by("external_id"))

    def _line(self) -> AgreementLine | None:
        return self._one(AgreementLine.objects.filter(tenant=self.tenant).order_by("external_id"))

    def _one(self, rows: Any) -> Any:
        found = list(rows)
        return self.random.choice(found) if found else None

    def _synced(self, *companies: Any) -> None:
        """A sync stores a page: figures follow at once, or are marked."""
        with caused_by("sync", name="ConnectWise"):
            if self.random.random() < 0.4:
                stored_mrr.refresh(self.tenant, [company.pk for company in companies])
            else:
                stored_mrr.mark_stale(self.tenant, [company.pk for company in companies])
                fresh = [c.pk for c in companies if not hasattr(c, "book")]
                stored_mrr.refresh(self.tenant, fresh)

    def _come(self) -> None:
        pick = self.random.choice
        company, other = self._company(), self._agreement()
        agreement = make_agreement(
            company,
            self.integration,
            name=pick(["Managed", "Backup", "Renewal of Managed"]),
            type=pick(["", "Retainer"]),
            amount=pick(PRICES),
            currency=pick(["USD", "EUR", "JPY", ""]),
            cycle=pick(CYCLES),
            start_date=pick(DAYS),
            end_date=pick(DAYS),
            parent_external_id=other.external_id if other and self.random.random() < 0.4 else "",
        )
        for _ in range(self.random.randint(0, 3)):
            make_line(agreement, quantity=pick(PRICES), unit_price=pick(PRICES),
                      description=f"Line {pick(PRICES)}", product=pick(["Firewall", ""]))  # fmt: skip
        self._synced(company)

    def _price(self) -> None:
        if line := self._line():
            line.unit_price = self.random.choice(PRICES)
            line.save()
            self._synced(line.agreement.company)

    def _dates(self) -> None:
        if agreement := self._agreement():
            agreement.start_date = self.random.choice(DAYS)
            agreement.end_date = self.random.choice(DAYS)
            agreement.save()
            self._synced(agreement.company)

    def _cycle(self) -> None:
        if agreement := self._agreement():
            agreement.cycle = self.random.choice(CYCLES)
            agreement.save()
            self._synced(agreement.company)

    def _currency(self) -> None:
        if agreement := self._agreement():
            agreement.currency = self.random.choice(["USD", "EUR", "KWD", "CLF", ""])
            agreement.save()
            self._synced(agreement.company)

    def _replaced(self) -> None:
        agreement, other = self._agreement(), self._agreement()
        if agreement and other and agreement != other:
            agreement.renews_external_ids = [other.external_id]
            agreement.save()
            self._synced(agreement.company)

    def _inactive(self) -> None:
        """The PSA marks it inactive, since a day or since ever, or active again."""
        if agreement := self._agreement():
            agreement.active = self.random.choice([True, False, False, None])
            days = [None, "2026-03-01", "2026-06-16", "2026-06-20"]
            agreement.inactive_from = (
                self.random.choice(days) if agreement.active is False else None
            )
            agreement.save()
            self._synced(agreement.company)

    def _moved_on(self) -> None:
        """A line of a month is read again with a later end."""
        if line := self._line():
            line.start_date = self.random.choice(["2026-06-01", "2026-06-14"])
            line.end_date = self.random.choice(["2026-06-30", "2026-07-10"])
            line.has_recurred = self.random.random() < 0.5
            line.save()
            self._synced(line.agreement.company)

    def _gone(self) -> None:
        if agreement := self._agreement():
            agreement.gone_at = None if agreement.gone_at else timezone.now()
            agreement.save()
            self._synced(agreement.company)

    def _line_gone(self) -> None:
        if line := self._line():
            line.gone_at = None if line.gone_at else timezone.now()
            line.save()
            self._synced(line.agreement.company)

    def _removed(self) -> None:
        """As the undoing of a link does: for all days."""
        if agreement := self._agreement():
            company = agreement.company
            touched = stored_mrr.with_children(self.tenant, [company.pk])
            agreement.delete()
            with caused_by("undo_link"):
                stored_mrr.refresh(self.tenant, touched)

    def _moved(self) -> None:
        if agreement := self._agreement():
            before, agreement.company = agreement.company, self._company()
            agreement.save()
            self._synced(before, agreement.company)

    def _decided(self) -> None:
        line = self._line()
        if line is None:
            return
        name = self.random.choice(["exclude", "force_include", "assume_renewal"])
        about = None if name == "assume_renewal" or self.random.random() < 0.5 else line
        choose(agreement=line.agreement, line=about, actor=self.api.user, note="So it is.",
               changes={name: self.random.random() < 0.7}, repeats=True)  # fmt: skip

    def _renewed(self) -> None:
        """Somebody decides that an agreement replaces others of its company, or none."""
        agreement = self._agreement()
        if agreement is None:
            return
        others = Agreement.objects.filter(company=agreement.company_id).exclude(pk=agreement.pk)
        chosen = [one for one in others.order_by("external_id") if self.random.random() < 0.6]
        with suppress(Explained):  # a circle, or no start date
            choose(agreement=agreement, actor=self.api.user, note="It goes on.",
                   changes={"renews": chosen}, repeats=True)  # fmt: skip

    def _looked_at(self) -> None:
        agreement, line = self._agreement(), self._line()
        right = self.random.choice([[], ["possible_overlap"], ["negative_agreement"]])
        if agreement:
            choose(agreement=agreement, actor=self.api.user, changes={"right": right})
        if line:
            right = self.random.choice([[], ["part_of_cycle"]])
            choose(agreement=line.agreement, line=line, actor=self.api.user,
                   changes={"right": right})  # fmt: skip

    def _billed(self) -> None:
        """Somebody decides what the billing cycle of an agreement is."""
        if agreement := self._agreement():
            cycle = self.random.choice(["annual", "quarterly", None])
            choose(agreement=agreement, actor=self.api.user, note="It is billed so.",
                   changes={"cycle": cycle})  # fmt: skip

    def _said(self) -> None:
        kind, word, meaning = self.random.choice(
            [("cycle", "Contract", "annual"), ("cycle", "Term", "quarterly"),
             ("product", "Firewall", "usage"), ("agreement_type", "Retainer", "leave_out")]
        )  # fmt: skip
        self._say(kind, word, meaning)

    def _say(self, kind: str, word: str, meaning: str) -> None:
        from integrations.models import PsaWord  # noqa: PLC0415
        from integrations.words.saying import undo_word  # noqa: PLC0415

        rows = PsaWord.objects.filter(tenant=self.tenant, kind=kind, word=word, ended_at=None)
        if said := rows.first():
            undo_word(word=said, actor=self.api.user)
        else:
            say_word(integration=self.integration, actor=self.api.user, kind=kind, word=word,
                     meaning=meaning, note="They told us.")  # fmt: skip

    def _settings(self) -> None:
        values = self.random.choice(
            [{"currency": "EUR"}, {"currency": "USD"}, {"timezone": "Pacific/Honolulu"},
             {"timezone": "Europe/Berlin"}]
        )  # fmt: skip
        self.tenant = change_settings(tenant=self.tenant, actor=self.api.user, values=values)

    def _archived(self) -> None:
        if self.companies:
            company = self.random.choice(self.companies)
            company.refresh_from_db()
            if company.status == Company.Status.ACTIVE:
                services.archive_company(company=company, actor=None)
            else:
                services.restore_company(company=company, actor=None)

    # what is answered

    def note(self) -> None:
        """Ask, and remember what came."""
        self.noted.append((timezone.now(), self.answers()))

    def answers(self, **more: str) -> Answers:
        return {
            name: self._ask(path, {**query, **more})
            for name, path, query in self._questions()
            if self.only in {"", name}
        }

    def _questions(self) -> Iterator[tuple[str, str, dict[str, str]]]:
        for company in self.companies:
            address = f"companies/{company.pk}/mrr/"
            yield f"{address} today", address, {}
            yield f"{address} then", address, {"as_of": "2026-06-14"}
            yield f"{address} series", "mrr/series/", {**MONTHS, "company": str(company.pk)}
        yield "tenant", "mrr/", {}
        yield "series", "mrr/series/", MONTHS
        yield "movement", "mrr/movement/", STRETCH

    def _ask(self, path: str, query: dict[str, str]) -> Any:
        answer = self.api.get(f"{V1}/{path}", query)
        assert answer.status_code == 200, answer.content
        return self.plain(answer.json())

    @staticmethod
    def plain(body: Any) -> Any:
        """An answer without what is said beside it of the moment."""
        for name in BESIDE:
            body.pop(name, None)
        for bridge in body.get("currencies", ()):
            assert bridge.pop("restated", "0") in {"0", "0.00", "0.000", "0.0000"}
        return body

    def restated(self, start: datetime, end: datetime) -> list[Any]:
        query = {**STRETCH, "known_from": text(start), "known_to": text(end)}
        answer = self.api.get(f"{V1}/mrr/movement/", query)
        assert answer.status_code == 200, answer.content
        return list(answer.json()["currencies"])


def lived(seed: int, steps: int, only: str = "") -> History:
    """A history of so many steps, some of which nobody looks after."""
    with time_machine.travel(NOON, tick=False) as clock:
        history = History(seed, only)
        for _ in range(steps):
            clock.shift(timedelta(minutes=history.random.choice([1, 7, 60, 60 * 30])))
            history.happen()
            if history.random.random() < 0.6:
                clock.shift(timedelta(seconds=1))
                history.note()
    return history


def money(text: str) -> Decimal:
    return Decimal(text)


def compact(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
