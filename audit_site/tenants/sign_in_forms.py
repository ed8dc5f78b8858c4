"""allauth's forms, whose tries are counted (audit_site.tenants.tries)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from allauth.account import forms as account
from allauth.core import context
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.totp.forms import ActivateTOTPForm
from allauth.mfa.webauthn.forms import (
    AddWebAuthnForm,
    AuthenticateWebAuthnForm,
    LoginWebAuthnForm,
    ReauthenticateWebAuthnForm,
)
from django import forms
from django.core.exceptions import ValidationError
from django.http import HttpRequest

from audit_site.tenants import passwords
from audit_site.tenants.known_devices import account_name
from audit_site.tenants.sign_in import admit_or_refuse
from audit_site.tenants.tries import TooManyTries, admit

#: What fields are called, by their names.
LABELS: Final = {
    "code": "Code",
    "email": "E-mail",
    "oldpassword": "Current password",
    "password": "Password",  # pragma: allowlist secret: a label
    "password1": "New password",
    "password2": "New password again",
}


class Plain:
    """A form in our words: placeholders, which repeat labels, are left out."""

    fields: dict[str, forms.Field]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name, field in self.fields.items():
            field.widget.attrs.pop("placeholder", None)
            field.label = LABELS.get(name, field.label)
            if name == "password1":
                field.help_text = passwords.HELP


class ChangePasswordForm(Plain, account.ChangePasswordForm):  # type: ignore[misc]
    pass


class SetPasswordForm(Plain, account.SetPasswordForm):  # type: ignore[misc]
    pass


class ResetPasswordKeyForm(Plain, account.ResetPasswordKeyForm):  # type: ignore[misc]
    pass


class PasswordAgainForm(Plain, account.ReauthenticateForm):  # type: ignore[misc]
    pass


class AddAppForm(Plain, ActivateTOTPForm):  # type: ignore[misc]
    pass


class CountedCode:
    """A form whose code is counted: six digits are guessed sooner than a password."""

    user: Any

    def clean_code(self) -> str:
        take_back = admit_or_refuse(context.request, self.user.email, "code")
        code: str = super().clean_code()  # type: ignore[misc]
        take_back()
        return code


class CountedPasskey:
    """A form whose passkey is counted; for nobody's account while nobody has said who they are."""

    user: Any

    def clean_credential(self) -> Any:
        account = self.user.email if self.user else ""
        take_back = admit_or_refuse(context.request, account, "passkey")
        with _readable():
            authenticator = super().clean_credential()  # type: ignore[misc]
        take_back()
        return authenticator


class CodeForm(Plain, CountedCode, AuthenticateForm):  # type: ignore[misc]
    pass


class CodeAgainForm(Plain, CountedCode, ReauthenticateForm):  # type: ignore[misc]
    pass


class PasskeyForm(CountedPasskey, AuthenticateWebAuthnForm):  # type: ignore[misc]
    pass


class PasskeyAgainForm(CountedPasskey, ReauthenticateWebAuthnForm):  # type: ignore[misc]
    pass


class PasskeySignInForm(CountedPasskey, LoginWebAuthnForm):  # type: ignore[misc]
    pass


class AddPasskeyForm(AddWebAuthnForm):  # type: ignore[misc]
    """A passkey that also signs in by itself, unless one says otherwise."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["name"].label = "Name"
        self.fields["name"].help_text = "Such as “Laptop” or “Blue key”, so that you know it again."
        passwordless = self.fields["passwordless"]
        passwordless.initial = True
        passwordless.label = "Sign in with it alone, without the password"
        passwordless.help_text = "It then asks for your finger, your face or a PIN each time."

    def clean(self) -> dict[str, Any]:
        with _readable():
            return dict(super().clean())


@contextmanager
def _readable() -> Iterator[None]:
    """Refuse what is no passkey: the library trips over what no browser sends."""
    try:
        yield
    except (KeyError, TypeError, ValueError):
        raise ValidationError("This is no passkey.", code="invalid") from None


class ResetPasswordForm(Plain, account.ResetPasswordForm):  # type: ignore[misc]
    """Asking for a link. Who asks too often waits; who got enough mails gets no more."""

    def clean_email(self) -> str:
        email: str = super().clean_email()
        # as an account of its own at this address: who else asks has nothing to do with it
        admit_or_refuse(context.request, "", "asking")
        return email

    def save(self, request: HttpRequest, **kwargs: Any) -> str:
        email: str = self.cleaned_data["email"]
        try:
            admit(request, account_name(email), "reset")
        except TooManyTries:
            return email  # the links that were sent are valid still, and the answer is the same
        return str(super().save(request, **kwargs))
