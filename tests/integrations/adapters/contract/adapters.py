"""What the contract suite asks adapters with: each test runs once for each PSA there is.

The PSAs are the sandboxes, over real HTTP. Nothing here knows a PSA by name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest

from integrations.psa import registry
from integrations.psa.contract import PsaAdapter, PsaPage
from integrations.psa.errors import CODES, PsaError
from integrations.psa.http import PsaHttp
from integrations.psa.key_tries import NobodyIsLocked
from integrations.sandbox.server import SandboxServer
from tests.conftest import TODAY

#: Pages are short here, so that few records fill more than two of them.
PAGE_SIZE = 100
COMPANIES = 260
Make = Callable[..., PsaAdapter]


class CountedTries(NobodyIsLocked):
    """Remembers whether each try of keys was one of keys that were accepted before."""

    def __init__(self) -> None:
        self.tries: list[bool] = []

    def trying(self, *, are_accepted: bool) -> AbstractContextManager[None]:
        self.tries.append(are_accepted)
        return super().trying(are_accepted=are_accepted)


class Adapters:
    """Makes adapters of one PSA, and remembers every error and log line for the secrets' sake."""

    def __init__(self, server: SandboxServer, psa: str, page_size: int = PAGE_SIZE) -> None:
        self.server, self.psa, self.page_size = server, psa, page_size
        self.credentials = server.credentials(psa)
        self.secrets = [
            self.credentials[name] for name in registry.get_adapter(psa).info.secret_fields
        ]
        self.http: list[PsaHttp] = []
        self.said: list[str] = []
        self.tried = CountedTries()

    def __call__(self, memory: dict[str, str] | None = None, **credentials: str) -> PsaAdapter:
        http = PsaHttp(
            allow_private_hosts=True,
            attempts=3,
            read_seconds=2,
            first_pause=0,
            key_tries=self.tried,
        )
        self.http.append(http)
        adapter = self._adapter()
        given = self.server.settings()
        chosen = {s.name: given.get(s.name, s.default) for s in adapter.info.settings}
        known = {} if memory is None else memory
        return adapter({**self.credentials, **credentials}, chosen, http, known)

    def _adapter(self) -> type[PsaAdapter]:
        adapter = registry.get_adapter(self.psa)
        size = min(self.page_size, getattr(adapter, "page_size", PAGE_SIZE))
        return type(adapter.__name__, (adapter,), {"page_size": size})

    def error(self, ask: Callable[[], Any]) -> PsaError:
        with pytest.raises(PsaError) as caught:
            ask()
        error = caught.value
        assert error.code in CODES
        assert error.fix, error
        self.said += [repr(error), str(error), error.message, error.fix]
        return error

    def path_of(self, kind: str) -> str:
        """The path of a list, whatever it is called there: the one that all its pages have."""
        self.server.forget_requests()
        list(listing(self(), kind))
        paths = Counter(str(request["path"]) for request in self.server.requests())
        return paths.most_common(1)[0][0] + "$"


def first(pages: Iterator[PsaPage[Any]]) -> PsaPage[Any]:
    return next(pages)


def all_of(pages: Iterator[PsaPage[Any]]) -> list[Any]:
    return [record for page in pages for record in page.records]


def ids(pages: Iterator[PsaPage[Any]]) -> list[str]:
    return [record.external_id for record in all_of(pages)]


def truth(make: Adapters) -> dict[str, Any]:
    found: dict[str, Any] = make.server.psas[make.psa].truth(TODAY)["companies"]
    return found


def listing(adapter: PsaAdapter, kind: str) -> Iterator[PsaPage[Any]]:
    return adapter.companies() if kind == "companies" else adapter.contacts()


COMPANY_KINDS = {"kaseya_bms": "accounts"}  # what the sandbox's own control calls them
NAMES = {"connectwise": "name", "autotask": "companyName", "kaseya_bms": "accountName"}


def path_of_lists(make: Adapters) -> str:
    """The path of the list of agreements: the first one that was asked only for them."""
    make.server.forget_requests()
    adapter = make()
    first(adapter.companies())
    before = {request["path"] for request in make.server.requests()}
    company = next(id_ for id_, c in truth(make).items() if c["agreements"])
    all_of(adapter.agreements(company_ids=[company]))
    return next(
        str(request["path"]) + "$"
        for request in make.server.requests()
        if request["path"] not in before
    )
