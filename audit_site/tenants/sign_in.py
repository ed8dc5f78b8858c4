"""How allauth signs people in here: by e-mail, and only whom an admin has added."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.http import HttpRequest


class PublicSite:
    """What mails call this site: by PUBLIC_URL, and never by what a request says it was sent to."""

    def __init__(self) -> None:
        self.domain = self.name = urlsplit(settings.PUBLIC_URL).netloc


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        here = self.request.build_absolute_uri("/")
        public = {
            name: value.replace(here, f"{settings.PUBLIC_URL}/", 1)
            for name, value in context.items()
            if isinstance(value, str) and value.startswith(here)
        }
        super().send_mail(
            template_prefix, email, {**context, **public, "current_site": PublicSite()}
        )

    def format_email_subject(self, subject: str) -> str:
        return f"[{PublicSite().name}] {subject}"
