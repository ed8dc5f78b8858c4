"""The database's own part of the audit trail: it links each event, and refuses every change.

PostgreSQL links at the end of the transaction (a deferred trigger), under an advisory lock for the
tenant: nobody holds that lock while work is still being done, so that it is in no circle of locks.
SQLite has one writer, so that it links at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

#: PostgreSQL's: said within a transaction, and heeded only for the role that owns the tables.
SETTING: Final = "audit.maintenance"

_LINK_ON_POSTGRESQL: Final = """
CREATE FUNCTION audit_link() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = public, pg_temp
AS $$
DECLARE
    asking text := coalesce(current_setting('audit.tenant', true), '');
    last bigint;
    previous text;
BEGIN
    -- links of one tenant can be seen and written, where row-level security is on
    PERFORM set_config('audit.tenant', NEW.tenant_id::text, true);
    PERFORM pg_advisory_xact_lock(hashtextextended('audit ' || NEW.tenant_id::text, 0));
    SELECT number, hash INTO last, previous FROM tenants_auditlink
        WHERE tenant_id = NEW.tenant_id ORDER BY number DESC LIMIT 1;
    last := coalesce(last, 0);
    previous := coalesce(previous, repeat('0', 64));
    INSERT INTO tenants_auditlink (id, tenant_id, number, at, content_hash, hash) VALUES (
        NEW.id, NEW.tenant_id, last + 1, NEW.at, NEW.content_hash,
        encode(sha256(convert_to(
            previous || ' ' || (last + 1)::text || ' ' || NEW.content_hash, 'UTF8'
        )), 'hex')
    );
    PERFORM set_config('audit.tenant', asking, true);
    RETURN NULL;
END
$$;
REVOKE ALL ON FUNCTION audit_link() FROM PUBLIC;
CREATE CONSTRAINT TRIGGER audit_link AFTER INSERT ON tenants_auditevent
    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION audit_link();
"""

_REFUSE_ON_POSTGRESQL: Final = """
CREATE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql
SET search_path = public, pg_temp
AS $$
DECLARE
    is_owner boolean := pg_has_role(current_user, (
        SELECT relowner FROM pg_catalog.pg_class WHERE oid = TG_RELID), 'USAGE');
BEGIN
    IF is_owner AND current_setting('audit.maintenance', true) = 'on' THEN
        IF TG_OP = 'UPDATE' OR TG_OP = 'INSERT' THEN
            RETURN NEW;
        END IF;
        RETURN OLD;
    END IF;
    -- the function above is the owner's, and runs inside of a trigger
    IF TG_OP = 'INSERT' AND is_owner AND pg_trigger_depth() > 1 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION 'The audit trail is append-only.' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER audit_refuse BEFORE UPDATE OR DELETE ON tenants_auditevent
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_refuse_truncate BEFORE TRUNCATE ON tenants_auditevent
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_refuse BEFORE INSERT OR UPDATE OR DELETE ON tenants_auditlink
    FOR EACH ROW EXECUTE FUNCTION audit_refuse();
CREATE TRIGGER audit_refuse_truncate BEFORE TRUNCATE ON tenants_auditlink
    FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
"""

_DROP_ON_POSTGRESQL: Final = """
DROP FUNCTION audit_link() CASCADE;
DROP FUNCTION audit_refuse() CASCADE;
"""

#: `SHA256` is a function that Django gives to SQLite.
_LINK_ON_SQLITE: Final = """
CREATE TRIGGER audit_link AFTER INSERT ON tenants_auditevent BEGIN
    INSERT INTO tenants_auditlink (id, tenant_id, number, at, content_hash, hash)
    SELECT NEW.id, NEW.tenant_id, head.number + 1, NEW.at, NEW.content_hash,
           SHA256(head.hash || ' ' || (head.number + 1) || ' ' || NEW.content_hash)
    FROM (
        SELECT number, hash FROM (
            SELECT number, hash FROM tenants_auditlink WHERE tenant_id = NEW.tenant_id
            UNION ALL
            SELECT 0, '0000000000000000000000000000000000000000000000000000000000000000'
        ) ORDER BY number DESC LIMIT 1
    ) AS head;
END
"""
_REFUSE_ON_SQLITE: Final = {
    f"{table}_refuse_{act}": f"CREATE TRIGGER {table}_refuse_{act} BEFORE {act} ON {table} "
    f"BEGIN SELECT RAISE(ABORT, 'The audit trail is append-only.'); END"
    for table in ("tenants_auditevent", "tenants_auditlink")
    for act in ("UPDATE", "DELETE")
}


def create_triggers(connection: Any) -> None:
    """Make the trail link and refuse. Its tables are there, and empty or linked already."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_LINK_ON_POSTGRESQL)
            cursor.execute(_REFUSE_ON_POSTGRESQL)
            return
        cursor.execute(_LINK_ON_SQLITE)
        for statement in _REFUSE_ON_SQLITE.values():
            cursor.execute(statement)


def drop_triggers(connection: Any) -> None:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(_DROP_ON_POSTGRESQL)
            return
        for name in ("audit_link", *_REFUSE_ON_SQLITE):
            cursor.execute(f"DROP TRIGGER {name}")


@contextmanager
def without_refusals(connection: Any) -> Iterator[None]:
    """Inside, within the transaction that goes on, the owner of the tables may change the trail."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config(%s, 'on', true)", [SETTING])
        else:
            for name in _REFUSE_ON_SQLITE:
                cursor.execute(f"DROP TRIGGER {name}")
    yield
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT set_config(%s, 'off', true)", [SETTING])
        else:
            for statement in _REFUSE_ON_SQLITE.values():
                cursor.execute(statement)
