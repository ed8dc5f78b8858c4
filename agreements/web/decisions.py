"""Pages on which people decide about agreements and lines, and take it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse

from agreements.decisions import NO_FIGURE, choose, label_of, say_right, undo
from agreements.effects import effects_of
from agreements.models import Agreement, AgreementLine, ChoiceRecord
from agreements.mrr.doubts import POSSIBLE_OVERLAP
from agreements.to_check import doubts_about, settled_with
from agreements.web.forms import (
    AgreementChoicesForm,
    ChoicesForm,
    LineChoicesForm,
)
from agreements.web.mrr_page import decisions_about
from audit_site.errors import DomainError
from audit_site.ids import id_or_none
from audit_site.pages.views import PageRequest, find, page, tenant_of, way_back
from audit_site.tenants.models import Role

#: The code of a "no" to what was chosen on a page that is out of date.
MEANWHILE: Final = "decided_meanwhile"


@page("GET", "POST", role=Role.MEMBER, section="companies")
def agreement_choices(request: PageRequest, pk: UUID) -> HttpResponse:
    """Decide about an agreement; the page also shows what was decided before."""
    rows = Agreement.objects.for_tenant(tenant_of(request))
    agreement = find(rows.select_related("tenant", "company", "choices"), pk)
    data = request.POST if request.method == "POST" else None
    proposed, other = (request.GET.get(name, "") for name in ("choose", "other"))
    form = AgreementChoicesForm.of(agreement, data, proposed=proposed, other=other)
    return _answer(request, agreement, None, form)


@page("GET", "POST", role=Role.MEMBER, section="companies")
def line_choices(request: PageRequest, pk: UUID) -> HttpResponse:
    """Decide about one line of an agreement."""
    rows = AgreementLine.objects.for_tenant(tenant_of(request))
    line = find(rows.select_related("agreement__tenant", "agreement__company", "choices"), pk)
    data = request.POST if request.method == "POST" else None
    form = LineChoicesForm.of(line, data, proposed=request.GET.get("choose", ""))
    return _answer(request, line.agreement, line, form)


def _answer(
    request: PageRequest, agreement: Agreement, line: AgreementLine | None, form: ChoicesForm
) -> HttpResponse:
    """Decide, or show with `effect` what the decision would do; else the form, which may propose
    something.
    """
    is_asked = "effect" in request.POST
    if request.method == "POST" and not is_asked and form.is_valid():
        try:
            record = choose(
                agreement=agreement,
                line=line,
                actor=request.user,
                changes=form.changes,
                note=form.cleaned_data["note"],
                seen=form.seen_decision,
            )
            return _decided(request, agreement, record)
        except DomainError as error:
            if error.code == MEANWHILE:
                return _look_again(request, agreement, line, form, error)
            form.add_refusal(error)
    context: dict[str, Any] = {"agreement": agreement, "line": line, "form": form}
    context |= _effect(agreement, line, form, is_asked=is_asked)
    context["next"] = way_back(request)
    if is_asked and request.htmx:
        return render(request, "agreements/_effect.html", context)
    if request.method == "GET" and request.htmx:  # opens below its row
        return render(request, "agreements/_decide.html", {**context, "is_panel": True})
    status = 422 if form.is_bound and not (is_asked and form.is_valid()) else 200
    context |= _history(agreement, line)
    return render(request, "agreements/decide.html", context, status=status)


def _effect(
    agreement: Agreement, line: AgreementLine | None, form: ChoicesForm, *, is_asked: bool
) -> dict[str, Any]:
    """What the decision would do: the one that is asked about, or the one that is proposed."""
    changes = {} if form.is_bound else form.proposed_changes
    if form.is_bound and not form.errors.keys() - {"note"}:
        changes = form.changes
    elif not changes:
        return {}
    try:
        effects = effects_of(agreement=agreement, line=line, changes=changes)
    except DomainError as error:
        if form.is_bound:
            form.add_refusal(error)
        return {}
    return {"effects": effects, "is_worked_out": True}


def _look_again(
    request: PageRequest,
    agreement: Agreement,
    line: AgreementLine | None,
    form: ChoicesForm,
    error: DomainError,
) -> HttpResponse:
    """Somebody decided meanwhile: what the person changed stands on top of that, to look at."""
    data = form.look_again()
    again = LineChoicesForm.of(line, data) if line else AgreementChoicesForm.of(agreement, data)
    again.add_refusal(error)
    context = {"agreement": agreement, "form": again, **_history(agreement, line)}
    context["next"] = way_back(request)
    return render(request, "agreements/decide.html", context, status=error.status)


def _history(agreement: Agreement, line: AgreementLine | None) -> dict[str, Any]:
    rows = Agreement.objects.for_tenant(agreement.tenant).filter(company=agreement.company_id)
    decisions = decisions_about(agreement.tenant, list(rows.order_by("id")))
    return {
        "line": line,
        "records": decisions.history.get(line.pk if line else agreement.pk, ()),
        "replaced_by": () if line else decisions.replaced_by.get(agreement.pk, ()),
        "labels": decisions.labels,
    }


def _decided(
    request: PageRequest, agreement: Agreement, record: ChoiceRecord | None
) -> HttpResponse:
    if record is None:
        messages.info(request, "Nothing changed: it was decided already.")
    else:
        _say_done(request, f"Decided about {_about(record)}. The figures follow it.", record)
    return _go_on(request, agreement)


def _say_done(request: PageRequest, text: str, record: ChoiceRecord, *also: ChoiceRecord) -> None:
    """Say what was done, with the one undo of it all."""
    undo_at = reverse("agreements:undo-choice", args=[record.pk])
    if also:
        undo_at += "?" + urlencode({"also": [one.pk for one in also]}, doseq=True)
    messages.success(request, text, extra_tags=undo_at)


def _about(record: ChoiceRecord) -> str:
    """What a decision is about: an agreement among others of its name, or a line of one."""
    whole = label_of(record.agreement) if record.agreement else record.name
    return f"{record.line} of {whole}" if record.line else whole


def _go_on(request: PageRequest, agreement: Agreement) -> HttpResponse:
    """The list that the person came from, or else the page of the figure."""
    mrr_address = reverse("agreements:company-mrr", args=[agreement.company_id])
    return redirect(way_back(request) or mrr_address)


@page("POST", role=Role.MEMBER, section="companies")
def agreement_is_right(request: PageRequest, pk: UUID) -> HttpResponse:
    """What is warned of at an agreement is right as it is."""
    rows = Agreement.objects.for_tenant(tenant_of(request)).select_related("tenant", "company")
    return _said_right(request, find(rows, pk), None)


@page("POST", role=Role.MEMBER, section="companies")
def line_is_right(request: PageRequest, pk: UUID) -> HttpResponse:
    """What is warned of at a line is right as it is."""
    rows = AgreementLine.objects.for_tenant(tenant_of(request))
    line = find(rows.select_related("agreement__tenant", "agreement__company"), pk)
    return _said_right(request, line.agreement, line)


def _said_right(
    request: PageRequest, agreement: Agreement, line: AgreementLine | None
) -> HttpResponse:
    code = request.POST.get("code", "")
    records = []
    if code in doubts_about(agreement, line):
        others = settled_with(agreement) if code == POSSIBLE_OVERLAP else ()
        for one, its_line in ((agreement, line), *((other, None) for other in others)):
            said = say_right(agreement=one, line=its_line, code=code, actor=request.user)
            records += [said] if said else []
    if records:
        about = " and ".join(_about(record) for record in records)
        text = f"Noted that {about} {'is' if len(records) == 1 else 'are'} right."
        _say_done(request, text, *records)
    else:
        messages.info(request, "Nothing like that is warned of here any more.")
    return _go_on(request, agreement)


@page("POST", role=Role.MEMBER, section="companies")
def undo_choice(request: PageRequest, pk: UUID) -> HttpResponse:
    """Put back what a decision changed, and what `also` was decided by the one act."""
    rows = ChoiceRecord.objects.for_tenant(tenant_of(request)).exclude(agreement=None)
    rows = rows.select_related("tenant", "agreement__tenant", "line")
    also = [found for text in request.GET.getlist("also") if (found := id_or_none(text))]
    records = [find(rows, one) for one in (pk, *also)]
    undone = [made for one in records if (made := undo(record=one, actor=request.user))]
    if undone:
        messages.success(request, " ".join(["Undone.", *_after_undo(undone[0])]))
    else:
        messages.info(request, "It was undone already.")
    agreement: Agreement = records[0].agreement  # type: ignore[assignment]
    return _go_on(request, agreement)


def _after_undo(record: ChoiceRecord) -> Iterator[str]:
    """What follows what an undo put back."""
    before, after = record.before, record.after
    changed = {name for name in after if (before.get(name) or None) != (after[name] or None)}
    if changed - NO_FIGURE:
        yield "The figures follow it."
    if "right" in changed:
        is_right = set(after["right"] or ()) - set(before.get("right") or ())
        yield "It is said to be right again." if is_right else "It is in doubt again."
