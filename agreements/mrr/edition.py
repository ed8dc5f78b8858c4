"""The editions of the rules: which the engine computes by today, and what former ones did.

A book that was kept is read by the edition that it was kept under: what was said stays as it was.
Whoever changes a rule so that the same book comes to something else, or is shown otherwise, adds a
field here, false in the former editions, and asks for it where the rule lives. New keys of a book
need none: a former book does not have them.
"""

from __future__ import annotations

from typing import Final

from msgspec import Struct


class Edition(Struct, frozen=True):
    """What an edition of the rules does.

    `settles_catch_up_lines`: a line that lives for a cycle or a month at the most, beside another
    of its product, is billed once, and so is one of a month on a cycle longer than that.
    `knows_usual_names`: agreements overlap also where only "Renewal of" or an ending tells their
    names apart. `doubts_amounts`: it warns of what looks like a part of a cycle, and of an
    agreement that comes to less than nothing. `breaks_circles`: of two agreements that name each
    other, the one that begins later replaces the other. `says_linked_elsewhere`: of the days before
    a link it says that another link counts, which may be to the same account.
    """

    number: int
    settles_catch_up_lines: bool = True
    knows_usual_names: bool = True
    doubts_amounts: bool = True
    breaks_circles: bool = True
    says_linked_elsewhere: bool = True


TODAY: Final = Edition(8)
_BEFORE_PRACTICE: Final = Edition(
    6,
    settles_catch_up_lines=False,
    knows_usual_names=False,
    doubts_amounts=False,
    breaks_circles=False,
    says_linked_elsewhere=False,
)
#: Its books do not say for which link an agreement is set aside, either.
_WITHOUT_THE_LINK: Final = Edition(7, says_linked_elsewhere=False)
#: Every edition under which books were kept, by its number.
EDITIONS: Final = {
    edition.number: edition for edition in (_BEFORE_PRACTICE, _WITHOUT_THE_LINK, TODAY)
}

#: Rises when the engine or what is shown of it changes: figures that clients keep are then stale.
EDITION: Final = TODAY.number


def edition_of(number: int) -> Edition:
    """The edition of a number; that of today for one that is not known here."""
    return EDITIONS.get(number, TODAY)
