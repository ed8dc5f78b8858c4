"""Texts are as long as their columns hold, wherever a length is written."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.apps import apps
from django.db import models

from agreements.models import Agreement, AgreementLine, ChoiceRecord
from audit_site.db.lengths import fitted, length_of
from companies.api.serializers import (
    CompanyCreateSerializer,
    CompanyUpdateSerializer,
    ContactWriteSerializer,
    ImportSerializer,
    LinkWriteSerializer,
)
from companies.models import Company, Contact
from companies.services import CONTACT_FIELDS
from companies.web.forms import CompanyForm
from integrations.models import (
    CompanyLink,
    ImportBatchRow,
    Issue,
    LinkPreview,
    PsaCompanyRecord,
    PsaContactRecord,
    SyncEvent,
)
from integrations.psa.decoding import MOST_ID_LENGTH, MOST_NAME_LENGTH

ROOT = Path(__file__).resolve().parents[3]


def test_a_text_is_cut_to_its_column() -> None:
    assert length_of(Contact, "phone") == 100
    assert fitted(Contact, "phone", "5" * 101) == "5" * 100
    assert fitted(Contact, "phone", "555") == "555"


def test_a_column_without_a_limit_cuts_nothing() -> None:
    with pytest.raises(ValueError, match=r"^Issue.message has no limit$"):
        length_of(Issue, "message")


IDS: list[tuple[type[models.Model], str]] = [
    (PsaCompanyRecord, "external_id"),
    (PsaCompanyRecord, "merged_into"),
    (PsaCompanyRecord, "default_contact_id"),
    (PsaCompanyRecord, "primary_contact_id"),
    (PsaContactRecord, "external_id"),
    (PsaContactRecord, "company_external_id"),
    (Contact, "external_id"),
    (CompanyLink, "external_id"),
    (ImportBatchRow, "external_id"),
    (SyncEvent, "external_id"),
    (LinkPreview, "external_id"),
    (Issue, "external_id"),
    (Issue, "company_external_id"),
    (Agreement, "external_id"),
    (Agreement, "parent_external_id"),
    (AgreementLine, "external_id"),
    (ChoiceRecord, "external_id"),
]
NAMES: list[tuple[type[models.Model], str]] = [
    (PsaCompanyRecord, "name"),
    (Company, "name"),
    (Agreement, "name"),
    (SyncEvent, "name"),
    (Issue, "name"),
]


@pytest.mark.parametrize(("model", "field"), IDS)
def test_ids_of_a_psa_fit_wherever_they_are_stored(model: type[models.Model], field: str) -> None:
    assert length_of(model, field) == MOST_ID_LENGTH


def test_no_column_for_an_id_of_a_psa_is_left_out() -> None:
    named = re.compile(r"external_id|merged_into|(default|primary)_contact_id")

    found = {
        (model.__name__, field.name)
        for model in apps.get_models()
        for field in model._meta.concrete_fields
        if isinstance(field, models.CharField) and named.search(field.name)
    }

    assert found == {(model.__name__, field) for model, field in IDS}


@pytest.mark.parametrize(("model", "field"), NAMES)
def test_names_of_a_psa_fit_wherever_they_are_stored(model: type[models.Model], field: str) -> None:
    assert length_of(model, field) == MOST_NAME_LENGTH


@pytest.mark.parametrize("name", CONTACT_FIELDS)
def test_a_contact_may_be_as_long_as_what_a_psa_shows(name: str) -> None:
    typed, sent = CompanyForm().fields[name], ContactWriteSerializer().fields[name]

    assert length_of(Contact, name) == length_of(PsaContactRecord, name)
    assert length_of(Contact, name) == typed.max_length == sent.max_length


@pytest.mark.parametrize(
    ("serializer", "field", "model", "column"),
    [
        (CompanyCreateSerializer, "name", Company, "name"),
        (CompanyUpdateSerializer, "name", Company, "name"),
        (LinkWriteSerializer, "external_id", CompanyLink, "external_id"),
        (ImportSerializer, "external_ids", PsaCompanyRecord, "external_id"),
    ],
)
def test_what_rest_takes_fits_into_its_column(
    serializer: Any, field: str, model: type[models.Model], column: str
) -> None:
    declared = serializer().fields[field]
    declared = getattr(declared, "child", declared)

    assert declared.max_length == length_of(model, column)
