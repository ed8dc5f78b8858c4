"""Pairs as a caller names them, and what is said of each that can't be had."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from audit_site.db.bulk import AnyOf
from audit_site.db.folded_text import storable
from audit_site.errors import DomainError
from audit_site.ids import id_or_none
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.importing.rules import explain
from integrations.models import CompanyLink, Integration, LinkSuggestion

#: So many pairs a call.
MOST_PAIRS: Final = 500


@dataclass(frozen=True, slots=True)
class AskedPair:
    """An audITee and a PSA company by their ids, as somebody sent them."""

    company: str
    integration: str
    external_id: str


@dataclass(frozen=True, slots=True)
class RejectedPair:
    pair: AskedPair
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class KnownPair:
    """A pair whose audITee and account are the tenant's, and what is suggested of it: a link, a
    move. `link`: the one in force that the audITee has.
    """

    asked: AskedPair
    company: Company
    integration: Integration
    link: CompanyLink | None
    suggestions: tuple[LinkSuggestion, ...]

    @property
    def suggestion(self) -> LinkSuggestion | None:
        """What is suggested as things stand: for who is linked, a move from there."""
        leaves = self.link.integration_id if self.link else None
        return next((one for one in self.suggestions if one.source_id == leaves), None)

    @property
    def source(self) -> Integration | None:
        """The account that the audITee leaves; None = nothing but a link is suggested."""
        return self.suggestion.source if self.suggestion else None

    @property
    def external_id(self) -> str:
        return self.asked.external_id


def rejected(pair: AskedPair, error: DomainError) -> RejectedPair:
    return RejectedPair(pair, error.code, f"{error.message} {error.fix}".strip())


def refuse_too_many(pairs: Sequence[AskedPair]) -> None:
    if len(pairs) > MOST_PAIRS:
        raise DomainError(
            "too_many_ids",
            f"At most {MOST_PAIRS} pairs can be named at once.",
            "Name them in several steps.",
            status=400,
        )


def known_pairs(
    tenant: Tenant, asked: Iterable[AskedPair]
) -> tuple[list[KnownPair], list[RejectedPair]]:
    """Each pair once, with what there is of it, and those that name nothing of the tenant's, or a
    side that another pair names as well. Four statements.
    """
    pairs = list(dict.fromkeys(asked))
    ids = {id_or_none(one.company) for one in pairs} - {None}
    companies = {row.pk: row for row in Company.objects.for_tenant(tenant).filter(AnyOf("id", ids))}
    rows = Integration.objects.for_tenant(tenant).defer("credentials", "candidate")
    integrations = {row.pk: row for row in rows.select_related("tenant")}
    stored = LinkSuggestion.objects.for_tenant(tenant).filter(AnyOf("company_id", companies))
    suggestions: dict[object, list[LinkSuggestion]] = defaultdict(list)
    for row in stored.select_related("record", "source__tenant"):
        key = (row.company_id, row.record.integration_id, row.record.external_id)
        suggestions[key].append(row)
    links = CompanyLink.objects.for_tenant(tenant).in_force()
    held = {link.company_id: link for link in links.filter(AnyOf("company_id", companies))}
    named = _named_twice(pairs)
    good, bad = [], []
    for one in pairs:
        company = companies.get(id_or_none(one.company))  # type: ignore[arg-type]
        integration = integrations.get(id_or_none(one.integration))  # type: ignore[arg-type]
        if company is None or integration is None:
            bad.append(rejected(one, not_yours("audITee" if company is None else "integration")))
        elif one in named:
            bad.append(rejected(one, NAMED_TWICE))
        else:
            key = (company.pk, integration.pk, storable(one.external_id))
            link, found = held.get(company.pk), tuple(suggestions.get(key, ()))
            good.append(KnownPair(one, company, integration, link, found))
    return good, bad


def _named_twice(pairs: Sequence[AskedPair]) -> set[AskedPair]:
    """Pairs of which another one names a side: nobody says which of them is meant."""
    ours = Counter(id_or_none(one.company) for one in pairs)
    theirs = Counter((id_or_none(one.integration), one.external_id) for one in pairs)
    return {
        one
        for one in pairs
        if ours[id_or_none(one.company)] > 1
        or theirs[id_or_none(one.integration), one.external_id] > 1
    }


# What is said


NAMED_TWICE: Final = DomainError(
    "named_twice",
    "Another pair of the same call names the same audITee or the same PSA company.",
    "Choose one of them.",
)
NOT_SUGGESTED: Final = DomainError(
    "not_suggested",
    "This pair is not suggested, or not any more.",
    "Load the suggestions again, or link the two by themselves.",
)
CHANGED: Final = DomainError(
    "suggestion_changed",
    "Names or contacts have changed since the two were compared.",
    "They are compared again now: look at the suggestion in a minute.",
)


def not_yours(what: str = "audITee") -> DomainError:
    return DomainError(
        "does_not_exist", f"There is no such {what}.", "Send an id that you have read from here."
    )


def unknown_company(integration: Integration) -> DomainError:
    reason = explain("unknown_company", integration.psa_info)
    return DomainError("unknown_company", reason["message"], reason["fix"])
