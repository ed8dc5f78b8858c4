"""Sandboxes with one client whose agreements a test writes itself, and what its MRR comes to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from typing import Any

from agreements import books, mrr
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.importing.import_companies import import_companies
from integrations.models import Integration
from integrations.sandbox.server import SandboxServer
from tests.conftest import connect
from tests.worker import work_off

#: By PSA, its kinds of companies and of agreements, and whose an agreement is.
KINDS = {
    "connectwise": ("companies", "agreements"),
    "autotask": ("companies", "contracts"),
    "kaseya_bms": ("accounts", "contracts"),
}


class Client:
    """One PSA company without agreements, to begin with."""

    def __init__(self, server: SandboxServer, psa: str) -> None:
        self.server, self.psa = server, psa
        self.sandbox: Any = server.psas[psa]
        truth = self.sandbox.truth(date(2026, 11, 1))["companies"]
        self.id = next(id_ for id_, one in truth.items() if one["importable"] and int(id_) > 999)
        for id_ in truth[self.id]["agreements"]:
            self.change("delete", KINDS[psa][1], id_)

    def change(self, do: str, kind: str, id_: Any = None, /, **values: Any) -> dict[str, Any]:
        """Change a record, or add one."""
        command = {"do": do, "kind": kind, "values": values} | ({"id": id_} if id_ else {})
        changed: dict[str, Any] = self.sandbox.change(command)
        return changed

    def imported(self, tenant: Tenant) -> tuple[Integration, Company]:
        """Connected, and the one client imported and read."""
        integration = connect(tenant, self.server, self.psa)
        result = import_companies(integration=integration, external_ids=[self.id], actor=None)
        work_off()
        return integration, result.imported[0]


@contextmanager
def client_of(psa: str, settings: Any) -> Iterator[Client]:
    with SandboxServer(seed=1, companies=5, today=date(2026, 11, 1), only=psa) as server:
        for name, value in server.settings().items():
            setattr(settings, name, value)
        yield Client(server, psa)


def book_of(company: Company) -> list[mrr.Prepared]:
    return books.prepare_company(company.tenant, company.pk)


def amounts(company: Company, *days: date) -> list[str]:
    """The MRR of each day, in the one currency; "" = none."""
    book = book_of(company)
    return ["".join(f.amount for f in mrr.mrr(book, day)) for day in days]


def bridge(company: Company, start: date, end: date) -> dict[str, str]:
    """The classes of the movement that are not zero."""
    (found,) = mrr.movement(book_of(company), start, end)
    return {kind: part.amount for kind, part in found.parts.items() if part.exact}
