"""The second lock, looked at by itself: what PostgreSQL guards, whatever the code does.

That it holds alone through every operation is in `test_tenancy.py`.
"""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Connection, MetaData, Table, select, text
from sqlalchemy.exc import ProgrammingError

from myapp import db
from tests.actors import Actor
from tests.resources import make_everything
from tests.stores import on_postgresql


@pytest.fixture
def tables(app: Flask) -> list[Table]:
    """Every table and view of the database but the one that alembic keeps."""
    found = MetaData()
    found.reflect(app.extensions["myapp"].engine, views=True)
    return [table for table in found.sorted_tables if table.name != "alembic_version"]


@pytest.fixture
def connection(app: Flask) -> Iterator[Connection]:
    """A connection of the application's role, for nobody yet."""
    with app.extensions["myapp"].engine.connect() as connection:
        yield connection


@pytest.fixture
def rows(acme: Actor, rival: Actor) -> None:
    """Rows of both accounts in every table."""
    for actor in (acme, rival):
        make_everything(actor, f"row-{uuid4().hex[:8]}")


def owner(table: Table) -> Any:
    """Return the column that says whose a row is; an account is its own."""
    return table.c.id if table.name == "accounts" else table.c.account_id


def owners(connection: Connection, table: Table) -> set[UUID]:
    """Return whose rows a connection sees."""
    return set(connection.scalars(select(owner(table))))


def catalogue(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on PostgreSQL's catalogue."""
    return [tuple(row) for row in connection.execute(text(query))]


# --- the catalogue


@on_postgresql
def test_every_table_forces_row_security(connection, tables):
    query = """
        SELECT relname, relkind, relrowsecurity, relforcerowsecurity FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'S')
        AND relname <> 'alembic_version' ORDER BY relname
    """
    forced = sorted((table.name, "r", True, True) for table in tables)
    assert catalogue(connection, query) == forced
    assert {"accounts", "api_keys", "customers"} <= {table.name for table in tables}


@on_postgresql
def test_every_table_has_one_policy_for_the_application(connection, tables):
    query = """
        SELECT tablename, policyname, permissive, cmd, with_check, qual
        FROM pg_policies WHERE roles && ARRAY['public', current_user]::name[]
        ORDER BY tablename
    """
    setting = "NULLIF(current_setting('app.account_id'::text, true), ''::text))::uuid"
    policy = ("tenant", "PERMISSIVE", "ALL", None)
    expected = sorted(
        (table.name, *policy, f"({owner(table).name} = ({setting})") for table in tables
    )
    assert catalogue(connection, query) == expected


@on_postgresql
def test_application_role_cannot_go_around_row_security(connection):
    query = """
        SELECT rolsuper, rolbypassrls, rolcreaterole, rolreplication,
          (SELECT bool_or(pg_has_role(current_user, tableowner, 'MEMBER'))
           FROM pg_tables WHERE schemaname = 'public')
        FROM pg_roles WHERE rolname = current_user
    """
    assert catalogue(connection, query) == [(False,) * 5]


@on_postgresql
def test_application_role_has_no_more_rights_than_it_uses(connection, tables):
    query = """
        SELECT tablename, array_agg(privilege)
          FILTER (WHERE has_table_privilege(current_user, tablename, privilege))
        FROM pg_tables, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE',
          'TRUNCATE', 'REFERENCES', 'TRIGGER']) AS privilege
        WHERE schemaname = 'public' GROUP BY tablename
    """
    rights = ["SELECT", "INSERT", "UPDATE", "DELETE"]
    expected = {table.name: rights for table in tables} | {"alembic_version": None}
    assert dict(catalogue(connection, query)) == expected


# --- what a connection sees and writes


@on_postgresql
@pytest.mark.usefixtures("rows")
def test_connection_sees_the_rows_of_its_tenant_and_without_one_none(
    connection, tables, tenant
):
    for table in tables:
        assert owners(connection, table) == set()
    db.set_tenant(connection, tenant)
    for table in tables:
        assert owners(connection, table) == {tenant}


@on_postgresql
@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("signed_in", [True, False], ids=["another", "no"])
def test_connection_of_another_or_no_tenant_writes_nothing(
    connection, tables, tenant, stranger, signed_in
):
    for table in tables:
        db.set_tenant(connection, tenant)
        row = connection.execute(table.select()).mappings().first()
        connection.rollback()
        if signed_in:
            db.set_tenant(connection, stranger)
        theirs = owner(table) == tenant
        assert connection.execute(table.delete().where(theirs)).rowcount == 0
        change = table.update().where(theirs).values(version=9)
        assert connection.execute(change).rowcount == 0
        with pytest.raises(ProgrammingError, match="row-level security"):
            connection.execute(table.insert().values({**row, "id": uuid4()}))
        connection.rollback()


@on_postgresql
@pytest.mark.usefixtures("rows")
def test_connection_gives_no_row_of_its_tenant_away(
    connection, tables, tenant, stranger
):
    for table in tables:
        db.set_tenant(connection, tenant)
        with pytest.raises(ProgrammingError, match="row-level security"):
            connection.execute(table.update().values({owner(table): stranger}))
        connection.rollback()


# --- one connection for all


class Cut(Exception):
    """Ends a transaction in the middle."""


@on_postgresql
@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("ending", [None, Cut], ids=["committed", "rolled back"])
def test_connection_back_in_the_pool_forgets_its_tenant(
    start_app: Callable[..., Flask], tables, tenant, stranger, ending
):
    stores = start_app(SQL_CONNECTIONS=1).extensions["myapp"]
    process, setting = (
        text("SELECT pg_backend_pid()"),
        text("SELECT current_setting('app.account_id', true)"),
    )
    processes = set()
    with db.use(stores):
        with suppress(Cut), db.transaction(tenant) as connection:
            processes.add(connection.scalar(process))
            if ending:
                raise ending
        with stores.engine.connect() as connection:
            processes.add(connection.scalar(process))
            assert connection.scalar(setting) == ""
            for table in tables:
                assert owners(connection, table) == set()
        with db.transaction(stranger) as connection:
            processes.add(connection.scalar(process))
            for table in tables:
                assert owners(connection, table) == {stranger}
    assert len(processes) == 1


@pytest.mark.usefixtures("rows")
def test_requests_taking_turns_on_one_connection_see_their_own(
    start_app: Callable[..., Flask], acme, rival
):
    app = start_app(SQL_CONNECTIONS=1)
    own = [actor.get("/v1/customers").json for actor in (acme, rival)]

    def look(number: int) -> Any:
        actor = (acme, rival)[number % 2]
        caller = Actor(app.test_client(), actor.account_id, actor.key)
        return caller.get("/v1/customers").json

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(look, range(200))) == own * 100
