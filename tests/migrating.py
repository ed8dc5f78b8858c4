"""Tables as a former release had them, and brought over again as `migrate` does it."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.test import override_settings

from audit_site.db.walls.building import build_walls
from audit_site.tenants.change_marks import build_marks
from tests.databases import ROLE


def migrate_back(app: str, name: str) -> None:
    """To the state behind this migration, with all that rests on later ones."""
    MigrationExecutor(connection).migrate([(app, name)])


def migrate_forward() -> None:
    """To the newest state; tables that are made again get their walls, grants and marks."""
    executor = MigrationExecutor(connection)
    executor.migrate(executor.loader.graph.leaf_nodes())
    with override_settings(DATABASE_APPLICATION_ROLE=ROLE):
        build_walls(using="default")
    build_marks(using="default")


def models_behind(app: str, name: str) -> Any:
    """The models of an app as they were behind this migration."""
    return MigrationExecutor(connection).loader.project_state([(app, name)]).apps
