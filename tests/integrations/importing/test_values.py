"""From the contract's records to columns: every field has its place, every text fits."""

from __future__ import annotations

from dataclasses import fields
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from agreements.models import Agreement, AgreementLine
from companies.models import Contact
from integrations.importing.record_store import COLUMNS, contact_values, values_of
from integrations.models import PsaCompanyRecord, PsaContactRecord
from integrations.psa.contract import (
    PsaAgreement,
    PsaAgreementLine,
    PsaCompany,
    PsaContact,
    PsaUnits,
)

PAIRS: list[tuple[Any, type[models.Model]]] = [
    (PsaCompany("7", "Firm"), PsaCompanyRecord),
    (PsaContact("1", "7"), PsaContactRecord),
    (PsaAgreement("20", "7"), Agreement),
    (PsaAgreementLine("300"), AgreementLine),
]
LONG = "x" * 600


@pytest.mark.parametrize(("record", "model"), PAIRS)
def test_every_field_has_a_column_or_is_named_as_one_without(
    record: Any, model: type[models.Model]
) -> None:
    columns = {field.name for field in model._meta.concrete_fields}
    left_out = {
        name for (kind, name), column in COLUMNS.items() if kind is type(record) and column is None
    }

    values = values_of(record, model)

    assert set(values) <= columns
    assert len(values) == len(fields(record)) - len(left_out)


def test_a_company_is_stored_under_the_names_of_the_contract() -> None:
    company = PsaCompany("7", "Firm", status=LONG, type=LONG, url=LONG, is_own=True)

    assert values_of(company, PsaCompanyRecord) == {
        "external_id": "7",
        "name": "Firm",
        "status": "x" * 100,
        "type": "x" * 255,
        "is_active": True,
        "is_deleted": False,
        "is_merged": False,
        "is_own": True,
        "default_contact_id": "",
        "url": "x" * 500,
        "changed_at": None,
    }


def test_a_contact_names_its_company_by_the_psas_id() -> None:
    person = PsaContact("1", "7", "Ada", "Lovelace", email=LONG, phone=LONG)

    assert values_of(person, PsaContactRecord) == {
        "external_id": "1",
        "company_external_id": "7",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "email": "x" * 254,
        "phone": "x" * 100,
        "is_active": True,
        "is_default": False,
        "changed_at": None,
    }


def test_an_agreement_leaves_out_what_is_no_column_of_it() -> None:
    agreement = PsaAgreement(
        "20",
        "7",
        name="Care",
        type=LONG,
        status=LONG,
        currency=LONG,
        cycle={"every": 18, "unit": "month"},
        cycle_label=LONG,
        amount=Decimal("10.50"),
        parent_id="19",
        renews=("18",),
        withheld=True,
        lines=(PsaAgreementLine("300"),),
    )

    assert values_of(agreement, Agreement) == {
        "external_id": "20",
        "name": "Care",
        "type": "x" * 255,
        "status": "x" * 100,
        "currency": "x" * 100,
        "start_date": None,
        "end_date": None,
        "no_end": False,
        "cancelled": None,
        "cancelled_date": None,
        "recurring": None,
        "active": None,
        "cycle": {"every": 18, "unit": "month"},
        "cycle_label": "x" * 100,
        "amount": Decimal("10.50"),
        "parent_external_id": "19",
        "renews_external_ids": ["18"],
        "incomplete": False,
        "changed_at": None,
    }


def test_a_line_has_its_units_as_plain_values() -> None:
    units = (PsaUnits(date(2026, 1, 1), units=Decimal(3), unit_price=Decimal("2.50")),)
    line = PsaAgreementLine("300", description=LONG, product=LONG, bill=LONG, units=units)

    assert values_of(line, AgreementLine) == {
        "external_id": "300",
        "kind": "addition",
        "description": "x" * 255,
        "product": "x" * 255,
        "quantity": None,
        "unit_price": None,
        "less_included": None,
        "bill": "x" * 40,
        "start_date": None,
        "end_date": None,
        "cycle": None,
        "one_time": None,
        "units": [
            {
                "start_date": "2026-01-01",
                "end_date": None,
                "units": "3",
                "unit_price": "2.50",
                "amount": None,
            }
        ],
    }


def test_a_record_for_another_table_is_refused() -> None:
    with pytest.raises(FieldDoesNotExist):
        values_of(PsaCompany("7", "Firm"), Contact)


def test_our_contact_is_what_was_stored_of_the_psas() -> None:
    person = PsaContactRecord(external_id="1", first_name="Ada", phone="555", is_active=False)

    assert contact_values(person, "company") == {
        "company_id": "company",
        "external_id": "1",
        "first_name": "Ada",
        "last_name": "",
        "email": "",
        "phone": "555",
        "is_active": False,
    }
