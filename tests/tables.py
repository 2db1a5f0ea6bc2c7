"""What lies in the tables and what is asked of them, seen past the repositories."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch
from uuid import UUID

from flask import Flask
from sqlalchemy import Uuid, column, event, inspect, select, table, text

from myapp import db
from myapp.pipeline import Pipeline
from myapp.postgres_query import PostgresQuery
from myapp.tables import shared

Rows = list[Mapping[str, Any]]

NOBODYS = {"alembic_version", *shared()}
"""The tables whose rows belong to no account."""

SAMPLES = {"sample_customers"}
"""The tables that only the tests have: no command knows them."""


def rows_of(app: Flask, account_id: str) -> dict[str, Rows]:
    """Return the rows of one account in every table of the database."""
    tenant = UUID(account_id)
    found: dict[str, Rows] = {}
    with db.use(app.extensions["myapp"]), db.transaction(tenant) as connection:
        for name in set(inspect(connection).get_table_names()) - NOBODYS - SAMPLES:
            owner = "id" if name == "accounts" else "account_id"
            owned = table(name, column(owner, Uuid()))
            chosen = select(text("*")).where(owned.c[owner] == tenant)
            rows = connection.execute(chosen.select_from(owned)).mappings()
            found[name] = [dict(row) for row in rows]
    return found


@contextmanager
def statements(app: Flask) -> Iterator[list[str]]:
    """Collect the SQL statements that an application executes inside the block."""
    engine, found = app.extensions["myapp"].engine, []
    run = Pipeline.run

    def collect(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        found.append(statement)

    def collect_query(pipeline: Pipeline, query: PostgresQuery, *rest: Any) -> Any:
        found.append(query.sql.decode())
        return run(pipeline, query, *rest)

    event.listen(engine, "before_cursor_execute", collect)
    try:
        with patch.object(Pipeline, "run", collect_query):
            yield found
    finally:
        event.remove(engine, "before_cursor_execute", collect)
