"""Clients that others wrote for the real PSAs read our sandboxes to the last record.

A sandbox that only our own adapter understands would prove nothing.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest
from autotask.client import AutotaskClient
from autotask.config import AutotaskConfig
from autotask.entities import EntityManager
from autotask.exceptions import AutotaskAuthError
from autotask.models.company import Company
from autotask.models.contract import Contract, ContractService
from autotask.query import Q
from connectpyse.company.companies_api import CompaniesAPI
from djautotask import api as djautotask
from pyconnectwise import ConnectWiseManageAPIClient

from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY


@pytest.fixture(scope="module")
def server() -> Iterator[SandboxServer]:
    with SandboxServer(seed=5, companies=1203, today=TODAY) as running:
        yield running


class PlainManageClient(ConnectWiseManageAPIClient):
    """The client insists on https; the sandbox is on loopback without."""

    codebase = "v2025_1/"  # the client forgets the one it is given

    def _get_url(self) -> str:
        return str(super()._get_url()).replace("https://", "http://", 1)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_pyconnectwise_reads_companies_agreements_and_additions(server: SandboxServer) -> None:
    data: Any = server.psas["connectwise"].data
    client = PlainManageClient(
        "audit-demo",
        server.url.removeprefix("http://"),
        "5a1d0b0e-0000-4000-8000-00000000a0d1",
        "demo",
        "demo-private",
        codebase=PlainManageClient.codebase,
    )

    pages = client.company.companies.paginated(1, 250, params={"orderBy": "id asc"})
    companies = [company.id for company in pages.all()]
    agreements = [agreement.id for agreement in client.finance.agreements.paginated(1, 1000).all()]
    first = next(iter(data.agreements))
    additions = client.finance.agreements.id(first).additions.get()

    assert companies == list(data.companies)
    assert agreements == list(data.agreements)
    assert [addition.id for addition in additions] == list(data.additions[first])


def test_connectpyse_reads_companies_by_page(server: SandboxServer) -> None:
    data: Any = server.psas["connectwise"].data
    keys = base64.b64encode(b"audit-demo+demo:demo-private").decode()
    companies = CompaniesAPI(
        url=f"{server.url}/v4_6_release/apis/3.0",
        auth={"Authorization": f"Basic {keys}", "clientId": "5a1d0b0e-0000-4000"},
    )
    companies.pageSize = 1000

    found: list[int] = []
    for companies.page in (1, 2):
        found += [company.id for company in companies.get_companies()]

    assert found == list(data.companies)
    assert companies.get_companies_count() == 1203


@pytest.fixture
def autotask(settings: Any, server: SandboxServer) -> dict[str, str]:
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    settings.AUTOTASK_SERVER_URL = f"{server.url}/autotask/atservicesrest/"
    zone = djautotask.get_zone_info("demo@audit-demo.example")
    credentials = server.credentials("autotask")
    return {
        "server_url": zone["url"],
        "username": credentials["username"],
        "password": credentials["secret"],
        "integration_code": credentials["tracking_identifier"],
        "rest_api_version": "1.0",
    }


@pytest.mark.parametrize(
    ("client_class", "records"),
    [
        (djautotask.AccountsAPIClient, "companies"),
        (djautotask.ContactsAPIClient, "contacts"),
        (djautotask.ContractsAPIClient, "contracts"),
    ],
)
def test_django_autotask_follows_every_page(
    server: SandboxServer, autotask: dict[str, str], client_class: Any, records: str
) -> None:
    data: Any = server.psas["autotask"].data
    client = client_class(**autotask)
    client.add_condition(djautotask.ApiCondition(op="exist", field="id"))

    found: list[int] = []
    next_url = None
    while True:
        answer = client.get(next_url)
        found += [item["id"] for item in answer["items"]]
        next_url = answer["pageDetails"]["nextPageUrl"]
        if not next_url:
            break

    assert found == list(getattr(data, records))


def test_django_autotask_knows_our_refusals(
    server: SandboxServer, autotask: dict[str, str]
) -> None:
    client = djautotask.ContractsAPIClient(
        **{**autotask, "username": "no-contracts@audit-demo.example"}
    )
    client.add_condition(djautotask.ApiCondition(op="exist", field="id"))

    with pytest.raises(djautotask.AutotaskSecurityPermissionsException):
        client.get(None)


def read_with_autotask_client(server: SandboxServer, model: Any, **over: str) -> list[Any]:
    """Every record of a kind, as that client's own models."""
    credentials = {**server.credentials("autotask"), **over}
    config = AutotaskConfig(
        username=credentials["username"],
        secret=credentials["secret"],
        integration_code=credentials["tracking_identifier"],
        api_url=f"{server.url}/autotask",
    )

    async def read() -> list[Any]:
        async with AutotaskClient(config) as client:
            return list(await EntityManager(client).query(model, Q(id__gte=0)))

    return asyncio.run(read())


@pytest.mark.parametrize(
    ("model", "records", "fields"),
    [
        (Company, "companies", ("companyName", "isActive", "companyType")),
        (Contract, "contracts", ("contractName", "companyID", "contractType", "status")),
        (ContractService, "lines", ("contractID", "serviceID")),
    ],
)
def test_autotask_client_reads_to_the_last_record(
    server: SandboxServer, model: Any, records: str, fields: tuple[str, ...]
) -> None:
    theirs = read_with_autotask_client(server, model)

    kept: Any = getattr(server.psas["autotask"].data, records)
    if records == "lines":
        kept = {id_: line.record for id_, line in kept.items() if not line.is_bundle}
    assert [record.id for record in theirs] == list(kept)
    assert [[getattr(record, name) for name in fields] for record in theirs] == [
        [record[name] for name in fields] for record in kept.values()
    ]


def test_autotask_client_knows_our_refusals(server: SandboxServer) -> None:
    with pytest.raises(AutotaskAuthError):
        read_with_autotask_client(server, Company, secret="wrong")
