"""The one form for every PSA, made from what the PSA says it needs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.core.exceptions import ValidationError
from django.urls import reverse
from django.utils.html import format_html

from audit_site.db.lengths import length_of
from audit_site.errors import FieldErrors
from integrations.models import Integration
from integrations.psa.addresses import read_address
from integrations.psa.contract import CredentialField, PsaInfo

PREFIX = "credentials."


class CredentialForm(forms.Form):
    """Name and credentials of an integration. Secrets are never shown again, only replaced."""

    name = forms.CharField(
        label="Name",
        required=False,
        max_length=length_of(Integration, "name"),
        help_text="How this connection is called here. Left empty, it is named after the PSA.",
    )

    def __init__(
        self,
        info: PsaInfo,
        *args: Any,
        stored: Mapping[str, str] | None = None,
        is_locked: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self.info = info
        stored = stored or {}
        for field in info.fields:
            self.fields[field.name] = _input(field, stored)
        self.order_fields([*(field.name for field in info.fields), "name"])
        for bound in self.fields.values():
            bound.disabled = is_locked
            bound.widget.attrs.setdefault("class", "form-control")

    def credentials(self) -> dict[str, str]:
        """What was typed; the service decides whether it will do."""
        return {field.name: self.cleaned_data.get(field.name, "") for field in self.info.fields}

    def add_field_errors(self, error: FieldErrors) -> None:
        """Show the service's errors at their fields."""
        for entry in error.errors:
            name = entry["field"].removeprefix(PREFIX)
            self.add_error(name if name in self.fields else None, entry["message"])

    def add_existing(self, integration: Integration, message: str) -> None:
        """Say that the account is connected already, with the way to its settings."""
        address = reverse("integrations:settings", args=[integration.pk])
        link = '{} <a class="alert-link" href="{}">Open the settings of {}</a>'
        self.add_error(None, format_html(link, message, address, integration.name))


def names_a_host(typed: str) -> None:
    """Refuse what can't be the address of a server, however it is pasted."""
    if not read_address(typed).names_a_host:
        raise ValidationError("This is no address of a server. Paste it as your browser shows it.")


def _input(field: CredentialField, stored: Mapping[str, str]) -> forms.Field:
    if field.type == "secret":
        kept = field.name in stored
        widget = forms.PasswordInput(
            render_value=False,
            attrs={
                "autocomplete": "new-password",
                "placeholder": "Stored. Leave empty to keep it." if kept else "",
            },
        )
        return forms.CharField(
            label=field.label, required=False, strip=False, help_text=field.help, widget=widget
        )
    return forms.CharField(
        label=field.label,
        required=False,
        help_text=field.help,
        initial=stored.get(field.name, field.default),
        validators=[names_a_host] if field.type == "url" else [],
        widget=forms.TextInput(attrs={"autocomplete": "off", "spellcheck": "false"}),
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
