"""The form with which a person makes an API token."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django import forms
from django.utils import timezone

from audit_site.db.lengths import length_of
from audit_site.errors import FieldErrors
from audit_site.tenants.models import ApiToken, Scope

NEVER: Final = "never"
LIVES: Final = [("30", "30 days"), ("90", "90 days"), ("365", "A year"), (NEVER, "For ever")]
MAY: Final = {
    Scope.READ: "Read everything that you see",
    Scope.WRITE: "Import, link, sync and decide, as members may",
    Scope.ADMIN: "Connect PSAs, and all else that admins may",
}


class TokenForm(forms.Form):
    """A token's name, what it may do, and how long. `once` names this very form: sent twice, it
    makes one token.
    """

    name = forms.CharField(
        label="Name",
        max_length=length_of(ApiToken, "name"),
        widget=forms.TextInput(attrs={"class": "form-control", "autocomplete": "off"}),
        help_text="Which program is it for? You will know it by this name.",
    )
    scopes = forms.MultipleChoiceField(
        label="It may",
        widget=forms.CheckboxSelectMultiple(attrs={"class": "form-check-input"}),
        error_messages={"required": "Tick what it may do."},
    )
    life = forms.ChoiceField(
        label="It works for",
        choices=LIVES,
        widget=forms.Select(attrs={"class": "form-select"}),
        help_text="You can revoke it at any time before.",
    )
    once = forms.CharField(widget=forms.HiddenInput)

    def __init__(self, scopes: Sequence[str], data: Mapping[str, Any] | None = None) -> None:
        initial = {"scopes": [Scope.READ], "life": "90", "once": secrets.token_urlsafe(12)}
        super().__init__(data, initial=initial)
        field: Any = self.fields["scopes"]
        field.choices = [(scope, MAY[Scope(scope)]) for scope in scopes]

    @property
    def expires_at(self) -> datetime | None:
        life = self.cleaned_data["life"]
        return None if life == NEVER else timezone.now() + timedelta(days=int(life))

    def add_refusal(self, error: FieldErrors) -> None:
        """Show a "no" of the service at the field that it is about."""
        for entry in error.errors:
            field = "life" if entry["field"] == "expires_at" else entry["field"]
            self.add_error(field if field in self.fields else None, entry["message"])
