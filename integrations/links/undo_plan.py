"""What undoing a link would do to an audITee, worked out before anything is done.

A link took hold between the `before` of its own and what stands now; or, where the audITee was
linked again after it, the `before` of that next link. What came in between came by the link.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal
from uuid import UUID

from agreements import books
from agreements.books import Recount
from agreements.figures import Part, Total, totals_of
from agreements.models import Agreement, ChoiceRecord
from agreements.stored_values import KeptValues
from audit_site.db.bulk import AnyOf
from companies.models import Company, Contact
from integrations.links.following import counts_from
from integrations.links.kept import Kept
from integrations.models import CompanyLink


@dataclass(frozen=True, slots=True)
class Replaced:
    """A field that goes back: what it is, and what it was."""

    field: str
    before: str
    after: str


@dataclass
class UndoPlan:
    """What an undo does. `later`: the links that followed it and stand, in their order.

    `people`: the audITee's contacts by id. `brought`: ids of contacts and agreements that came with
    the link, also of those that stay since a later link has shown them (`shown_by`). `gone` says of
    agreements that were here before the link since when they are gone, None = they are not, and
    `restored` what they had said then.
    """

    company: Company
    link: CompanyLink
    later: list[CompanyLink]
    people: dict[str, Contact]
    name: str = ""
    type: str = ""
    primary: str | None = None
    changes: list[Replaced] = field(default_factory=list)
    leaving_people: list[Contact] = field(default_factory=list)
    kept_people: list[Contact] = field(default_factory=list)
    back_people: list[tuple[Contact, dict[str, Any]]] = field(default_factory=list)
    leaving: list[Agreement] = field(default_factory=list)
    brought: set[str] = field(default_factory=set)
    shown_by: dict[str, CompanyLink] = field(default_factory=dict)
    gone: dict[UUID, datetime | None] = field(default_factory=dict)
    restored: dict[UUID, KeptValues] = field(default_factory=dict)
    typed_again: list[Agreement] = field(default_factory=list)

    @property
    def next_link(self) -> CompanyLink | None:
        """The one that followed, None = the audITee is as it is now."""
        return self.later[0] if self.later else None

    @property
    def is_followed(self) -> bool:
        """Whether the next link took the place of this one."""
        return self.next_link is not None and self.next_link.moved_from_id == self.link.pk

    @cached_property
    def leads_back_to(self) -> CompanyLink | None:
        """The link that an undone move leads back to, unless somebody has that PSA company now. One
        that a person had ended stays ended.
        """
        former = self.link.moved_from
        if former is None or not former.was_moved_on or self.next_link is not None:
            return None
        taken = CompanyLink.objects.of(former.integration).in_force()
        return None if taken.filter(external_id=former.external_id).exists() else former

    @cached_property
    def recount(self) -> Recount | None:
        """Since when what followed counts, where it counted since it took the place of this one."""
        following = self.next_link
        if following is None or following.counts_from is None or not self.is_followed:
            return None
        becomes = counts_from(self.link.moved_from, following)
        if becomes == following.counts_from:
            return None
        return Recount(following.integration_id, following.counts_from, becomes)

    @cached_property
    def mrr_before(self) -> list[Total]:
        return self._totals(books.prepare_company(self.company.tenant, self.company.pk))

    @cached_property
    def mrr_after(self) -> list[Total]:
        ids = {agreement.pk for agreement in self.leaving}
        book = books.prepare_company(
            self.company.tenant,
            self.company.pk,
            without=ids,
            gone=self.gone,
            put_back={agreement.pk for agreement in self.typed_again},
            as_kept=self.restored,
            recount=self.recount,
        )
        return self._totals(book)

    @cached_property
    def decisions(self) -> int:
        """How many decisions of people leave with the agreements."""
        rows = ChoiceRecord.objects.for_tenant(self.company.tenant)
        return rows.filter(AnyOf("agreement_pk", [row.pk for row in self.leaving])).count()

    def _totals(self, book: Any) -> list[Total]:
        return totals_of([Part(book)], self.company.tenant.today())


def before_of(link: CompanyLink) -> Kept:
    kept: Kept = link.before  # type: ignore[assignment]
    return kept


def was_there(plan: UndoPlan, kind: Literal["contacts", "agreements"], id_: str) -> bool:
    """Whether it was there when the next link came; what came after that is not this link's."""
    if plan.next_link is None:
        return True
    kept = before_of(plan.next_link)
    if kind == "agreements":
        return id_ in kept["agreements"]
    return any(entry["id"] == id_ for entry in kept["contacts"])
