"""Create an API token."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from audit_site.db import walls
from audit_site.errors import FieldErrors
from audit_site.tenants.invitations import invite, is_invited
from audit_site.tenants.members import find_or_add
from audit_site.tenants.models import Role, Tenant
from audit_site.tenants.tokens import ROLE_SCOPES, create_api_token


class Command(BaseCommand):
    help = "Create an API token, and the user in that role if need be; prints one line of JSON."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True)
        parser.add_argument("--email", required=True)
        parser.add_argument("--role", required=True, choices=Role.values)
        parser.add_argument("--scopes", help="comma-separated; left out, all that the role may")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with walls.within(options["tenant"]):
                self._create(Tenant.objects.get(pk=UUID(options["tenant"])), options)
        except (ValueError, Tenant.DoesNotExist):
            raise CommandError("There is no tenant with this id.") from None

    def _create(self, tenant: Tenant, options: dict[str, Any]) -> None:
        role, chosen = options["role"], options["scopes"]
        scopes = ROLE_SCOPES[role] if chosen is None else [s.strip() for s in chosen.split(",")]
        try:
            with transaction.atomic():
                user = find_or_add(tenant=tenant, email=options["email"], role=role)
                if user is not None:
                    _, plain = create_api_token(tenant=tenant, user=user, scopes=scopes)
                elif not is_invited(tenant=tenant, email=options["email"]):
                    invite(tenant=tenant, actor=None, email=options["email"], role=role)
        except FieldErrors as error:
            raise CommandError(" ".join(item["message"] for item in error.errors)) from None
        if user is None:
            raise CommandError(
                f"{options['email']} is known and no member of this tenant: an invitation goes to "
                "them. Make the token once they have accepted."
            )
        self.stdout.write(json.dumps({"token": plain}))
