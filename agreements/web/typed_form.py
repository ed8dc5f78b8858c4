"""The form in which people type an agreement."""

from __future__ import annotations

from typing import Any, Final

from django import forms

from agreements.models import Agreement
from agreements.mrr.words import CYCLE
from agreements.typed_values import CYCLES, LONGEST_NAME, LONGEST_NOTE, typed_values
from audit_site.errors import DomainError
from audit_site.pages.forms import add_refusal
from integrations.words.kinds import KINDS

CYCLE_CHOICES: Final = [(name, label) for name, label in KINDS[CYCLE].choices if name in CYCLES]


def _day(label: str, help_text: str, *, required: bool) -> forms.DateField:
    widget = forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d")
    return forms.DateField(label=label, help_text=help_text, required=required, widget=widget)


class TypedForm(forms.Form):
    """What can't be is refused by the service, at its field; what was typed stays."""

    name = forms.CharField(label="Name", max_length=LONGEST_NAME)
    amount = forms.CharField(
        label="Amount",
        max_length=40,
        help_text="What each billing cycle brings, before tax. A credit is below zero.",
        widget=forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"}),
    )
    currency = forms.CharField(label="Currency", max_length=10, help_text="Such as USD or EUR.")
    billing_cycle = forms.ChoiceField(
        label="Billed", choices=CYCLE_CHOICES, initial="monthly", widget=forms.Select
    )
    start_date = _day("First day", "Since when it is in force.", required=True)
    end_date = _day("Last day", "Empty = it has no end.", required=False)
    note = forms.CharField(
        label="Note",
        required=False,
        max_length=LONGEST_NOTE,
        help_text="Where it is written, or who said so.",
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            is_select = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = "form-select" if is_select else "form-control"

    def add_refusal(self, error: DomainError) -> None:
        add_refusal(self, error)

    @staticmethod
    def values_of(agreement: Agreement) -> dict[str, Any]:
        return typed_values(agreement, agreement.typed.note)
