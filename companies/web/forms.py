from __future__ import annotations

from typing import Any

from django import forms

from audit_site.db.lengths import length_of
from audit_site.errors import DomainError
from audit_site.pages.forms import add_refusal
from companies.models import Company, Contact
from companies.services import CONTACT_FIELDS

#: With fewer nobody can be reached.
FEWEST_DIGITS = 5
#: Code of a "no" → the field that it is shown at.
FIELD_OF = {"contact_without_method": "email"}


class CompanyForm(forms.Form):
    """An audITee with its primary contact. `is_owned`: a PSA says all of it but the type."""

    name = forms.CharField(label="Name", max_length=length_of(Company, "name"))
    type = forms.ChoiceField(label="Type", choices=Company.Type.choices, required=False)
    first_name = forms.CharField(
        label="First name", max_length=length_of(Contact, "first_name"), required=False
    )
    last_name = forms.CharField(
        label="Last name", max_length=length_of(Contact, "last_name"), required=False
    )
    email = forms.EmailField(label="E-mail", max_length=length_of(Contact, "email"), required=False)
    phone = forms.CharField(
        label="Phone",
        max_length=length_of(Contact, "phone"),
        required=False,
        help_text="The primary contact needs an e-mail address or a phone number.",
    )

    def __init__(self, *args: Any, is_owned: bool = False, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if is_owned:
            self.fields = {"type": self.fields["type"]}
        for name, field in self.fields.items():
            field.widget.attrs["class"] = "form-select" if name == "type" else "form-control"

    def clean_phone(self) -> str:
        phone: str = self.cleaned_data["phone"]
        if phone and sum(char.isdigit() for char in phone) < FEWEST_DIGITS:
            raise forms.ValidationError(
                f"A phone number has at least {FEWEST_DIGITS} digits, such as +1 555 0100."
            )
        return phone

    def add_refusal(self, error: DomainError) -> None:
        """Show a "no" of the service at the field that it is about; what was typed stays."""
        add_refusal(self, error, at=FIELD_OF)

    @property
    def contact(self) -> dict[str, str] | None:
        """The primary contact, None where a PSA says it."""
        if "email" not in self.fields:
            return None
        return {name: self.cleaned_data[name] for name in CONTACT_FIELDS}

    @staticmethod
    def values_of(company: Company) -> dict[str, str]:
        person = company.primary
        contact = {name: getattr(person, name) for name in CONTACT_FIELDS} if person else {}
        return {"name": company.name, "type": company.type, **contact}
