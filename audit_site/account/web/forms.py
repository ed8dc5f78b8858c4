"""Forms of people and settings. Services refuse what can't be taken, the same as for REST."""

from __future__ import annotations

from typing import Any, Final
from zoneinfo import available_timezones

from django import forms
from django.utils.html import format_html

from audit_site.tenants import passwords
from audit_site.tenants.models import Role, Tenant

MAY: Final = {
    Role.VIEWER: "sees everything, and changes nothing",
    Role.MEMBER: "also imports, links, syncs, and decides what counts in MRR",
    Role.ADMIN: "also connects PSAs, says what words mean, and invites people",
}
ROLES: Final = [
    (role, format_html('{} <span class="sub fw-normal">{}</span>', role.label, may))
    for role, may in MAY.items()
]


class AccountForm(forms.Form):
    """Fields in our look."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for bound in self.fields.values():
            bound.widget.attrs["class"] = _look(bound.widget)


def _look(widget: forms.Widget) -> str:
    if isinstance(widget, forms.CheckboxInput | forms.RadioSelect):
        return "form-check-input"
    return "form-select" if isinstance(widget, forms.Select) else "form-control"


class RoleForm(AccountForm):
    role = forms.ChoiceField(label="Role", choices=ROLES, widget=forms.RadioSelect)


class InviteForm(AccountForm):
    email = forms.CharField(
        label="E-mail",
        widget=forms.EmailInput(attrs={"autocomplete": "off"}),
        help_text="Only who reads the mail of this address can accept.",
    )
    name = forms.CharField(
        label="Name", required=False, widget=forms.TextInput(attrs={"autocomplete": "off"})
    )
    role = forms.ChoiceField(
        label="Role", choices=ROLES, initial=Role.MEMBER, widget=forms.RadioSelect
    )


class NewAccountForm(AccountForm):
    """Name and password of who accepts an invitation without having an account."""

    name = forms.CharField(
        label="Your name",
        required=False,
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )
    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=passwords.HELP,
    )


class TenantForm(AccountForm):
    name = forms.CharField(label="Name", help_text="Stands in the menu, on mails and on exports.")
    timezone = forms.ChoiceField(
        label="Time zone",
        help_text="Nights of syncs, days of figures and all times on pages go by it. "
        "After a change nightly syncs are planned again, and figures are worked out again.",
    )
    currency = forms.CharField(
        label="Currency",
        help_text="An ISO 4217 code such as USD. Agreements that name no currency count in it, and "
        "lists are in the order of it. Nothing is converted.",
    )
    require_two_factor = forms.BooleanField(
        label="Everybody signs in with two factors",
        required=False,
        help_text="Who has set up none does so at the next sign-in, and sees nothing before. "
        "API tokens go on working.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        zones: Any = self.fields["timezone"]
        zones.choices = [(zone, zone) for zone in sorted(available_timezones())]

    @staticmethod
    def values_of(tenant: Tenant) -> dict[str, Any]:
        return {name: getattr(tenant, name) for name in TenantForm.base_fields}
