"""`?dry_run=true`: an endpoint answers as if it had been done, and nothing is done."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Final, TypeVar, cast

from drf_spectacular.types import OpenApiTypes

from audit_site.api.parameters import flag, query
from audit_site.db.dry_run import dry_run

MethodT = TypeVar("MethodT", bound=Callable[..., Any])
DRY_RUN: Final = query(
    "dry_run", OpenApiTypes.BOOL, description="Answer the same, and do nothing of it."
)


def rehearsable(method: MethodT) -> MethodT:
    """Make a viewset's POST honour `?dry_run=true`; its schema declares `DRY_RUN`.

    Stands above `idempotent`, so that no answer of a dry run is kept, and below `limited`.
    """

    @wraps(method)
    def wrapper(view: Any, request: Any, *args: Any, **kwargs: Any) -> Any:
        with dry_run(is_dry=bool(flag(request, "dry_run"))):
            return method(view, request, *args, **kwargs)

    return cast(MethodT, wrapper)
