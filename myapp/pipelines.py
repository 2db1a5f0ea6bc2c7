"""The pipelines of an application: connections of the pool, each for a second.

To fetch a connection from SQLAlchemy's pool and put it back costs a third of a
statement. So one that is free again is kept at hand, and goes back to the pool, which
looks after it, once a second. At most half of the pool's connections are kept:
transactions have the others.
"""

from collections import deque
from collections.abc import Mapping
from time import monotonic
from typing import Any
from uuid import UUID

import psycopg
from sqlalchemy import Engine, event
from sqlalchemy.exc import SQLAlchemyError

from myapp import store_errors
from myapp.pipeline import Pipeline
from myapp.postgres_connection import Connector, Unanswered, deadline
from myapp.postgres_query import PostgresQuery, Row

KEPT = 1.0
"""Seconds from when a connection comes from the pool until it goes back."""
IDLE = 0.001
"""Seconds after which a connection is looked at: has the server ended it?"""


class Pipelines:
    """Runs each statement on a pipeline that is free."""

    def __init__(self, engine: Engine, settings: Mapping[str, Any]) -> None:
        self._engine = engine
        self._connector = Connector(engine, settings)
        self._seconds = deadline(settings)
        self._prepares = settings["PREPARED_STATEMENTS"]
        self._most = settings["SQL_CONNECTIONS"] // 2
        self._free: deque[Pipeline] = deque()
        event.listen(engine, "engine_disposed", self._dispose)

    def run(
        self, query: PostgresQuery, tenant: UUID | None, values: Mapping[str, Any]
    ) -> list[Row]:
        """Carry out one statement for a tenant; raise what a transaction does."""
        try:
            pipeline = self._take()
            try:
                return pipeline.run(query, tenant, values)
            except Unanswered:
                self._connector.doubt()
                raise
            except psycopg.errors.ReadOnlySqlTransaction:
                pipeline.close()  # another host of the list may take writes
                raise
            finally:
                self._give_back(pipeline)
        except (SQLAlchemyError, psycopg.Error) as error:
            store_errors.reraise(error)

    def _take(self) -> Pipeline:
        try:
            pipeline = self._free.pop()  # the last one used: its statements are there
        except IndexError:
            return self._fetch()
        now = monotonic()
        # To look takes another thread's turn: not where it was in use just before.
        idle = now - pipeline.used_at > IDLE
        is_due = now > pipeline.until or pipeline.used_at < self._connector.doubted_at
        if not (is_due or idle and pipeline.has_ended()):
            return pipeline
        pipeline.pooled.close()
        return self._fetch()

    def _fetch(self) -> Pipeline:
        pooled = self._engine.raw_connection()
        pipeline: Pipeline | None = pooled.info.get("pipeline")
        if pipeline is None:
            connection: Any = pooled.driver_connection
            pipeline = Pipeline(connection, self._seconds, self._prepares)
            pooled.info["pipeline"] = pipeline
        pipeline.pooled, pipeline.until = pooled, monotonic() + KEPT
        return pipeline

    def _give_back(self, pipeline: Pipeline) -> None:
        pipeline.used_at = monotonic()
        if pipeline.is_usable and len(self._free) < self._most:
            self._free.append(pipeline)
            return
        if not pipeline.is_usable:
            pipeline.pooled.invalidate()
        pipeline.pooled.close()

    def _dispose(self, _engine: Engine) -> None:
        while self._free:
            self._free.pop().pooled.invalidate()
