"""What PostgreSQL's catalogue says of our tables, in the schema that they are made in."""

from __future__ import annotations

from typing import Final

COLUMNS: Final = """
SELECT c.relname, a.attname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
WHERE c.relkind = 'r'
    AND c.relnamespace = current_schema()::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
"""
#: Whose the tables are; of none yet, of the one that makes them.
OWNER: Final = """
SELECT coalesce((SELECT tableowner FROM pg_tables
    WHERE schemaname = current_schema() AND tablename = 'tenants_tenant'), current_user)::text
"""
POLICIES: Final = """
SELECT c.relname, p.polname, coalesce(obj_description(p.oid, 'pg_policy'), '')
FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
WHERE c.relkind = 'r'
    AND c.relnamespace = current_schema()::regnamespace AND starts_with(p.polname::text, 'wall_')
"""
SECURED: Final = """
SELECT c.relname FROM pg_class c
WHERE c.relrowsecurity AND c.relforcerowsecurity AND c.relkind = 'r'
    AND c.relnamespace = current_schema()::regnamespace
"""
INDEXES: Final = """
SELECT i.relname FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class c ON c.oid = x.indrelid WHERE c.relkind = 'r'
    AND c.relnamespace = current_schema()::regnamespace AND x.indisunique AND x.indisvalid
"""
KEYS: Final = """
SELECT c.relname, k.conname, k.convalidated, array(
    SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS n(number, place)
    JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.number ORDER BY n.place)
FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid WHERE c.relkind = 'r'
    AND c.relnamespace = current_schema()::regnamespace AND k.contype = 'f'
"""
DISCREETNESS: Final = """
SELECT f.name, p.proleakproof FROM unnest(%s) AS f(name)
JOIN pg_proc p ON p.oid = ('pg_catalog.' || f.name)::regprocedure
"""
IS_SUPERUSER: Final = "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"
#: A role that owns the tables needs no grants.
ROLE_EXISTS: Final = """
SELECT NOT EXISTS (SELECT FROM pg_class c WHERE c.relkind = 'r'
    AND c.relnamespace = current_schema()::regnamespace AND c.relowner = r.oid)
FROM pg_roles r WHERE r.rolname = %s
"""
GRANTED: Final = """
SELECT c.relname, array_agg(g.privilege_type::text) FROM pg_class c, aclexplode(c.relacl) g
WHERE c.relkind = 'r'
    AND c.relnamespace = current_schema()::regnamespace
    AND g.grantee = (SELECT oid FROM pg_roles WHERE rolname = %s)
GROUP BY c.relname
"""
SCHEMA: Final = """
SELECT current_schema(), has_schema_privilege(%s, current_schema(), 'USAGE'),
    has_schema_privilege(%s, current_schema(), 'CREATE'),
    EXISTS (SELECT FROM pg_sequences s WHERE s.schemaname = current_schema()
        AND NOT has_sequence_privilege(%s, format('%%I.%%I', schemaname, sequencename), 'USAGE'))
"""
