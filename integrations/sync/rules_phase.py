"""Checking the import rules, and bringing linked companies up to date."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from django.utils import timezone

from audit_site.db.batches import batched, with_last
from audit_site.db.bulk import AnyOf
from integrations.importing import mirror
from integrations.importing.rules import REASONS
from integrations.issues.inbox import close_issues
from integrations.kinds import COMPANIES
from integrations.models import PsaCompanyRecord, SyncRun
from integrations.sync import linked_companies
from integrations.sync.phase import Phase
from integrations.sync.run_writer import RunWriter
from integrations.sync.seen_ids import TOUCHED

CHUNK: Final = 2000
RULE_CODES: Final = frozenset(REASONS)
GOOD: Final = (SyncRun.State.SUCCEEDED, SyncRun.State.PARTIAL)
BAD: Final = (SyncRun.State.FAILED, SyncRun.State.CANCELLED)


def checks_all_rules(writer: RunWriter) -> bool:
    """Whether a run over everything checks the rules for all companies. Decided once for a run.

    It does when it reads everything, and when an earlier run ended before it could check what it
    had stored.
    """
    if writer.run.reading == SyncRun.Reading.FULL:
        return True
    if writer.checkpoint.checks_all_rules is None:
        writer.checkpoint.checks_all_rules = _follows_bad_ends(writer.run)
    return writer.checkpoint.checks_all_rules


def _follows_bad_ends(run: SyncRun) -> bool:
    """Whether a run ended badly since the last one over everything that ended well began."""
    runs = SyncRun.objects.of(run.integration)
    good = runs.filter(scope=SyncRun.Scope.ALL, state__in=GOOD)
    bad = runs.filter(state__in=BAD)
    since = good.order_by("-started_at").values_list("started_at", flat=True).first()
    return (bad.filter(finished_at__gt=since) if since else bad).exists()


class RulesPhase(Phase):
    """Recounts contacts, checks the rules, and brings linked companies up to date."""

    name = "rules"
    title = "Checking the import rules"

    @abstractmethod
    def companies(self) -> Iterable[str]:
        """PSA ids of the companies to check."""

    def run(self) -> None:
        for external_ids, is_last in with_last(batched(self.companies(), CHUNK)):
            with self.writer.page(self.name, is_last=is_last):
                self._check(external_ids)

    def _touched(self) -> set[str]:
        """Companies whose contacts differ, and those that contacts have left."""
        return self.seen.ids(TOUCHED) | set(self.checkpoint.moves)

    def _check(self, external_ids: Sequence[str]) -> None:
        checked = mirror.apply_rules(self.integration, external_ids)
        links = list(self.links().filter(AnyOf("external_id", external_ids)))
        self.writer.on_moment("rules checked", self.name)
        broken = linked_companies.apply_companies(self.integration, links, checked, timezone.now())
        self._report_broken(broken)
        kept = self._rule_causes({link.external_id for link in links})
        self._close(kept - {(row.external_id, code) for row in broken for code in row.rule_codes})

    def _report_broken(self, broken: Sequence[PsaCompanyRecord]) -> None:
        """Linked companies that break a rule are an issue each, until they keep it again."""
        merged = [record.merged_into for record in broken if record.merged_into]
        targets = PsaCompanyRecord.objects.of(self.integration).filter(external_id__in=merged)
        names = dict(targets.values_list("external_id", "name")) if merged else {}
        for record in broken:
            into = names.get(record.merged_into, record.merged_into)
            for report in linked_companies.reports_of(record, self.integration.psa_info, into):
                self.journal.raise_issue(report)

    def _rule_causes(self, external_ids: set[str] | None = None) -> set[tuple[str, str]]:
        """Company and code of the open issues about broken rules (None = of all companies)."""
        return {
            (external_id, code)
            for kind, external_id, code in self.journal.open_causes
            if kind == COMPANIES.singular
            and code in RULE_CODES
            and (external_ids is None or external_id in external_ids)
        }

    def _close(self, cured: set[tuple[str, str]]) -> None:
        for code in {code for _, code in cured}:
            ids = {external_id for external_id, cured_code in cured if cured_code == code}
            close_issues(self.integration, kind=COMPANIES.singular, codes={code}, external_ids=ids)


class AllRulesPhase(RulesPhase):
    """After a reading of everything: for all companies, or for those that it found changed."""

    def run(self) -> None:
        self._forget_unlinked()
        super().run()

    def companies(self) -> Iterable[str]:
        if checks_all_rules(self.writer):
            return self._all_companies()
        return sorted(self._touched() | self.seen.ids(COMPANIES.name))

    def _all_companies(self) -> Iterator[str]:
        """Ids of all companies, some at a time: an open cursor would lock SQLite's writers out."""
        rows = PsaCompanyRecord.objects.of(self.integration).order_by("id")
        after = None
        while True:
            some = rows.filter(id__gt=after) if after else rows
            page = list(some.values_list("id", "external_id")[:CHUNK])
            if not page:
                return
            yield from (external_id for _, external_id in page)
            after = page[-1][0]

    def _forget_unlinked(self) -> None:
        """Companies that are not linked any more may break every rule."""
        causes = self._rule_causes()
        if causes:
            linked = set(self.links().values_list("external_id", flat=True))
            with self.writer.page(self.name):
                self._close({cause for cause in causes if cause[0] not in linked})


class SomeRulesPhase(RulesPhase):
    """After a reading of some companies: for them, and for those whose contacts have changed."""

    def companies(self) -> Iterable[str]:
        return sorted({*self.sync_run.companies, *self._touched()})
