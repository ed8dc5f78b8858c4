"""What Autotask keeps apart from the records: labels of picklists, catalogue, currencies."""

from __future__ import annotations

from agreements.mrr.currencies import currency_code
from integrations.adapters.autotask.api import AutotaskApi
from integrations.adapters.autotask.wire import EntityFields, Pick, WireCatalogue
from integrations.psa.decoding import clean
from integrations.psa.errors import PsaBadResponse, PsaRefused


class Lookups:
    """Reads each table once, when it is first needed."""

    def __init__(self, api: AutotaskApi) -> None:
        self._api = api
        self._picklists: dict[str, dict[str, dict[str, str]]] = {}
        self._catalogues: dict[str, dict[int, str]] = {}
        self._currencies: dict[int, str] | None = None

    def label(self, entity: str, field_name: str, value: Pick) -> str:
        """A picklist's label, as this tenant named it. Values are texts there, numbers here."""
        if value is None:
            return ""
        return self._picklist(entity).get(field_name.casefold(), {}).get(str(value), "")

    def _picklist(self, entity: str) -> dict[str, dict[str, str]]:
        """Labels by field and value; none where they are refused: they only name the numbers."""
        if entity not in self._picklists:
            path = f"{entity}/entityInformation/fields"
            try:
                found = self._api.get(path, EntityFields, entity).fields or []
            except (PsaRefused, PsaBadResponse):
                found = []
            self._picklists[entity] = {
                clean(item.name).casefold(): {
                    str(choice.value): clean(choice.label) for choice in item.picklist_values
                }
                for item in found
                if item.picklist_values
            }
        return self._picklists[entity]

    def product(self, catalogue: str, product_id: int | None) -> str:
        """The name of a service or bundle; "" without it, and then a line has its own text."""
        if catalogue not in self._catalogues:
            try:
                self._catalogues[catalogue] = self._names_of(catalogue)
            except PsaRefused:
                self._catalogues[catalogue] = {}
        return self._catalogues[catalogue].get(product_id or 0, "")

    def currency(self, currency_id: int | None) -> str:
        """The code of a currency, else the word that its table has for it; "" = there is none.

        The table's name is the code, by Autotask's own page: another text is not read as one.
        """
        if currency_id is None:
            return ""
        word = self._currency_names().get(currency_id) or f"currency {currency_id}"
        return currency_code(word) or word

    def knows_currencies(self) -> bool:
        return bool(self._currency_names())

    def _currency_names(self) -> dict[int, str]:
        if self._currencies is None:
            try:
                names = self._names_of("Currencies")
            except PsaRefused as error:
                if error.code != "permission_denied":
                    raise
                names = {}
            self._currencies = names
        return self._currencies

    def _names_of(self, entity: str) -> dict[int, str]:
        pages = self._api.pages(
            entity, None, WireCatalogue, fields=("id", "name"), is_counted=False
        )
        return {raw.id: clean(raw.name) for page in pages for raw in page.records}
