"""What a PSA's refusals mean: the tables that adapters fill, and the sentences they share.

A table is read from its top; the first row that fits an answer says which error it is. The tables
of all adapters are printed into docs/psas.md (`make tables`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from integrations.psa.errors import PsaBadResponse, PsaError, PsaRefused, PsaUnavailable
from integrations.psa.http import PsaResponse, let_us_in
from integrations.psa.questions import OldPlaceError

Refusal = PsaError | OldPlaceError

REPORT: Final = "Report it to us."
NO_RESPONSE: Final = PsaResponse(0, {}, b"")


@dataclass(frozen=True, slots=True)
class RefusedAnswer:
    """What a table looks at.

    `text` holds the answer's words and `code` the PSA's own code, both in lower case ("" = none).
    `is_foreign`: it is a web page, or another text than the PSA writes, so its status proves
    nothing about keys or rights. `shape` says what else the answer or the question is like, in an
    adapter's own words ("JSON that is cut off"). `right` is what was asked for ("" = nothing that
    needs a right). `response` is the answer as it came.
    """

    status: int
    text: str = ""
    code: str = ""
    shape: str = ""
    right: str = ""
    is_foreign: bool = False
    response: PsaResponse = NO_RESPONSE


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """One row of a table: what an answer is like, and the error that it means.

    `status`: "403", "401 404", "5xx", or "" for any. `words`: patterns of which one must be found
    in the text; none = any text. `is_foreign`: the answer is not written by the PSA. `note`: what
    follows, where that is not plain from the error.
    """

    meaning: Callable[[RefusedAnswer], Refusal]
    status: str = ""
    words: tuple[str, ...] = ()
    code: str = ""
    shape: str = ""
    is_foreign: bool = False
    note: str = ""

    def fits(self, answer: RefusedAnswer) -> bool:
        return (
            self._has_status(answer.status)
            and self.code in {"", answer.code}
            and self.shape in {"", answer.shape}
            and (answer.is_foreign or not self.is_foreign)
            and (not self.words or any(re.search(word, answer.text) for word in self.words))
        )

    def _has_status(self, status: int) -> bool:
        exact, class_ = str(status), f"{status // 100}xx"
        return not self.status or bool({exact, class_} & set(self.status.split()))


#: The last row must fit every answer.
RefusalTable = Sequence[RefusalRow]


def find_refusal(table: RefusalTable, answer: RefusedAnswer) -> Refusal:
    """The error that the first fitting row means."""
    return next(row for row in table if row.fits(answer)).meaning(answer)


def blocked(response: PsaResponse) -> PsaUnavailable:
    """A web page, or what no PSA writes, instead of an answer: an outage, whatever its status."""
    what = "a web page" if response.is_html else "something that the PSA does not write"
    return PsaUnavailable(
        "psa_unavailable",
        f"{response.host or 'The server'} answered with {what} instead of data (status "
        f"{response.status}).",
        f"Try again in a few minutes. {let_us_in(response)}",
    )


@dataclass(frozen=True, slots=True)
class RefusalWords:
    """The words of one PSA from which the shared refusals make their sentences.

    `psa` and `maker` (whose status page there is) are names; `user` is who asks ("The API member"),
    `keys` what was typed ("these keys"), `check_keys` what to do about them. `grant` says where a
    right is granted, with `{path}`; `menu_paths` are those paths by right, `other_path` the one for
    all else. `server` is what should answer and `server_fix` what to type if another one does.
    `kinds` are the PSA's words for what a right reads, where they differ from ours.
    """

    psa: str
    maker: str
    user: str
    keys: str
    check_keys: str
    grant: str
    menu_paths: Mapping[str, str]
    other_path: str
    server: str = ""
    server_fix: str = ""
    kinds: Mapping[str, str] = field(default_factory=dict)

    def unavailable(self, answer: RefusedAnswer) -> PsaUnavailable:
        return PsaUnavailable(
            "psa_unavailable",
            f"{self.psa} had an error of its own (status {answer.status}).",
            f"Try again in a few minutes; {self.maker}'s status page says whether there is an "
            "outage." + (f" {let_us_in(answer.response)}" if answer.response.is_html else ""),
        )

    def blocked(self, answer: RefusedAnswer) -> PsaUnavailable:
        """Something in front of the server answers in its place."""
        return blocked(answer.response)

    def invalid_credentials(self, answer: RefusedAnswer) -> PsaRefused:
        in_front = f" {let_us_in(answer.response)}" if answer.response.is_html else ""
        return PsaRefused(
            "invalid_credentials",
            f"{self.psa} does not accept {self.keys}.",
            self.check_keys + in_front,
        )

    def permission_denied(self, answer: RefusedAnswer) -> PsaRefused:
        """The right that is missing, by what it reads, and the menu path where it is granted."""
        right = answer.right
        path = self.menu_paths.get(right, self.other_path)
        return PsaRefused(
            "permission_denied",
            f"{self.user} may not read {self.kind_of(right)} in {self.psa}.",
            self.grant.format(path=path),
            right=right,
        )

    def kind_of(self, right: str) -> str:
        """What a right reads, in the PSA's words: `read_agreements` → "contracts"."""
        return self.kinds.get(right) or right.removeprefix("read_") or "this"

    def other_server(self, answer: RefusedAnswer) -> PsaRefused:
        """Another program answers under this address, or one in front of it."""
        response = answer.response
        in_front = f" {let_us_in(response)}" if response.is_html else ""
        return PsaRefused(
            "not_a_psa_server",
            f"{response.host or 'The server'} answers, but not as {self.server}.",
            self.server_fix + in_front,
        )

    def refused_question(self, answer: RefusedAnswer) -> PsaBadResponse:
        return PsaBadResponse(
            f"{self.psa} refused a question of ours (status {answer.status}).", REPORT
        )
