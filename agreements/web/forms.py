"""The forms with which people decide about agreements and lines."""

from __future__ import annotations

import json
from typing import Any, Final, cast

from django import forms
from django.http import QueryDict

from agreements.decisions import MOST_NOTE_LENGTH, chosen_renewals, label_of, newest_decision
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from agreements.mrr.words import CYCLE, cycle_text, meaning_text
from audit_site.errors import DomainError
from audit_site.ids import id_or_none
from audit_site.pages.forms import add_refusal
from integrations.words.kinds import KINDS


def _cycle_choices(read: str, chosen: Any) -> list[tuple[str, str]]:
    """The cycles that a person chooses from; `read` is the PSA's own word."""
    said = f"as the PSA says ({read})" if read else "as the PSA says"
    choices = [("", said), *KINDS[CYCLE].choices]
    if isinstance(chosen, dict):  # a program decided it
        choices.append((json.dumps(chosen, sort_keys=True), meaning_text(chosen)))
    return choices


#: The choices of which one at most is made; "" = what is read counts as it is.
COUNTING: Final = ("exclude", "force_include")
#: What an address proposes to have counted as it is read.
AS_READ: Final = "as_read"


class ChoicesForm(forms.Form):
    """What can't be is refused by the service, at its field; what was typed stays.

    Only what differs from what it was shown with is decided: `seen` is the newest decision then,
    and `now` are the values of today. `count` stands for two choices.
    """

    now: dict[str, Any]
    newest: ChoiceRecord | None
    seen = forms.UUIDField(required=False, widget=forms.HiddenInput)
    count = forms.ChoiceField(label="In the sum", required=False, widget=forms.RadioSelect)
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

    def add_refusal(self, error: DomainError) -> None:
        add_refusal(self, error)

    def offer_counting(self, chosen: dict[str, bool], proposed: str, **labels: str) -> None:
        """Let one of three be chosen; `chosen` is decided so far, the `labels` are of each."""
        field: Any = self.fields["count"]
        field.choices = [("", labels["read"]), *((name, labels[name]) for name in COUNTING)]
        decided = next((name for name in COUNTING if chosen[name]), "")
        self.initial["count"] = {AS_READ: ""}.get(proposed, proposed)
        if proposed not in {AS_READ, *COUNTING}:
            self.initial["count"] = decided

    def offer_cycles(self, read: str, choices: Any) -> None:
        """Let the billing cycle be chosen; `choices` are what was decided so far."""
        chosen = getattr(choices, "cycle", None)
        field: Any = self.fields["cycle"]
        field.choices = _cycle_choices(read, chosen)
        self.initial["cycle"] = (
            json.dumps(chosen, sort_keys=True) if isinstance(chosen, dict) else chosen or ""
        )

    def set_out_from(self, values: dict[str, Any], newest: ChoiceRecord | None) -> None:
        """`values` are what is decided now, by `newest` and those before it."""
        self.now = {**values, "cycle": self.initial["cycle"]}
        self.newest = newest
        self.initial["seen"] = str(newest.pk) if newest else ""

    @property
    def seen_decision(self) -> str | None:
        """The decision that the person saw as the newest, "" = none; None = it isn't said."""
        return str(self.cleaned_data["seen"] or "") if "seen" in self.data else None

    @property
    def changes(self) -> dict[str, Any]:
        """What the person changed."""
        shown, sent = self._shown(), {**self.cleaned_data, **self._counting_sent()}
        changed = {name: sent[name] for name in shown if name in sent}
        changed = {
            name: value for name, value in changed.items() if _plain(value) != _plain(shown[name])
        }
        if "cycle" in changed:
            changed["cycle"] = _cycle_of(changed["cycle"])
        return changed

    @property
    def proposed_changes(self) -> dict[str, Any]:
        """What the form proposes, before anything is sent."""
        proposed = {name: name == self.initial["count"] for name in COUNTING}
        changed = {name: value for name, value in proposed.items() if value != self.now[name]}
        others = {
            name: True
            for name, value in self.now.items()
            if value is False and self.initial.get(name) is True
        }
        return changed | others

    @property
    def opens_more(self) -> bool:
        """Whether it proposes something that is folded where little room is."""
        return bool(self.proposed_changes.keys() - set(COUNTING))

    def _counting_sent(self) -> dict[str, bool]:
        """The two choices that the one field stands for."""
        if "count" not in self.cleaned_data:
            return {}
        return {name: name == self.cleaned_data["count"] for name in COUNTING}

    def _shown(self) -> dict[str, Any]:
        """The values with which the form was shown."""
        seen = self.seen_decision
        if seen is None or seen == self.initial["seen"]:
            return self.now
        nothing = {name: type(value)() for name, value in self.now.items()}
        record = _decision_of(self.newest, seen) if self.newest and seen else None
        if record is None:
            return nothing
        cycle = record.after.get("cycle")
        values = {name: record.after.get(name) or nothing[name] for name in nothing}
        return {**values, "cycle": json.dumps(cycle) if isinstance(cycle, dict) else cycle or ""}

    def look_again(self) -> QueryDict:
        """What to send once more after somebody decided meanwhile: what the person changed, on top
        of what is decided now.
        """
        changed, sent = self.changes, cast(QueryDict, self.data)
        data: QueryDict = sent.copy()
        data["seen"] = self.initial["seen"]
        if not changed.keys() & set(COUNTING):
            data["count"] = next((name for name in COUNTING if self.now[name]), "")
        for name, value in self.now.items():
            if name in changed or name in COUNTING:
                continue
            if isinstance(value, list):
                data.setlist(name, [str(pk) for pk in value])
            elif value or name == "cycle":
                data[name] = "on" if value is True else value
            else:
                data.pop(name, None)
        return data


