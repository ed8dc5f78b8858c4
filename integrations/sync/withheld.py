"""Agreements that a list no longer shows, asked for by their ids: gone, moved, or withheld from us.

A role can be narrowed so that a list loses some records in silence, while each of them still
answers 403 by its id (seen with roles that are limited to types of agreements). What is refused is
not gone: it stays, and counts as it was last seen.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from django.db.models import QuerySet

from agreements import mrr
from agreements.models import AgreementMrr
from audit_site.db.bulk import AnyOf
from audit_site.tenants.models import Tenant
from integrations.issues.inbox import KIND_INTEGRATION, IssueReport, close_issues
from integrations.kinds import AGREEMENTS
from integrations.psa.contract import PsaAdapter
from integrations.psa.errors import PsaError, PsaRefused
from integrations.sync.run_writer import RunWriter

#: So many missing agreements are asked for by their id. Of more, these stand for the rest.
MOST_QUESTIONS: Final = 50
#: Code of the issue about agreements that the PSA refuses to show.
WITHHELD: Final = "records_withheld"


@dataclass(slots=True)
class Answers:
    """What the PSA said of missing agreements, by their PSA ids; and the first refusal, if any."""

    owners: dict[str, str] = field(default_factory=dict)
    gone: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    refusal: PsaRefused | None = None


class MissingAgreements:
    """Asks for missing agreements by their ids, each once a run. Outside of pages."""

    def __init__(self, writer: RunWriter, adapter: PsaAdapter) -> None:
        self.writer = writer
        self.adapter = adapter
        self._answers = Answers()

    def owners(self, external_ids: Sequence[str]) -> set[str]:
        """PSA companies to which some of these belong now: they may have moved.

        Of very many none is said to have moved: that is no move.
        """
        if len(external_ids) > MOST_QUESTIONS:
            return set()
        self._ask(external_ids)
        owners = self._answers.owners
        return {owners[id_] for id_ in external_ids if id_ in owners}

    def without_withheld(
        self, rows: QuerySet[Any], pks: Collection[UUID], *, few: bool
    ) -> list[UUID]:
        """Those of these missing agreements that may be taken for gone.

        What the PSA refuses to show stays, and so does what could not be asked when something of
        the rest was refused: the run ends as partial, and an issue names the right and the money.
        """
        missing = dict(rows.filter(pk__in=pks).values_list("external_id", "pk"))
        asked = sorted(missing)[:MOST_QUESTIONS]
        self._ask(asked)
        refusal, refused = self._answers.refusal, self._answers.refused & missing.keys()
        if refusal is None or not refused:
            if not few:
                self._close()
            return list(missing.values())
        kept = refused | (missing.keys() - set(asked))
        self._report(refusal, [missing[id_] for id_ in kept])
        return [pk for id_, pk in missing.items() if id_ not in kept]

    def _ask(self, external_ids: Sequence[str]) -> None:
        found = self._answers
        known = found.owners.keys() | found.gone | found.refused
        for external_id in external_ids:
            if external_id not in known:
                self._ask_for(external_id)

    def _ask_for(self, external_id: str) -> None:
        found = self._answers
        try:
            record = self.adapter.find(AGREEMENTS.name, external_id)
        except PsaRefused as error:
            if error.code != "permission_denied":
                raise
            found.refused.add(external_id)
            found.refusal = found.refusal or error
            return
        if record is None:
            found.gone.add(external_id)
        else:
            found.owners[external_id] = record.company_id

    def _report(self, refusal: PsaRefused, kept: Sequence[UUID]) -> None:
        name, money = self.adapter.info.name, _money_of(self.writer.integration.tenant, kept)
        noun = "agreement" if len(kept) == 1 else "agreements"
        error = PsaError(
            WITHHELD,
            f"{name} no longer shows {len(kept)} {noun} that it showed before, and refuses them by "
            f"their ids. They stay as they were last seen{money}. {refusal.message}",
            refusal.fix,
            right=refusal.right or AGREEMENTS.right,
        )
        with self.writer.page("absences"):
            self.writer.checkpoint.note_refusal(error)
            report = IssueReport(
                KIND_INTEGRATION,
                WITHHELD,
                error.message,
                error.fix,
                external_id=AGREEMENTS.name,
                count=len(kept),
            )
            self.writer.journal.raise_issue(report)

    def _close(self) -> None:
        """Close the issue: nothing is withheld any more."""
        if self.writer.journal.has_issue(KIND_INTEGRATION, AGREEMENTS.name):
            with self.writer.page("absences"):
                close_issues(
                    self.writer.integration,
                    kind=KIND_INTEGRATION,
                    codes={WITHHELD},
                    external_ids={AGREEMENTS.name},
                )


def _money_of(tenant: Tenant, agreements: Sequence[UUID]) -> str:
    """What rests on these agreements today: `, with 200.00 USD of MRR`; "" = nothing."""
    sums: dict[str, Fraction] = defaultdict(Fraction)
    rows = AgreementMrr.objects.for_tenant(tenant).filter(
        AnyOf("agreement_id", agreements), included=True
    )
    for currency, exact in rows.values_list("currency", "exact"):
        sums[currency] += Fraction(exact)
    texts = [f"{mrr.money_text(name, sums[name])} {name}" for name in sorted(sums) if sums[name]]
    return f", with {', '.join(texts)} of MRR" if texts else ""
