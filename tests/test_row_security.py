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
from myapp.tables import Base, shared
from tests.actors import Actor
from tests.by_the_way import put_by_the_way
from tests.resources import make_everything
from tests.stores import on_postgresql

APPEND_ONLY = {"audit_entries"}
"""The tables whose rows nobody changes or removes."""

SHARED = shared()
"""The tables that hold nothing of any account, as their models declare them."""

PRESENTED = {"accounts": "slug", "clients": "client_id"}
"""What is looked up before its tenant is known: table, and the value that finds it."""


@pytest.fixture
def tables(app: Flask) -> list[Table]:
    """Every table and view of the database that belongs to tenants."""
    found = MetaData()
    found.reflect(app.extensions["myapp"].engine, views=True)
    others = {"alembic_version", *SHARED}
    assert others <= {table.name for table in found.sorted_tables}
    return [table for table in found.sorted_tables if table.name not in others]


@pytest.fixture
def grown(app: Flask, acme: Actor, rival: Actor) -> None:
    """What comes about by the way: sessions with refresh tokens, codes, invitations."""
    with db.use(app.extensions["myapp"]):
        for actor in (acme, rival):
            put_by_the_way(UUID(actor.account_id))


@pytest.fixture
def connection(app: Flask) -> Iterator[Connection]:
    """A connection of the application's role, for nobody yet."""
    with app.extensions["myapp"].engine.connect() as connection:
        yield connection


@pytest.fixture
def rows(acme: Actor, rival: Actor, grown: None) -> None:
    """Rows of both accounts in every table."""
    for actor in (acme, rival):
        make_everything(actor, f"row-{uuid4().hex[:8]}")


def owner(table: Table) -> Any:
    """Return the column that says whose a row is; an account is its own."""
    return table.c.id if table.name == "accounts" else table.c.account_id


def owners(connection: Connection, table: Table) -> set[UUID]:
    """Return whose rows a connection sees."""
    return set(connection.scalars(select(owner(table))))


def rights(table: Table) -> list[str]:
    """Return what the application's role may do with a table."""
    changing = [] if table.name in APPEND_ONLY else ["UPDATE", "DELETE"]
    return ["SELECT", "INSERT", *changing]


def catalogue(connection: Connection, query: str) -> list[tuple[Any, ...]]:
    """Return the rows of a query on PostgreSQL's catalogue."""
    return [tuple(row) for row in connection.execute(text(query))]


# --- the models


def test_every_table_belongs_to_an_account_or_is_declared_shared():
    declared = Base.metadata.tables
    owned = {name for name in declared if "account_id" in declared[name].c}
    owned.add("accounts")
    unowned = declared.keys() - owned
    assert unowned == SHARED.keys(), "let its model be TenantOwned, or Shared"


# --- the catalogue


@on_postgresql
def test_every_table_forces_row_security(connection, tables):
    query = """
        SELECT relname, relkind, relrowsecurity, relforcerowsecurity FROM pg_class
        WHERE relnamespace = 'public'::regnamespace AND relkind NOT IN ('i', 'S')
        AND relname <> 'alembic_version' ORDER BY relname
    """
    forced = [(table.name, "r", True, True) for table in tables]
    forced += [(name, "r", False, False) for name in SHARED]
    forced.sort()
    assert catalogue(connection, query) == forced
    assert {"accounts", "api_keys", "sample_customers"} <= {
        table.name for table in tables
    }


@on_postgresql
def test_every_table_has_its_policy_and_some_a_way_to_be_presented(connection, tables):
    query = """
        SELECT tablename, policyname, permissive, cmd, with_check, qual
        FROM pg_policies WHERE roles && ARRAY['public', current_user]::name[]
        ORDER BY tablename, policyname
    """
    setting = "NULLIF(current_setting('app.account_id'::text, true), ''::text))::uuid"
    policy = ("tenant", "PERMISSIVE", "ALL", None)
    expected = [
        (table.name, *policy, f"({owner(table).name} = ({setting})") for table in tables
    ]
    presented = "NULLIF(current_setting('app.presented'::text, true), ''::text))"
    expected += [
        (
            name,
            "presented",
            "PERMISSIVE",
            "SELECT",
            None,
            f"(({field})::text = {presented}",
        )
        for name, field in PRESENTED.items()
    ]
    expected.sort()
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
    expected = {table.name: rights(table) for table in tables}
    expected |= {name: granted.split(", ") for name, granted in SHARED.items()}
    assert dict(catalogue(connection, query)) == {**expected, "alembic_version": None}


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
        if "UPDATE" in rights(table):
            assert connection.execute(table.delete().where(theirs)).rowcount == 0
            change = table.update().where(theirs).values(version=9)
            assert connection.execute(change).rowcount == 0
        with pytest.raises(ProgrammingError, match="row-level security"):
            connection.execute(table.insert().values({**row, "id": uuid4()}))
        connection.rollback()


@on_postgresql
@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", PRESENTED)
def test_connection_that_presents_a_value_sees_its_row_and_changes_nothing(
    connection, tables, tenant, name
):
    [table] = [table for table in tables if table.name == name]
    value = table.c[PRESENTED[name]]
    db.set_tenant(connection, tenant)
    wanted = connection.execute(select(value)).scalars().first()
    connection.rollback()
    db.set_tenant(connection, None, wanted)
    assert list(connection.scalars(select(value))) == [wanted]
    assert connection.execute(table.delete()).rowcount == 0
    assert connection.execute(table.update().values(version=9)).rowcount == 0
    for other in tables:
        if other.name != name:
            assert owners(connection, other) == set()
    connection.rollback()
    assert list(connection.scalars(select(value))) == []


@on_postgresql
@pytest.mark.usefixtures("rows")
def test_connection_gives_no_row_of_its_tenant_away(
    connection, tables, tenant, stranger
):
    for table in tables:
        db.set_tenant(connection, tenant)
        lock = "row-level security" if "UPDATE" in rights(table) else "permission"
        with pytest.raises(ProgrammingError, match=lock):
            connection.execute(table.update().values({owner(table): stranger}))
        connection.rollback()


@on_postgresql
@pytest.mark.usefixtures("rows")
@pytest.mark.parametrize("name", sorted(APPEND_ONLY))
@pytest.mark.parametrize(
    "change", ["UPDATE {} SET version = 9", "DELETE FROM {}", "TRUNCATE {}"]
)
def test_row_of_an_append_only_table_stays_as_it_is(connection, tenant, name, change):
    db.set_tenant(connection, tenant)
    with pytest.raises(ProgrammingError) as refused:
        connection.execute(text(change.format(name)))
    assert getattr(refused.value.orig, "sqlstate", None) == "42501"  # no privilege


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
    own = [actor.get("/v1/sample_customers").json for actor in (acme, rival)]

    def look(number: int) -> Any:
        actor = (acme, rival)[number % 2]
        caller = Actor(app.test_client(), actor.account_id, actor.key)
        return caller.get("/v1/sample_customers").json

    with ThreadPoolExecutor(10) as pool:
        assert list(pool.map(look, range(200))) == own * 100
