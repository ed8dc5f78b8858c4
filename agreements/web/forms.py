"""The forms with which people decide about agreements and lines."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.utils.dateformat import format as date_text

from agreements.decisions import MOST_NOTE_LENGTH, chosen_renewals, label_of
from agreements.models import Agreement, AgreementLine
from agreements.mrr.words import CYCLE, cycle_text, meaning_text
from audit_site.errors import DomainError
from audit_site.pages.forms import add_refusal
from integrations.words.kinds import KINDS


def _cycle_choices(read: str, chosen: Any) -> list[tuple[str, str]]:
    """The cycles that a person chooses from; `read` is the PSA's own word."""
    said = f"as the PSA says ({read})" if read else "as the PSA says"
    choices = [("", said), *KINDS[CYCLE].choices]
    if isinstance(chosen, dict):  # a program decided it
        choices.append((json.dumps(chosen), meaning_text(chosen)))
    return choices


class ChoicesForm(forms.Form):
    """What can't be is refused by the service, at its field; what was typed stays."""

    cycle = forms.ChoiceField(
        label="Billed",
        required=False,
        widget=forms.Select(attrs={"class": "form-select form-select-sm"}),
    )
    note = forms.CharField(
        label="Why",
        required=False,
        max_length=MOST_NOTE_LENGTH,
        help_text="It stands beside the figure, with your name.",
        widget=forms.TextInput(attrs={"class": "form-control form-control-sm", "required": True}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.BooleanField):
                field.widget.attrs["class"] = "form-check-input"

    def clean(self) -> dict[str, Any]:
        """What is left out can't be counted for some reason as well."""
        chosen = super().clean() or self.cleaned_data
        others = [
            str(self.fields[name].label)
            for name in ("force_include", "assume_renewal")
            if chosen.get(name)
        ]
        if chosen.get("exclude") and others:
            raise forms.ValidationError(
                "It can't be left out and counted at once: untick \u201c%(exclude)s\u201d, or else "
                "%(others)s.",
                params={
                    "exclude": self.fields["exclude"].label,
                    "others": " and ".join(f"\u201c{label}\u201d" for label in others),
                },
            )
        return chosen

    def add_refusal(self, error: DomainError) -> None:
        add_refusal(self, error)

    def offer_cycles(self, read: str, choices: Any) -> None:
        """Let the billing cycle be chosen; `choices` are what was decided so far."""
        chosen = getattr(choices, "cycle", None)
        field: Any = self.fields["cycle"]
        field.choices = _cycle_choices(read, chosen)
        self.initial["cycle"] = json.dumps(chosen) if isinstance(chosen, dict) else chosen or ""

    @property
    def changes(self) -> dict[str, Any]:
        values = {name: value for name, value in self.cleaned_data.items() if name != "note"}
        cycle = values["cycle"]
        return {**values, "cycle": (json.loads(cycle) if cycle[:1] == "{" else cycle) or None}


class LineChoicesForm(ChoicesForm):
    """What is decided about a line."""

    field_order = ("exclude", "force_include", "cycle", "note")
    exclude = forms.BooleanField(label="Leave this line out", required=False)
    force_include = forms.BooleanField(
        label="It recurs, although it looks billed once", required=False
    )

    @classmethod
    def of(cls, line: AgreementLine, data: Any = None, *, proposed: str = "") -> LineChoicesForm:
        """The form of a line; what is `proposed` is ticked."""
        choices = getattr(line, "choices", None)
        names = ("exclude", "force_include")
        form = cls(
            data,
            initial={name: name == proposed or getattr(choices, name, False) for name in names},
            auto_id=f"line-{line.pk}-%s",
        )
        form.offer_cycles(cycle_text(line.cycle) or line.agreement.cycle_label, choices)
        return form


class _AgreementsField(forms.ModelMultipleChoiceField):  # type: ignore[type-arg]
    """Some of agreements that may well bear the same name."""

    def label_from_instance(self, obj: Any) -> str:
        return label_of(obj)

    def clean(self, value: Any) -> Any:
        try:
            return super().clean(value)
        except forms.ValidationError:
            raise forms.ValidationError("Choose one of these.", code="invalid_choice") from None


class AgreementChoicesForm(ChoicesForm):
    """What is decided about an agreement."""

    agreement: Agreement
    field_order = ("exclude", "force_include", "assume_renewal", "cycle", "renews", "note")
    exclude = forms.BooleanField(label="Leave this agreement out", required=False)
    force_include = forms.BooleanField(
        label="Count it in spite of its type or status", required=False
    )
    assume_renewal = forms.BooleanField(label="Assume that it renews", required=False)
    renews = _AgreementsField(
        label="It replaces",
        required=False,
        queryset=Agreement.objects.none(),
        widget=forms.CheckboxSelectMultiple,
    )

    @classmethod
    def of(
        cls, agreement: Agreement, data: Any = None, *, proposed: str = ""
    ) -> AgreementChoicesForm:
        """The form of an agreement; what is `proposed` is ticked."""
        choices = getattr(agreement, "choices", None)
        names = ("exclude", "force_include", "assume_renewal")
        values = {name: name == proposed or getattr(choices, name, None) for name in names}
        form = cls(
            data,
            initial={**values, "renews": [one.pk for one in chosen_renewals(agreement, choices)]},
            auto_id=f"agreement-{agreement.pk}-%s",
        )
        form.agreement = agreement
        form.offer_cycles(agreement.cycle_label, choices)
        if agreement.set_aside:
            form.fields["force_include"].label = "Count it beside what the PSA has"
        others = Agreement.objects.filter(
            tenant=agreement.tenant_id,
            company=agreement.company_id,
            integration=agreement.integration_id,
        ).exclude(pk=agreement.pk)
        field: Any = form.fields["renews"]
        field.queryset = others.order_by("start_date", "id")
        return form

    def clean_renews(self) -> list[Agreement]:
        """What begins earlier replaces nothing: the later one would never have been in force."""
        chosen: list[Agreement] = [*self.cleaned_data["renews"]]
        newer, begins = self.agreement, self.agreement.start_date
        for older in chosen:
            if begins and older.start_date and begins < older.start_date:
                raise forms.ValidationError(
                    f"{newer} begins on {date_text(begins, 'j M Y')}, before {older} "
                    f"({date_text(older.start_date, 'j M Y')}): nothing of that one would ever "
                    "count. Choose one that begins earlier, or decide at "
                    f"{older} that it replaces {newer}."
                )
        return chosen
