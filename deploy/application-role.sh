#!/bin/sh
# The role of web and worker: it signs in, reads and writes rows, and does nothing else.
# PostgreSQL's image runs this once, when it makes the database. In an installation that is older:
#   docker compose exec db sh /docker-entrypoint-initdb.d/application-role.sh
set -eu
exec psql --quiet --set=ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
  --set=password="$POSTGRES_APPLICATION_PASSWORD" <<'SQL'
CREATE ROLE audit_application LOGIN PASSWORD :'password'
  NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
SQL
