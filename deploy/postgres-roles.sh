#!/bin/sh
# Make the two roles of myapp and its database; PostgreSQL's image runs it once, as the
# superuser, when its volume is empty (compose.yaml). The owner migrates the tables; the
# application is bound by their row-level security.
set -eu

psql --quiet --no-psqlrc --set=ON_ERROR_STOP=1 --username="${POSTGRES_USER:-postgres}" \
    --dbname=postgres --set=owner="$OWNER_PASSWORD" \
    --set=application="$APPLICATION_PASSWORD" <<'SQL'
CREATE ROLE myapp_owner LOGIN PASSWORD :'owner';
CREATE ROLE myapp LOGIN PASSWORD :'application';
CREATE DATABASE myapp OWNER myapp_owner;
SQL
