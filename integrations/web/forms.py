"""Forms of a connection; the one for its keys is made from what the PSA says it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html

from audit_site.db.lengths import length_of
from audit_site.errors import DomainError
from audit_site.pages.forms import add_refusal
from audit_site.pages.templatetags.pages import moment
from integrations.connecting.credentials import SavedSecret
from integrations.models import Integration
from integrations.psa.addresses import read_address
from integrations.psa.contract import CredentialField, PsaInfo

PREFIX = "credentials."


class KeptForm(forms.Form):
    """A form that loses nothing when it is refused, not even a secret.

    htmx then brings the errors alone, and the browser's own fields stay as they were typed. Without
    a script the page comes again with all that was typed but the secrets: those never come back.
    """

    #: Tells the forms of a page apart; part of ids in the page.
    key = ""

    def ask_for_secrets_again(self) -> None:
        """Say at each secret that was typed that it is lost with this page."""
        for name, bound in self.fields.items():
            is_secret = isinstance(bound.widget, forms.PasswordInput)
            if is_secret and self.data.get(name) and name not in self.errors:
                again = "Type it again: what is secret is never sent back to your browser."
                self.add_error(name, again)

    def add_explained(self, error: DomainError) -> None:
        """Show what a service refused, at its fields where it names some."""
        add_refusal(self, error, prefix=PREFIX)


class NameForm(KeptForm):
    """How a connection is called; its keys are saved apart."""

    key = "name"
    name = forms.CharField(
        label="Name",
        required=False,
        max_length=length_of(Integration, "name"),
        help_text="How this connection is called here. Left empty, it is named after the PSA.",
        widget=forms.TextInput(attrs={"class": "form-control"}),
    )

    def __init__(self, *args: Any, is_locked: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for bound in self.fields.values():
            bound.disabled = is_locked


class CredentialForm(NameForm):
    """The credentials of an integration, for a new one with its name.

    Secrets are never shown again, only replaced. `stored` are the credentials in use; `proposed`
    new ones (without secrets) that are being tested or were refused: those stand in the fields.
    `saved` says of the stored secrets when they were typed, and by whom.
    """

    key = "keys"

    def __init__(
        self,
        info: PsaInfo,
        *args: Any,
        stored: Mapping[str, str] | None = None,
        proposed: Mapping[str, str] | None = None,
        saved: Mapping[str, SavedSecret] | None = None,
        asks_name: bool = False,
        is_locked: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, is_locked=is_locked, **kwargs)
        self.info = info
        if not asks_name:
            del self.fields["name"]
        for field in info.fields:
            self.fields[field.name] = _input(field, stored or {}, proposed or {}, saved or {})
        self.order_fields([*(field.name for field in info.fields), "name"])
        for bound in self.fields.values():
            bound.disabled = is_locked
            bound.widget.attrs.setdefault("class", "form-control")

    def credentials(self) -> dict[str, str]:
        """What was typed; the service decides whether it will do."""
        return {field.name: self.cleaned_data.get(field.name, "") for field in self.info.fields}

    def add_explained(self, error: DomainError) -> None:
        existing = getattr(error, "integration", None)
        if existing is None:
            super().add_explained(error)
        else:
            self._add_existing(existing, error.message)

    def _add_existing(self, integration: Integration, message: str) -> None:
        """Say that the account is connected already, with the way to its settings."""
        address = reverse("integrations:settings", args=[integration.pk])
        link = '{} <a class="alert-link" href="{}">Open the settings of {}</a>'
        self.add_error(None, format_html(link, message, address, integration.name))


def names_a_host(typed: str) -> None:
    """Refuse what can't be the address of a server, however it is pasted."""
    if not read_address(typed).names_a_host:
        raise ValidationError("This is no address of a server. Paste it as your browser shows it.")


def _input(
    field: CredentialField,
    stored: Mapping[str, str],
    proposed: Mapping[str, str],
    saved: Mapping[str, SavedSecret],
) -> forms.Field:
    if field.type == "secret":
        is_kept = field.name in stored and all(stored.get(k) == v for k, v in proposed.items())
        widget = forms.PasswordInput(
            render_value=False,
            attrs={
                "autocomplete": "new-password",
                "placeholder": "Stored. Leave empty to keep it." if is_kept else "",
            },
        )
        said = f"{field.help} {_saved_words(saved.get(field.name))}".strip()
        return forms.CharField(
            label=field.label, required=False, strip=False, help_text=said, widget=widget
        )
    return forms.CharField(
        label=field.label,
        required=False,
        help_text=field.help,
        initial={**stored, **proposed}.get(field.name, field.default),
        validators=[names_a_host] if field.type == "url" else [],
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )


def _saved_words(secret: SavedSecret | None) -> str:
    """`Saved 25 Nov 2026, 14:05 by Ada.`; "" where that is not known."""
    if secret is None or secret.saved_at is None:
        return ""
    by = f" by {secret.saved_by}" if secret.saved_by else ""
    return f"Saved {moment(secret.saved_at)}{by}."


class PauseForm(KeptForm):
    """A pause, until a moment by the tenant's clock or until somebody resumes it."""

    until = forms.DateTimeField(
        label="Until",
        required=False,
        help_text="Left empty, it lasts until somebody resumes it.",
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"],
        widget=forms.DateTimeInput(
            format="%Y-%m-%dT%H:%M", attrs={"type": "datetime-local", "class": "form-control"}
        ),
        error_messages={"invalid": "Write day and time as 2026-12-24 18:00."},
    )


class ScheduleForm(forms.Form):
    """Automatic sync: how often, and for every night at which time of the tenant's clock."""

    every = forms.ChoiceField(
        label="How often", choices=Integration.Schedule.choices, widget=forms.RadioSelect
    )
    at = forms.TimeField(
        label="At",
        required=False,
        input_formats=["%H:%M"],
        widget=forms.TimeInput(format="%H:%M", attrs={"type": "time", "class": "form-control"}),
        error_messages={"invalid": "Write the time as HH:MM, such as 02:00."},
    )

    def __init__(
        self,
        integration: Integration,
        data: Mapping[str, Any] | None = None,
        *,
        is_locked: bool = False,
    ) -> None:
        stored = {"every": integration.schedule, "at": integration.nightly_at}
        super().__init__(data, initial=stored)
        self.fields["every"].widget.attrs["class"] = "form-check-input"
        for field in self.fields.values():
            field.disabled = is_locked

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        nightly = values.get("every") == Integration.Schedule.NIGHTLY
        if nightly and values.get("at") is None and "at" not in self.errors:
            self.add_error("at", "Choose the time of the night.")
        return values
