"""Pages are compressed on the way; answers of the API are left to the proxy in front."""

from __future__ import annotations

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.middleware.gzip import GZipMiddleware


class PageCompressionMiddleware(GZipMiddleware):
    """Compress pages.

    Tokens against forgery are masked anew in each page, and Django adds bytes at random, so that
    lengths tell nothing of what is inside.
    """

    def process_response(
        self, request: HttpRequest, response: HttpResponseBase
    ) -> HttpResponseBase:
        if request.path_info.startswith("/api/"):  # a compressed answer has another ETag
            return response
        return super().process_response(request, response)
