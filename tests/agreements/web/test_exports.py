"""Figures that are taken away: the audit trail says which, by whom and of what."""

from __future__ import annotations

import pytest

from audit_site.tenants.models import AuditEvent, User
from companies.models import Company
from tests.clients import browser


@pytest.mark.parametrize(
    ("path", "is_of_company", "after"),
    [
        (
            "{company}ledger.csv?as_of=2026-01-31&known=2026-11-01T10:00:00Z",
            True,
            {"what": "ledger", "as_of": "2026-01-31", "known_at": "2026-11-01T10:00:00Z"},
        ),
        ("{company}report.json?as_of=2026-01-31", True, {"what": "report", "as_of": "2026-01-31"}),
        (
            "/mrr/series.csv?as_of=2026-01-31&known=2026-11-01T10:00:00Z",
            False,
            {
                "what": "recognized by month",
                "as_of": "2026-01-31",
                "known_at": "2026-11-01T10:00:00Z",
            },
        ),
        (
            "/mrr/movement.csv?from=2025-12-31&to=2026-01-31&known=2026-11-01T10:00:00Z",
            False,
            {
                "what": "movement",
                "start": "2025-12-31",
                "end": "2026-01-31",
                "known_at": "2026-11-01T10:00:00Z",
            },
        ),
    ],
)
def test_a_download_stands_in_the_trail(
    vic: User, company: Company, path: str, is_of_company: bool, after: dict[str, str]
) -> None:
    answer = browser(vic).get(path.format(company=f"/companies/{company.pk}/mrr/"))

    event = AuditEvent.objects.get(action="export.downloaded")
    assert answer.status_code == 200
    assert (event.actor_id, event.door, event.after) == (str(vic.pk), "page", after)
    assert event.object_id == str(company.pk if is_of_company else company.tenant_id)


@pytest.mark.parametrize("path", ["ledger.csv", "report.json"])
def test_what_is_refused_does_not(otto: User, vic: User, company: Company, path: str) -> None:
    address = f"/companies/{company.pk}/mrr/{path}"

    assert browser(otto).get(address).status_code == 404
    assert browser(vic).get(f"{address}?as_of=never").status_code in {302, 400, 422}
    assert not AuditEvent.objects.filter(action="export.downloaded").exists()
