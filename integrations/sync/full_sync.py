"""A run over everything that the PSA shows, or over what changed of it."""

from __future__ import annotations

from integrations.sync.absences import AbsencesPhase
from integrations.sync.agreements_phase import AllAgreementsPhase
from integrations.sync.list_phases import CompaniesPhase, ContactsPhase
from integrations.sync.phase import PhasedSync
from integrations.sync.rules_phase import AllRulesPhase


class FullSync(PhasedSync):
    """The lists, what they no longer show, the rules, and the agreements of linked companies."""

    phases = (
        CompaniesPhase,
        ContactsPhase,
        AbsencesPhase,
        AllRulesPhase,
        AllAgreementsPhase,
    )
