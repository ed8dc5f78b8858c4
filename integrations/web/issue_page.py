"""One page of an inbox, with everything that its template shows."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby

from django.core.paginator import Page

from integrations.issues.selectors import ISSUE_GROUPS, IssueRow, count_issues, issue_rows
from integrations.models import Integration, Issue
from integrations.web.record_names import Key, RecordName, record_names

TITLES = [*(title for title, _ in ISSUE_GROUPS), "Anything else"]


@dataclass(frozen=True, slots=True)
class ShownIssue:
    """An issue with what it is about in words.

    `title` heads it and `label` names it to a screen reader; `record` is what is stored of it.
    """

    issue: Issue
    row: IssueRow
    title: str
    label: str
    record: RecordName


@dataclass(frozen=True, slots=True)
class IssueGroup:
    """Issues of one state about one thing; `state`: open, dismissed or closed."""

    state: str
    title: str
    issues: list[ShownIssue]


@dataclass(frozen=True, slots=True)
class IssuePage:
    """A page of an inbox; `counts` are those of the whole inbox by state."""

    groups: list[IssueGroup]
    counts: dict[str, int]


def issue_page(integration: Integration, page: Page[Issue]) -> IssuePage:
    """A page of `grouped_issues`, cut where state or group changes. At most five statements."""
    rows = issue_rows(page.object_list)
    known = _known(integration, rows)
    groups = [
        IssueGroup(state, TITLES[group], [_shown(row, known) for row in found])
        for (state, group), found in groupby(rows, key=lambda row: (row.issue.state, row.group))
    ]
    return IssuePage(groups, count_issues(integration))


def _known(integration: Integration, rows: Iterable[IssueRow]) -> dict[Key, RecordName]:
    """What is stored of the records; a company's name comes with its issue."""
    issues = [row.issue for row in rows if row.issue.is_of_record and row.issue.kind != "company"]
    return record_names(integration, [(issue.kind, issue.external_id) for issue in issues])


def _shown(row: IssueRow, known: dict[Key, RecordName]) -> ShownIssue:
    issue = row.issue
    record = known.get((issue.kind, issue.external_id), RecordName())
    if not issue.is_of_record:
        return ShownIssue(issue, row, issue.integration.name, issue.integration.name, record)
    own = row.psa_company_name if issue.kind == "company" else ""
    name = issue.name or record.name or own or ""
    title, label = name or issue.kind.capitalize(), name or issue.external_id
    return ShownIssue(issue, row, title, label, record)
