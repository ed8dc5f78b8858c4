"""Signing in to BMS: a form gives a token, which is refreshed before and when it ends."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from integrations.adapters.kaseya_bms.errors import (
    SIGN_IN_REFUSALS,
    WORDS,
    envelope_of,
    refused_answer,
    unknown_refusal,
)
from integrations.adapters.kaseya_bms.guide import NAME
from integrations.adapters.kaseya_bms.wire import Envelope, Tokens
from integrations.psa.decoding import clean, decode_lowered, instant
from integrations.psa.errors import PsaError, PsaRefused, PsaUnavailable
from integrations.psa.http import PsaHttp, PsaResponse
from integrations.psa.refusals import find_refusal

RENEW_BEFORE: Final = timedelta(seconds=60)


class UnknownAnswerError(Exception):
    """A sign-in is refused in a form that is not BMS's: what it means, if something in front of the
    server has answered (`blocked`), and if it was the server (`refused`).
    """

    def __init__(self, blocked: PsaUnavailable, refused: PsaRefused) -> None:
        super().__init__()
        self.blocked, self.refused = blocked, refused


@dataclass(frozen=True, slots=True)
class Token:
    """What a sign-in gave. `renew_at` None = it is used until it is refused."""

    access: str
    refresh: str
    renew_at: datetime | None

    def is_fresh(self) -> bool:
        return self.renew_at is None or datetime.now(UTC) < self.renew_at


class Session:
    """One token for all threads of a piece of work. A refused sign-in is never tried again: five
    of them lock the user out.
    """

    def __init__(
        self,
        api: str,
        credentials: Mapping[str, str],
        http: PsaHttp,
        prove_server: Callable[[], None],
    ) -> None:
        self._api = api
        self._prove_server = prove_server
        self._form = {
            "GrantType": "password",
            "UserName": clean(credentials["username"]),
            "Password": credentials["password"],
            "Tenant": clean(credentials["tenant"]),
        }
        self._http = http
        self._token: Token | None = None
        self._refusal: PsaRefused | None = None
        self._lock = threading.Lock()

    def token(self) -> Token:
        """A token that holds for a while longer."""
        with self._lock:
            if self._refusal is not None:
                raise self._refusal
            if self._token is None:
                self._token = self._sign_in()
            elif not self._token.is_fresh():
                self._token = self._refresh(self._token) or self._sign_in()
            return self._token

    def renew(self, refused: Token) -> None:
        """Replace a token that was refused, unless another thread did so meanwhile."""
        with self._lock:
            if self._token is refused:
                self._token = self._refresh(refused) or self._sign_in()

    def _sign_in(self) -> Token:
        with self._http.trying_keys():
            return self._try_keys()

    def _try_keys(self) -> Token:
        try:
            return self._http.ask(
                "POST",
                f"{self._api}/v2/security/authenticate",
                form=self._form,
                headers={"Accept": "application/json"},
                read=self._read_sign_in,
                retry=False,
            )
        except PsaRefused as error:
            self._refusal = error
            raise
        except UnknownAnswerError as error:
            raise self._meant(error) from None

    def _meant(self, error: UnknownAnswerError) -> PsaError:
        """What an answer means that nobody knows: a refusal, where the server itself answers.

        To try again would be another wrong try then, of which five lock the user. Who we are is
        asked without the keys, so that it costs none: what stands in front of the server stands in
        front of that, too.
        """
        try:
            self._prove_server()
        except PsaError:
            return error.blocked
        self._refusal = error.refused
        return error.refused

    def _read_sign_in(self, response: PsaResponse) -> Token:
        envelope = envelope_of(response)
        if 200 <= response.status < 300 and envelope is not None and envelope.success:
            token = read_token(envelope.result)
            if token is not None:
                return token
        answer = refused_answer(response, is_sign_in=True)
        if answer.is_foreign and not response.is_html and 400 <= response.status < 500:
            raise UnknownAnswerError(WORDS.blocked(answer), unknown_refusal(answer))
        raise find_refusal(SIGN_IN_REFUSALS, answer)

    def _refresh(self, token: Token) -> Token | None:
        """A new token for an old one; None when that is refused, for any reason."""
        if not token.refresh:
            return None
        form = {"AccessToken": token.access, "RefreshToken": token.refresh}
        try:
            return self._http.ask(
                "POST",
                f"{self._api}/v2/security/refreshtoken",
                form=form,
                headers={"Accept": "application/json"},
                read=read_refreshed,
                retry=False,
            )
        except PsaError:
            return None


def read_refreshed(response: PsaResponse) -> Token | None:
    """The new token; None for any refusal, after which one signs in again."""
    if response.status != 200:
        return None
    envelope = decode_lowered(response, Envelope, NAME)
    return read_token(envelope.result) if envelope.success else None


def read_token(result: Any) -> Token | None:
    """The token in an answer's result; None when it holds none."""
    try:
        raw = msgspec.convert(result or {}, Tokens, strict=False)
    except msgspec.ValidationError:
        return None
    if not raw.access_token:
        return None
    renew_at = moment_to_renew(instant(raw.access_token_expire_on))
    return Token(raw.access_token, raw.refresh_token or "", renew_at)


def moment_to_renew(expires: datetime | None) -> datetime | None:
    """A minute before its end, or in the middle of a short life.

    A clock that says that the token ended before it was given is wrong: it counts for nothing.
    """
    now = datetime.now(UTC)
    if expires is None or expires <= now:
        return None
    return expires - min(RENEW_BEFORE, (expires - now) / 2)
