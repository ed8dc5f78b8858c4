"""What counts today is read first, of all companies: agreements that are not over, and their lines.

Those that are over follow in a second round, and with them what past months show. Until then a link
says so (`ended_unread`), and nothing is concluded from what was not shown.
"""

from __future__ import annotations

from datetime import date
from typing import Final

from integrations.psa.contract import PsaAgreement, PsaInfo

#: Under this name a run notes which agreements its first round has read.
TODAYS: Final = "todays agreements"


def is_over(record: PsaAgreement, today: date) -> bool:
    """Whether an agreement counts neither today nor later, by what its PSA says of it alone.

    One that replaces others may end them, however long it is over itself.
    """
    if record.renews:
        return False
    if record.active is False or (record.cancelled is True and record.cancelled_date is None):
        return True
    end = None if record.no_end else record.end_date
    cancelled = None if record.cancelled is False else record.cancelled_date
    return any(day is not None and day < today for day in (end, cancelled))


def pays(info: PsaInfo, unread: int, fewest: int) -> bool:
    """Whether two rounds are worth their trouble: where lines cost questions, for many companies
    of which nothing is read yet.
    """
    return bool(info.line_words) and unread >= fewest
