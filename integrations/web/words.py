"""Pages of what a PSA's words mean: which wait for somebody, saying it, taking it back."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from django.contrib import messages
from django.http import Http404, HttpResponse
from django.shortcuts import redirect, render

from agreements import mrr
from audit_site.errors import DomainError, FieldErrors
from audit_site.pages.views import PageRequest, find, page, tenant_of
from audit_site.tenants.models import Role
from audit_site.tenants.selectors import admins_of
from integrations.models import Integration, PsaWord
from integrations.web.integrations import find_integration
from integrations.web.word_form import WordForm
from integrations.words import saying
from integrations.words.kinds import KINDS, WordKind
from integrations.words.selectors import (
    past_words,
    said_words,
    suggestions,
    waiting_words,
    word_now,
)

#: So many of each are shown; nobody reads more of them at once.
MOST_SHOWN: Final = 200
#: Longer is no word.
MOST_TYPED: Final = 255


@page("GET", section="integrations")
def words(request: PageRequest, pk: UUID) -> HttpResponse:
    """Words that wait for a meaning, and what was said of others and by whom."""
    integration = find_integration(request, pk)
    waiting = waiting_words(integration)
    context = {
        "integration": integration,
        "info": integration.psa_info,
        "waiting": waiting[:MOST_SHOWN],
        "more": len(waiting[MOST_SHOWN:]),
        "said": [_shown(word) for word in said_words(integration)[:MOST_SHOWN]],
        "past": [_shown(word) for word in past_words(integration)[:MOST_SHOWN]],
        "kinds": KINDS.values(),
        "admins": admins_of(tenant_of(request)),
    }
    return render(request, "integrations/words.html", context)


def _shown(word: PsaWord) -> dict[str, Any]:
    """A word with its kind and meaning as pages show them."""
    kind = KINDS[word.kind]
    meaning, at = kind.label(word.meaning), saying.said_at(word)
    return {"row": word, "kind": kind, "meaning": meaning, "at": at}


@page("GET", "POST", section="integrations")
def say(request: PageRequest, pk: UUID) -> HttpResponse:
    """Say what one word means, or change it; what it does is shown before."""
    integration = find_integration(request, pk)
    typed = request.POST if request.method == "POST" else request.GET
    kind = KINDS.get(typed.get("kind", ""))
    if kind is None:
        if request.method == "GET" and "kind" not in typed:
            return redirect("integrations:words", pk)
        raise Http404
    if request.method == "POST":
        return _save(request, integration, kind)
    word = " ".join(request.GET.get("word", "")[:MOST_TYPED].split())
    said = _said(integration, kind, word)
    return _form_page(request, integration, _form(request, integration, kind, word, said), said)


def _said(integration: Integration, kind: WordKind, word: str) -> PsaWord | None:
    rows = said_words(integration, kind.name).select_related("integration__tenant")
    return rows.filter(key=mrr.word_key(word)).first()


def _form(
    request: PageRequest,
    integration: Integration,
    kind: WordKind,
    word: str,
    said: PsaWord | None,
    typed: Any = None,
) -> WordForm:
    return WordForm(
        kind,
        typed,
        word=word,
        said=said,
        now=word_now(integration, kind.name, word) if word else None,
        is_locked=not request.membership.has_role(Role.ADMIN),
    )


def _form_page(
    request: PageRequest,
    integration: Integration,
    form: WordForm,
    said: PsaWord | None,
    status: int = 200,
) -> HttpResponse:
    context = {
        "integration": integration,
        "info": integration.psa_info,
        "form": form,
        "kind": form.kind,
        "now": form.now,
        "said": said,
        "said_label": form.kind.label(said.meaning) if said else "",
        "said_at": saying.said_at(said) if said else "",
        "suggestions": []
        if form.now and not form.is_bound
        else suggestions(integration, form.kind.name),
        "admins": admins_of(tenant_of(request)),
    }
    return render(request, "integrations/say_word.html", context, status=status)


@page("POST", role=Role.ADMIN, section="integrations")
def _save(request: PageRequest, integration: Integration, kind: WordKind) -> HttpResponse:
    word = " ".join(request.POST.get("word", "")[:MOST_TYPED].split())
    said = _said(integration, kind, word)
    form = _form(request, integration, kind, word, said, request.POST)
    if form.is_valid():
        meaning, note = form.said, form.cleaned_data["note"]
        try:
            if said is None:
                row, _ = saying.say_word(
                    integration=integration,
                    actor=request.user,
                    kind=kind.name,
                    word=form.cleaned_data["word"],
                    meaning=meaning,
                    note=note,
                )
            else:
                row = saying.change_word(
                    word=said,
                    actor=request.user,
                    meaning=meaning,
                    note=note,
                    as_shown=request.POST.get("at", ""),
                )
        except FieldErrors as error:
            form.add_field_errors(error)
        except DomainError as error:  # somebody else was quicker
            form.add_error(None, error.sentence)
        else:
            return _said_so(request, row, kind)
    return _form_page(request, integration, form, said, status=422)


def _said_so(request: PageRequest, row: PsaWord, kind: WordKind) -> HttpResponse:
    follows = "Figures and lists follow it." if row.followed_at else "Figures follow in a moment."
    messages.success(request, f"“{row.word}” means: {kind.label(row.meaning)}. {follows}")
    return redirect("integrations:words", row.integration_id)


@page("POST", role=Role.ADMIN, section="integrations")
def undo(request: PageRequest, pk: UUID, word_id: UUID) -> HttpResponse:
    """Take back what was said of a word."""
    rows = said_words(find_integration(request, pk)).select_related("integration__tenant")
    word = find(rows, word_id)
    try:
        saying.undo_word(word=word, actor=request.user, as_shown=request.POST.get("at", ""))
    except DomainError as error:
        messages.warning(request, error.sentence)
    else:
        messages.success(request, f"Taken back: nothing is said of “{word.word}” any more.")
    return redirect("integrations:words", pk)
