"""How allauth signs people in here: by e-mail, and only whom an admin has added."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from audit_site.tenants.mails import MailNotSent, subject_of, troubles_named
from audit_site.tenants.models import User
from audit_site.tenants.tries import TooManyTries, admit
from audit_site.tenants.two_factor import is_last_of_a_tenant_that_asks
from audit_site.tenants.two_factor_secrets import SealedSecrets

log = logging.getLogger(__name__)
PASSKEY_NAMES: Final = ("Passkey", "Second passkey")


class PublicSite:
    """What mails call this site: by PUBLIC_URL, and never by what a request says it was sent to."""

    def __init__(self) -> None:
        self.domain = self.name = urlsplit(settings.PUBLIC_URL).netloc


def admit_or_refuse(request: HttpRequest, account: str, what: str) -> Callable[[], None]:
    """Count a try (see `admit`); a form's error and a 429 while it has to wait."""
    try:
        return admit(request, account, what)
    except TooManyTries as wait:
        request.retry_after = wait.seconds  # type: ignore[attr-defined]
        raise ValidationError(wait.sentence, code="too_many_tries") from None


class AccountAdapter(DefaultAccountAdapter):  # type: ignore[misc]
    """allauth's, in our words, with our limits, and with mails that lead to PUBLIC_URL."""

    error_messages = DefaultAccountAdapter.error_messages | {
        "email_password_mismatch": "E-mail or password is wrong.",
        "enter_current_password": "This is not your password.",
        "incorrect_password": "This is not your password.",
        "incorrect_code": "This code is not right. Type the one that the app shows now.",
        "rate_limited": "Too many tries. Try again in a minute.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def pre_authenticate(self, request: HttpRequest, **credentials: Any) -> None:
        self._take_back = admit_or_refuse(request, credentials.get("email", ""), "password")

    def _rollback_login_failed_rl_usage(self) -> None:
        """Called by `authenticate` when the password was right."""
        self._take_back()

    def post_login(self, request: HttpRequest, user: User, **kwargs: Any) -> HttpResponse:
        request.proved_account = user.email  # type: ignore[attr-defined]
        if request.path == reverse("mfa_login_webauthn") and "remember" in request.POST:
            request.session.set_expiry(settings.SESSION_COOKIE_AGE)
        answer: HttpResponse = super().post_login(request, user, **kwargs)
        return answer

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("account:you")

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send what only tells of an act, which is done: a mail server changes nothing of it."""
        try:
            self.send_or_raise(template_prefix, email, context)
        except MailNotSent as trouble:
            log.warning("mail_not_sent template=%s error=%s", template_prefix, trouble)

    def send_or_raise(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send what an act can't do without; raises MailNotSent."""
        here = self.request.build_absolute_uri("/")
        public = {
            name: value.replace(here, f"{settings.PUBLIC_URL}/", 1)
            for name, value in context.items()
            if isinstance(value, str) and value.startswith(here)
        }
        common = {"current_site": PublicSite(), "help_email": settings.HELP_EMAIL}
        with troubles_named():
            super().send_mail(template_prefix, email, {**context, **public, **common})

    def add_message(self, request: HttpRequest, *args: Any, **kwargs: Any) -> None:
        match = request.resolver_match
        if match is None or match.url_name != "account_reset_password_from_key":
            super().add_message(request, *args, **kwargs)  # the page that follows that one says it

    def format_email_subject(self, subject: str) -> str:
        return subject_of(subject)


class TwoFactorAdapter(SealedSecrets):
    """allauth's, in our words, with sealed secrets; it keeps the last factor of who needs one."""

    error_messages = SealedSecrets.error_messages | {
        "incorrect_code": AccountAdapter.error_messages["incorrect_code"],
        "cannot_delete_authenticator": (
            "Your company asks for two-factor sign-in. Add a passkey or another app first."
        ),
        "cannot_generate_recovery_codes": "Turn on two-factor sign-in first.",
    }

    def can_delete_authenticator(self, authenticator: Any) -> bool:
        return not is_last_of_a_tenant_that_asks(authenticator)

    def generate_authenticator_name(self, user: User, type: Any) -> str:
        count: int = user.authenticator_set.filter(type=type).count()  # type: ignore[attr-defined]
        return PASSKEY_NAMES[count] if count < len(PASSKEY_NAMES) else f"Passkey {count + 1}"

    def get_public_key_credential_rp_entity(self) -> dict[str, str]:
        return {**super().get_public_key_credential_rp_entity(), "name": "audIT"}
