"""Agreements, what people typed and decided, what they come to, and what that was.

One subject a module; everybody else imports the names from here. The rules that turn agreements
into MRR are in agreements.mrr.
"""

from agreements.models.choices import AgreementChoices, ChoiceRecord, LineChoices
from agreements.models.contracts import (
    MANUAL,
    Agreement,
    AgreementLine,
    AgreementLineQuerySet,
    AgreementQuerySet,
)
from agreements.models.kept_books import BookPiece, BookVersion
from agreements.models.shown import FigureReport, FigureShown
from agreements.models.stored_mrr import (
    AgreementMrr,
    CompanyAverage,
    CompanyBook,
    CompanyMrr,
    TenantBook,
)
from agreements.models.typed import TypedAgreement, TypedChange

__all__ = [
    "MANUAL",
    "Agreement",
    "AgreementChoices",
    "AgreementLine",
    "AgreementLineQuerySet",
    "AgreementMrr",
    "AgreementQuerySet",
    "BookPiece",
    "BookVersion",
    "ChoiceRecord",
    "CompanyAverage",
    "CompanyBook",
    "CompanyMrr",
    "FigureReport",
    "FigureShown",
    "LineChoices",
    "TenantBook",
    "TypedAgreement",
    "TypedChange",
]