def _decision_of(newest: ChoiceRecord, pk: str) -> ChoiceRecord | None:
    """An earlier decision about what the newest one is about."""
    rows = ChoiceRecord.objects.for_tenant(newest.tenant)
    return rows.filter(agreement_pk=newest.agreement_pk, line_pk=newest.line_pk, pk=pk).first()


def _plain(value: Any) -> Any:
    """A value to compare: agreements by the texts of their ids."""
    if isinstance(value, bool | str):
        return value
    return {str(getattr(one, "pk", one)) for one in value}


def _as_read(agreement: Agreement) -> str:
    """What it is called that nothing is decided."""
    return "As it was typed" if agreement.is_typed else "As the PSA says"


def _cycle_of(text: str) -> Any:
    return (json.loads(text) if text[:1] == "{" else text) or None


class LineChoicesForm(ChoicesForm):
    """What is decided about a line."""

    field_order = ("count", "cycle", "note")

    @classmethod
    def of(cls, line: AgreementLine, data: Any = None, *, proposed: str = "") -> LineChoicesForm:
        """The form of a line; what is `proposed` is chosen."""
        choices = getattr(line, "choices", None)
        values = {name: bool(getattr(choices, name, False)) for name in COUNTING}
        form = cls(data, auto_id=f"line-{line.pk}-%s")
        form.offer_counting(
            values,
            proposed,
            read=_as_read(line.agreement),
            exclude="Leave this line out",
            force_include="Count it: it recurs, although it looks billed once",
        )
        form.offer_cycles(cycle_text(line.cycle) or line.agreement.cycle_label, choices)
        form.set_out_from(values, newest_decision(line.agreement, line))
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

    field_order = ("count", "assume_renewal", "cycle", "renews", "note")
    assume_renewal = forms.BooleanField(label="Assume that it renews", required=False)
    renews = _AgreementsField(
        label="It replaces",
        required=False,
        queryset=Agreement.objects.none(),
        widget=forms.CheckboxSelectMultiple,
    )

    @property
    def proposed_changes(self) -> dict[str, Any]:
        found = super().proposed_changes
        if proposed := set(self.initial["renews"]) - set(self.now["renews"]):
            field: Any = self.fields["renews"]
            wanted = proposed | set(self.now["renews"])
            found["renews"] = list(field.queryset.filter(pk__in=wanted))
        return found

    @classmethod
    def of(
        cls, agreement: Agreement, data: Any = None, *, proposed: str = "", other: str = ""
    ) -> AgreementChoicesForm:
        """The form of an agreement; what is `proposed` is chosen, for `renews` the `other` one."""
        choices = getattr(agreement, "choices", None)
        names = (*COUNTING, "assume_renewal")
        values = {name: bool(getattr(choices, name, False)) for name in names}
        renews = [one.pk for one in chosen_renewals(agreement, choices)]
        renewal = proposed == "assume_renewal" or values["assume_renewal"]
        also = [id_or_none(other)] if proposed == "renews" else []
        form = cls(
            data,
            initial={
                "assume_renewal": renewal,
                "renews": [*renews, *(pk for pk in also if pk)],
            },
            auto_id=f"agreement-{agreement.pk}-%s",
        )
        beside = "Count it beside what the PSA has"
        form.offer_counting(
            values,
            proposed,
            read=_as_read(agreement),
            exclude="Leave this agreement out",
            force_include=beside
            if agreement.set_aside
            else "Count it in spite of its type or status",
        )
        form.offer_cycles(agreement.cycle_label, choices)
        form.set_out_from({**values, "renews": renews}, newest_decision(agreement, None))
        others = Agreement.objects.filter(
            tenant=agreement.tenant_id,
            company=agreement.company_id,
            integration=agreement.integration_id,
        ).exclude(pk=agreement.pk)
        field: Any = form.fields["renews"]
        field.queryset = others.order_by("start_date", "id")
        return form
