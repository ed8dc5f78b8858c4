"""Errors that only REST knows."""

from __future__ import annotations

from typing import Any

from rest_framework.exceptions import APIException

from audit_site.error_codes import CODES


class PreconditionFailed(APIException):
    """What `If-Match` names is not there any more; `current` is what there is, None = nothing."""

    status_code, default_code = 412, "precondition_failed"
    default_detail = CODES["precondition_failed"].meaning

    def __init__(self, current: Any) -> None:
        super().__init__()
        self.current = current
