"""Two-factor sign-in, where the library's pages know too little of our rules."""

from __future__ import annotations

from allauth.mfa.adapter import get_adapter
from allauth.mfa.totp.views import DeactivateTOTPView
from allauth.mfa.webauthn.internal import flows
from allauth.mfa.webauthn.views import RemoveWebAuthnView
from django.contrib import messages
from django.forms import Form
from django.http import HttpResponse
from django.shortcuts import redirect

from audit_site.tenants.two_factor import take_away


class TurnOffAppView(DeactivateTOTPView):  # type: ignore[misc]
    """allauth's, which looks again whether it is the last factor at the moment it goes."""

    def form_valid(self, form: Form) -> HttpResponse:
        if not take_away(self.authenticator):
            form.add_error(None, get_adapter().validation_error("cannot_delete_authenticator"))
            refused: HttpResponse = self.form_invalid(form)
            return refused
        answer: HttpResponse = super().form_valid(form)
        return answer


class RemovePasskeyView(RemoveWebAuthnView):  # type: ignore[misc]
    """allauth's, which keeps the last factor of who needs one, as its page of the app does."""

    def form_valid(self, form: Form) -> HttpResponse:
        if not take_away(self.object):
            messages.error(
                self.request, get_adapter().error_messages["cannot_delete_authenticator"]
            )
            return redirect("mfa_index")
        flows.remove_authenticator(self.request, self.object)  # the trail, and the notice
        return redirect(self.get_success_url())
