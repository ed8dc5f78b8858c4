"""The form with which an admin says what a word means."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Final

from django import forms

from agreements import mrr
from agreements.mrr.cycles import MOST_EVERY, read_cycle
from agreements.mrr.words import CYCLE
from audit_site.db.lengths import length_of
from audit_site.errors import FieldErrors
from integrations.models import PsaWord
from integrations.words.kinds import WordKind
from integrations.words.saying import MOST_NOTE_LENGTH
from integrations.words.selectors import WaitingWord

#: The choice of a cycle that the two fields beside it say.
EVERY: Final = "every"
UNITS: Final = [("day", "days"), ("week", "weeks"), ("month", "months"), ("year", "years")]


class WordForm(forms.Form):
    """A word of one kind, its meaning, and why. `now` is what has it and waits for it so far."""

    word = forms.CharField(label="Word", max_length=length_of(PsaWord, "word"))
    meaning = forms.ChoiceField(label="Means")
    every = forms.IntegerField(
        label="Every",
        min_value=1,
        max_value=MOST_EVERY,
        required=False,
        help_text="Only where you chose “Every …”: 18 and months, for example.",
    )
    unit = forms.ChoiceField(label="Unit", choices=UNITS, required=False, initial="month")
    note = forms.CharField(label="Why", required=False, max_length=MOST_NOTE_LENGTH)

    def __init__(
        self,
        kind: WordKind,
        data: Mapping[str, Any] | None = None,
        *,
        word: str = "",
        said: PsaWord | None = None,
        now: WaitingWord | None = None,
        is_locked: bool = False,
    ) -> None:
        super().__init__(data, initial={"word": word, **(_values_of(said) if said else {})})
        self.kind, self.now = kind, now
        field: Any = self.fields["meaning"]
        field.choices = [("", "Choose…"), *self._choices()]
        if kind.name != CYCLE:
            del self.fields["every"], self.fields["unit"]
        for name, bound in self.fields.items():
            bound.disabled = is_locked
            is_select = isinstance(bound.widget, forms.Select)
            bound.widget.attrs["class"] = "form-select" if is_select else "form-control"
            bound.widget.attrs["autocomplete"] = "off"
            if name == "word":
                bound.widget.attrs |= (
                    {"readonly": True} if word and data is None else {"list": "words"}
                )

    def _choices(self) -> list[tuple[str, str]]:
        choices = [(value, f"{label}{self._brings(value)}") for value, label in self.kind.choices]
        if self.kind.name == CYCLE:
            choices.append((EVERY, "Every … (below)"))
        return choices

    def _brings(self, value: str) -> str:
        """What a cycle would make of the one amount that waits: ` = USD 33.33 a month`."""
        cycle = read_cycle(value) if self.kind.name == CYCLE else None
        money = self.now.money if self.now else []
        if cycle is None or cycle.factor is None or len(money) != 1:
            return ""
        amount = Fraction(money[0]["amount"]) * cycle.factor
        return f" = {money[0]['currency']} {mrr.money_text(money[0]['currency'], amount)} a month"

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or {}
        if values.get("meaning") == EVERY and not values.get("every"):
            self.add_error("every", "Type how many: every 18 months, for example.")
        return values

    @property
    def said(self) -> Any:
        """What was chosen, as the service takes it."""
        chosen = self.cleaned_data["meaning"]
        if chosen != EVERY:
            return chosen
        return {"every": self.cleaned_data["every"], "unit": self.cleaned_data["unit"]}

    def add_field_errors(self, error: FieldErrors) -> None:
        """Show the service's errors at their fields."""
        for entry in error.errors:
            name = entry["field"]
            self.add_error(name if name in self.fields else None, entry["message"])


def _values_of(said: PsaWord) -> dict[str, Any]:
    """What the form shows of a word that was said before."""
    values = {"word": said.word, "note": said.note}
    if isinstance(said.meaning, Mapping):
        return {**values, "meaning": EVERY, **said.meaning}
    return {**values, "meaning": said.meaning}
