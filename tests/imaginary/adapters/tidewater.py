"""An adapter for a PSA that does not exist: one file, as that of a fourth PSA may be."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, MutableMapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import ClassVar, TypeVar

import msgspec

from integrations.kinds import KindName, Right
from integrations.psa.contract import (
    CredentialField,
    Finding,
    FoundRecord,
    GuideStep,
    ProcessSetting,
    PsaAdapter,
    PsaAgreement,
    PsaCompany,
    PsaContact,
    PsaInfo,
    PsaPage,
    Wanted,
)
from integrations.psa.decoding import decode
from integrations.psa.errors import PsaRefused
from integrations.psa.http import PsaHttp, PsaResponse
from integrations.psa.questions import part_wanted

KindT = TypeVar("KindT")

FLEET = ProcessSetting("TIDEWATER_FLEET", "audIT's fleet number at Tidewater", "none yet")


class Client(msgspec.Struct):
    id: int
    name: str


class Person(msgspec.Struct):
    id: int
    client: int
    email: str


class Deal(msgspec.Struct):
    id: int
    client: int
    a_month: Decimal


class TidewaterAdapter:
    info: ClassVar[PsaInfo] = PsaInfo(
        key="tidewater",
        name="Tidewater PSA",
        fields=(
            CredentialField("address", "Harbour address", "url", identifies=True),
            CredentialField("key", "Harbour key", "secret"),
        ),
        guide=(GuideStep("Ask the harbour master", "He gives you the key.", (("Berth", "7b"),)),),
        settings=(FLEET,),
        agreement_word="deal",
    )

    def __init__(
        self,
        credentials: Mapping[str, str],
        settings: Mapping[str, str],
        http: PsaHttp,
        memory: MutableMapping[str, str],
    ) -> None:
        self._address, self._http = credentials["address"], http
        self._headers = {"Harbour-Key": credentials["key"], "Fleet": settings[FLEET.name]}

    @staticmethod
    def account_key(credentials: Mapping[str, str]) -> str:
        return credentials["address"].strip().casefold()

    def reach(self) -> None:
        self._ask("clients", list[Client])

    def authenticate(self) -> None:
        self._ask("clients", list[Client])

    def probe(self, right: Right) -> Finding:
        return Finding()

    def companies(
        self, *, cursor: str | None = None, changed_since: datetime | None = None
    ) -> Iterator[PsaPage[PsaCompany]]:
        rows = self._ask("clients", list[Client])
        yield PsaPage(tuple(PsaCompany(str(row.id), row.name, "Afloat") for row in rows))

    def company(self, external_id: str) -> PsaCompany | None:
        found = [c for page in self.companies() for c in page.records]
        return next((c for c in found if c.external_id == external_id), None)

    def companies_named(self, text: str) -> Iterator[PsaPage[PsaCompany]]:
        yield from self.companies()

    def contacts(
        self,
        *,
        cursor: str | None = None,
        company_ids: Collection[str] | None = None,
        changed_since: datetime | None = None,
    ) -> Iterator[PsaPage[PsaContact]]:
        rows = self._ask("people", list[Person])
        yield PsaPage(
            tuple(
                PsaContact(str(row.id), str(row.client), "Ada", email=row.email)
                for row in rows
                if company_ids is None or str(row.client) in company_ids
            )
        )

    def agreements(
        self, *, company_ids: Sequence[str], wanted: Wanted | None = None
    ) -> Iterator[PsaPage[PsaAgreement]]:
        deals = [
            PsaAgreement(
                str(row.id), str(row.client), f"Deal {row.id}", currency="USD",
                start_date=date(2020, 1, 1), cancelled=False, cycle="monthly", amount=row.a_month,
            )
            for row in self._ask("deals", list[Deal])
            if str(row.client) in company_ids
        ]  # fmt: skip
        records, left = part_wanted(deals, wanted)
        yield PsaPage(tuple(records), left=left)

    def find(self, kind: KindName, external_id: str, *, parent_id: str = "") -> FoundRecord | None:
        deals = self._ask("deals", list[Deal]) if kind == "agreements" else []
        found = (FoundRecord(str(row.client)) for row in deals if str(row.id) == external_id)
        return next(found, None)

    def _ask(self, what: str, kind: type[KindT]) -> KindT:
        def read(response: PsaResponse) -> KindT:
            if response.status == 401:
                raise PsaRefused("invalid_credentials", "The key is wrong.", "Ask again.")
            if response.status == 403:
                raise PsaRefused("client_id_refused", "No fleet of ours.", f"Set {FLEET.name}.")
            return decode(response, kind, "Tidewater PSA")

        return self._http.ask("GET", f"{self._address}/{what}", headers=self._headers, read=read)


ADAPTER: type[PsaAdapter] = TidewaterAdapter
