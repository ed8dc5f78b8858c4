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
from integrations.psa.questions import OldPlaceError

Refusal = PsaError | OldPlaceError

REPORT: Final = "Report it to us."


@dataclass(frozen=True, slots=True)
class RefusedAnswer:
    """What a table looks at.

    `text` holds the answer's words and `code` the PSA's own code, both in lower case ("" = none).
    `shape` says what else the answer or the question is like, in an adapter's own words ("a web
    page"). `right` is what was asked for ("" = nothing that needs a right), `host` who answered.
    """

    status: int
    text: str = ""
    code: str = ""
    shape: str = ""
    right: str = ""
    host: str = ""


@dataclass(frozen=True, slots=True)
class RefusalRow:
    """One row of a table: what an answer is like, and the error that it means.

    `status`: "403", "401 404", "5xx", or "" for any. `words`: patterns of which one must be found
    in the text; none = any text. `note`: what follows, where that is not plain from the error.
    """

    meaning: Callable[[RefusedAnswer], Refusal]
    status: str = ""
    words: tuple[str, ...] = ()
    code: str = ""
    shape: str = ""
    note: str = ""

    def fits(self, answer: RefusedAnswer) -> bool:
        return (
            self._has_status(answer.status)
            and self.code in {"", answer.code}
            and self.shape in {"", answer.shape}
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
            "outage.",
        )

    def invalid_credentials(self, _: RefusedAnswer | None = None) -> PsaRefused:
        return PsaRefused(
            "invalid_credentials", f"{self.psa} does not accept {self.keys}.", self.check_keys
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
        """Another program answers under this address."""
        return PsaRefused(
            "not_a_psa_server",
            f"{answer.host or 'The server'} answers, but not as {self.server}.",
            self.server_fix,
        )

    def refused_question(self, answer: RefusedAnswer) -> PsaBadResponse:
        return PsaBadResponse(
            f"{self.psa} refused a question of ours (status {answer.status}).", REPORT
        )
