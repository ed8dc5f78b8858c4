"""What people said that words of a PSA mean, as MRR and the import list use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from agreements import mrr
from agreements.mrr.words import MEANINGS, STATUS
from audit_site.tenants.models import Tenant
from companies.models import Company
from integrations.models import Integration, PsaWord

COMPANY_TYPE: Final = "company_type"
#: Meanings of an account's words about companies, by kind and key.
CompanyWords = Mapping[tuple[str, str], str]
NO_WORDS: Final[CompanyWords] = {}
#: A type that contains one of these is a prospect's, as long as nobody says otherwise.
PROSPECTS: Final = ("prospect", "lead", "suspect")


def words_of(*tenants: Tenant) -> mrr.Words:
    """Everything that was said in these tenants of words that MRR rests on. One statement.

    No two of them share a key: it begins with the integration.
    """
    by_id = {tenant.pk: tenant for tenant in tenants}
    rows = PsaWord.objects.for_tenants(tenants).in_force().filter(kind__in=MEANINGS)
    columns = ("tenant_id", "integration_id", "kind", "key", "word", "meaning", "by_name", "at")
    return {
        (str(integration_id), kind, key): mrr.WordChoice(
            kind, word, meaning, by, by_id[tenant_id].today(at)
        )
        for tenant_id, integration_id, kind, key, word, meaning, by, at in rows.values_list(
            *columns
        )
    }


def company_words(integration: Integration) -> CompanyWords:
    """What was said of the statuses and types of an account's companies. One statement."""
    rows = PsaWord.objects.of(integration).in_force().filter(kind__in=[STATUS, COMPANY_TYPE])
    return {
        (kind, key): meaning for kind, key, meaning in rows.values_list("kind", "key", "meaning")
    }


def means_active(words: CompanyWords, status: str, *, is_active: bool) -> bool:
    """Whether a status means active: as somebody said, else as the adapter read it."""
    said = words.get((STATUS, mrr.word_key(status)))
    return is_active if said is None else said == "active"


def company_type_of(words: CompanyWords, psa_type: str) -> str:
    """Client or prospect: by what was said of the PSA's types, else by what they are called.

    A company may have several types, with a comma and a blank between them: of those that somebody
    said something of, one that means a client is enough.
    """
    types = [psa_type, *psa_type.split(", ")]
    said = {meaning for name in types if (meaning := words.get((COMPANY_TYPE, mrr.word_key(name))))}
    if said:
        return Company.Type.CLIENT if Company.Type.CLIENT in said else Company.Type.PROSPECT
    is_prospect = any(word in psa_type.casefold() for word in PROSPECTS)
    return Company.Type.PROSPECT if is_prospect else Company.Type.CLIENT
