"""What a person changes about themselves."""

from __future__ import annotations

from typing import Any

from django import forms

from audit_site.db.lengths import length_of
from audit_site.tenants.models import User


class NameForm(forms.Form):
    """How others see a person."""

    name = forms.CharField(
        label="Name",
        max_length=length_of(User, "name"),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "name"}),
    )


class AddressForm(forms.Form):
    """The address that a person wants to have."""

    email = forms.CharField(
        label="New e-mail address",
        max_length=length_of(User, "email"),
        help_text="We send a link to it. Until you open that link, nothing changes.",
        widget=forms.EmailInput(attrs={"class": "form-control", "autocomplete": "email"}),
    )

    def refuse(self, errors: list[dict[str, Any]]) -> None:
        """Show what the rules say at the field that it is about."""
        for error in errors:
            self.add_error(error["field"], error["message"])
