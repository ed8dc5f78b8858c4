"""What each answer tells browsers: keep nothing that is somebody's, use no more than needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest
from django.http.response import HttpResponseBase

NOTHING_ALLOWED: Final = (
    *("accelerometer", "autoplay", "browsing-topics", "camera", "display-capture"),
    *("encrypted-media", "fullscreen", "geolocation", "gyroscope", "hid", "idle-detection"),
    *("magnetometer", "microphone", "midi", "payment", "screen-wake-lock", "serial", "usb"),
    *("xr-spatial-tracking",),
)
#: What pages use themselves: passkeys, and buttons that copy.
OURS_ALLOWED: Final = (
    *("clipboard-write", "publickey-credentials-create", "publickey-credentials-get"),
)
PERMISSIONS_POLICY: Final = ", ".join(
    [f"{name}=()" for name in NOTHING_ALLOWED] + [f"{name}=(self)" for name in OURS_ALLOWED]
)


class ResponseHeadersMiddleware:
    """Adds the headers that hold for all answers.

    What nobody gave a lifetime (pages and answers of the API; files have one) is stored nowhere.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self._get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        response = self._get_response(request)
        response.setdefault("Cache-Control", "no-store")
        response.setdefault("Permissions-Policy", PERMISSIONS_POLICY)
        response.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        return response
