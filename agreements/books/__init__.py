"""From stored rows to the engine's book: agreements, lines, and what people decided about them.

How many queries it takes does not depend on how many agreements there are. All ids are text here.
"""

from agreements.books.columns import AGREEMENT
from agreements.books.company_texts import CompanyText
from agreements.books.ends import end_before
from agreements.books.preparing import (
    Recount,
    book_of,
    prepare_all,
    prepare_by_company,
    prepare_company,
    prepare_values,
    stored_agreements,
)
from agreements.books.rows import AgreementText, agreements_of
from agreements.books.sources import sources

__all__ = [
    "AGREEMENT",
    "AgreementText",
    "CompanyText",
    "Recount",
    "agreements_of",
    "book_of",
    "end_before",
    "prepare_all",
    "prepare_by_company",
    "prepare_company",
    "prepare_values",
    "sources",
    "stored_agreements",
]
