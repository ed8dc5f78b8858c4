"""Who asks: a browser that somebody is signed in to, and what an answer says."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

from django.test import Client
from rest_framework.test import APIClient

from audit_site.error_codes import CODES
from audit_site.tenants.models import Membership, User
from audit_site.tenants.tokens import ROLE_SCOPES, create_api_token
from integrations.sandbox.server import SandboxServer

V1 = "/api/v1"


def browser(user: User) -> Client:
    """A browser that this user is signed in to."""
    client = Client()
    client.force_login(user)
    return client


def api_of(user: User) -> APIClient:
    """The REST API, asked with a token of this user that has all scopes of the role."""
    membership = Membership.objects.get(user=user)
    _, plain = create_api_token(
        tenant=membership.tenant, user=user, scopes=ROLE_SCOPES[membership.role]
    )
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {plain}")
    client.user = user
    return client


BLOCKS = r"(?:div|td|th|tr|thead|tbody|tfoot|table|p|li|ul|dl|h\d|section|form|option|nav|main)\b"
#: A line break of a template that nobody sees: inside the edges of a tag, and beside a block.
UNSEEN = re.compile(rf"(<[a-z][^<>]*>|</{BLOCKS}>)\s*\n\s*|\s*\n\s*(?=</)|\s*\n\s*(?=<{BLOCKS})")


def text(answer: Any) -> str:
    """The text of an answer; a page without the line breaks and indents of its templates."""
    found: str = answer.content.decode()
    if "html" not in answer["Content-Type"]:
        return found
    return re.sub(r"\s*\n\s*", " ", UNSEEN.sub(lambda gap: gap[1] or "", found)).strip()


def page_text(answer: Any) -> str:
    """The text of an answer that must be a page (200)."""
    assert answer.status_code == 200
    return text(answer)


def problem(answer: Any) -> tuple[int, str]:
    """Status and code of an answer that must be a complete problem+json."""
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert set(body) - {"current", "holder"} == {
        *("type", "title", "status", "detail", "code", "fix", "errors", "request_id"),
    }
    assert body["status"] == answer.status_code
    assert body["request_id"] == answer["X-Request-Id"]
    assert body["title"] == CODES[body["code"]].title
    assert {error["code"] for error in body["errors"]} <= set(CODES)
    return answer.status_code, body["code"]


def create(api: APIClient, sandbox: SandboxServer, **over: Any) -> Any:
    """Connect the sandbox ConnectWise over REST."""
    body = {"psa": "connectwise", "credentials": sandbox.credentials("connectwise"), **over}
    return api.post(f"{V1}/integrations/", body)


def csv_rows(answer: Any) -> list[list[str]]:
    """The rows of a download as CSV, its header first."""
    assert answer["Content-Type"].startswith("text/csv")
    content: bytes = b"".join(answer.streaming_content) if answer.streaming else answer.content
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))
