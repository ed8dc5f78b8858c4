"""The forms with which people decide about agreements and lines."""

from __future__ import annotations

from typing import Any

from django import forms

from agreements.models import Agreement, AgreementLine
from agreements.services.choices import MOST_NOTE_LENGTH


class _ChoicesForm(forms.Form):
    note = forms.CharField(
        label="Why",
        required=False,
        max_length=MOST_NOTE_LENGTH,
        widget=forms.TextInput(attrs={"class": "form-control form-control-sm"}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("label_suffix", "")
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            if isinstance(field, forms.BooleanField):
                field.widget.attrs["class"] = "form-check-input"

    @property
    def changes(self) -> dict[str, Any]:
        return {name: value for name, value in self.cleaned_data.items() if name != "note"}


class LineChoicesForm(_ChoicesForm):
    field_order = ("exclude", "force_include", "note")
    exclude = forms.BooleanField(label="Leave this line out", required=False)
    force_include = forms.BooleanField(
        label="It recurs, although it looks billed once", required=False
    )

    @classmethod
    def of(cls, line: AgreementLine) -> LineChoicesForm:
        choices = getattr(line, "choices", None)
        names = ("exclude", "force_include")
        return cls(
            initial={name: getattr(choices, name, False) for name in names},
            auto_id=f"line-{line.pk}-%s",
        )


class AgreementChoicesForm(_ChoicesForm):
    field_order = ("exclude", "force_include", "assume_renewal", "renews", "note")
    exclude = forms.BooleanField(label="Leave this agreement out", required=False)
    force_include = forms.BooleanField(
        label="Count it in spite of its type or status", required=False
    )
    assume_renewal = forms.BooleanField(label="Assume that it renews", required=False)
    renews = forms.ModelChoiceField(
        label="It replaces",
        required=False,
        queryset=Agreement.objects.none(),
        empty_label="nothing",
        widget=forms.Select(attrs={"class": "form-select form-select-sm"}),
    )

    @classmethod
    def of(cls, agreement: Agreement, data: Any = None) -> AgreementChoicesForm:
        choices = getattr(agreement, "choices", None)
        names = ("exclude", "force_include", "assume_renewal", "renews_id")
        values = {name: getattr(choices, name, None) for name in names}
        form = cls(
            data,
            initial={**values, "renews": values["renews_id"]},
            auto_id=f"agreement-{agreement.pk}-%s",
        )
        others = Agreement.objects.filter(
            tenant=agreement.tenant_id, company=agreement.company_id, source=agreement.source
        ).exclude(pk=agreement.pk)
        field: Any = form.fields["renews"]
        field.queryset = others.order_by("start_date", "id")
        return form
