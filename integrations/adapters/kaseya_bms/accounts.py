"""BMS's accounts, which are companies, and the currencies and names that stand at them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import msgspec

from integrations.adapters.kaseya_bms.api import LISTS, BmsApi
from integrations.adapters.kaseya_bms.errors import refused_answer
from integrations.adapters.kaseya_bms.guide import NAME
from integrations.adapters.kaseya_bms.wire import Envelope, WireAccount
from integrations.kinds import Right
from integrations.psa.contract import PsaCompany, PsaPage, RejectedRecord
from integrations.psa.decoding import (
    UNUSABLE,
    clean,
    decode_lowered,
    instant,
    name_of,
    read_lowered,
    set_aside,
    too_large,
)
from integrations.psa.errors import PsaAnswerTooLarge, PsaBadResponse, PsaRefused
from integrations.psa.http import PsaResponse
from integrations.psa.parallel import ordered_map

KindT = TypeVar("KindT")

#: Accounts that are read one by one; more are read from the list.
MOST_SINGLE_READS: Final = 10


class AccountReader:
    """Reads accounts, and remembers the currency and the name of each."""

    def __init__(self, api: BmsApi, *, workers: int) -> None:
        self._api = api
        self._workers = workers
        self._currency_names: dict[str, str] = {}
        self._names: dict[str, str] = {}
        self._knows_all_names = False
        self._named: dict[str, list[str]] = {}

    def pages(self, cursor: str | None, since: datetime | None) -> Iterator[PsaPage[PsaCompany]]:
        yield from self._api.listing("read_companies", WireAccount, self._build, cursor, since)
        self._knows_all_names = self._knows_all_names or (cursor is None and since is None)

    def named_like(self, text: str) -> Iterator[PsaPage[PsaCompany]]:
        """Accounts whose name holds a text; all of them, where the filter is not known."""
        params = {"Filter.AccountName": clean(text)}
        yield from self._api.pages("read_companies", params, WireAccount, self._build)

    def one(self, external_id: str) -> PsaCompany | RejectedRecord | None:
        """One account; None when it is not there, a rejected record when it can't be used."""
        account = self._read_one(external_id)
        if not isinstance(account, WireAccount):
            return account
        try:
            return self._build(account)
        except UNUSABLE as error:
            return set_aside(external_id, error)

    def currency_name(self, account_id: str) -> str | None:
        """A currency's code or name as the account has it; "" = none, None = it was not read."""
        return self._currency_names.get(account_id)

    def learn_currencies(self, account_ids: Sequence[str]) -> None:
        """Read the currencies of accounts that were not read yet: few of them one by one."""
        missing = [id_ for id_ in account_ids if id_ not in self._currency_names]
        if len(missing) > MOST_SINGLE_READS:
            for page in self._api.pages("read_companies", {}, WireAccount):
                for raw in page.records:
                    self._remember(raw)
            self._knows_all_names = True
            missing = [id_ for id_ in missing if id_ not in self._currency_names]
        for account in ordered_map(self._read_one, missing, workers=self._workers):
            if isinstance(account, WireAccount):
                self._remember(account)

    def _remember(self, raw: WireAccount) -> None:
        self._currency_names[str(raw.id)] = clean(raw.currency_name)
        self._names[str(raw.id)] = name_key(raw.account_name)

    def named(self, name: str) -> list[str]:
        """Ids of all accounts of this name, its case and blanks around it aside."""
        key = name_key(name)
        if self._knows_all_names:
            return self._known_as(key)
        if key not in self._named:
            try:
                self._search(name)
            except PsaRefused as error:  # then the names of the accounts that were read decide
                if error.code != "permission_denied":
                    raise
            self._named[key] = self._known_as(key)
        return self._named[key]

    def _known_as(self, key: str) -> list[str]:
        return [id_ for id_, known in self._names.items() if known == key]

    def _search(self, name: str) -> None:
        """Read the accounts whose name holds this one; or all, where the filter is not known."""
        params = {"Filter.AccountName": clean(name)}
        for page in self._api.pages("read_companies", params, WireAccount):
            for raw in page.records:
                self._remember(raw)

    def _read_one(self, external_id: str) -> WireAccount | RejectedRecord | None:
        return read_by_id(self._api, "read_companies", external_id, WireAccount)

    def _build(self, raw: WireAccount) -> PsaCompany:
        """Build a company; an account has no status, only a flag."""
        active = raw.is_active is not False
        self._remember(raw)
        return PsaCompany(
            external_id=str(raw.id),
            name=name_of(raw.account_name, "accountName") or f"Account {raw.id}",
            status="Active" if active else "Inactive",
            type=clean(raw.account_type),
            is_active=active,
            changed_at=instant(raw.modified_on) or instant(raw.created_on),
        )


def read_by_id(
    api: BmsApi, right: Right, external_id: str, kind: type[KindT]
) -> KindT | RejectedRecord | None:
    """One record; None when it is not there: 404, 204, null, a null result, or `success: false`.

    By id it comes bare by the document, and may come in an envelope all the same.
    """

    def read(response: PsaResponse) -> KindT | RejectedRecord | None:
        is_missing = response.status == 404 and not refused_answer(response).is_foreign
        if is_missing or response.status == 204:
            return None
        api.refuse_status(response, right)
        if response.content.strip() in {b"", b"null"}:
            return None
        fields = unwrap(api, right, response)
        if fields is None:
            return None
        records, rejected = read_lowered([fields], kind, lambda raw: raw)
        return records[0] if records else rejected[0]

    try:
        return api.ask(f"{LISTS[right]}/{external_id}", {}, read)
    except PsaAnswerTooLarge:
        return too_large(external_id)


def unwrap(api: BmsApi, right: Right, response: PsaResponse) -> Any:
    """The members of a record, with or without an envelope; None when it is not there."""
    fields = decode_lowered(response, dict[str, Any], NAME)
    if "success" not in fields:
        return fields
    envelope = msgspec.convert(fields, Envelope, strict=False)
    if envelope.success:
        return envelope.result
    meaning = api.meaning_of(response, right)
    if isinstance(meaning, PsaBadResponse):  # no other refusal is known by its words
        return None
    raise meaning


def name_key(name: str | None) -> str:
    """What two spellings of a name have in common."""
    return clean(name).casefold()
