"""Triggers on PostgreSQL that announce what decides over access, for migrations.

Who remembers an answer listens (`change_feed.py`). Nothing is said but that there was a
change: anyone who may connect to the database can listen.
"""

from alembic import op

from myapp.change_feed import CHANNEL

FUNCTION = "announce_access_change"


def create_function() -> None:
    """Create the function that the triggers call."""
    op.execute(
        f"CREATE FUNCTION {FUNCTION}() RETURNS trigger LANGUAGE plpgsql"
        f" SET search_path = pg_catalog, pg_temp AS $$ BEGIN"
        f" PERFORM pg_notify('{CHANNEL}', ''); RETURN NULL; END $$"
    )


def drop_function() -> None:
    """Drop it, once no trigger calls it."""
    op.execute(f"DROP FUNCTION {FUNCTION}()")


def announce(table: str, *columns: str) -> None:
    """Announce that rows of a table are removed, or that one of the columns changes.

    Also where a replica applies the change, or `session_replication_role` says so.
    """
    changes = f"DELETE OR UPDATE OF {', '.join(columns)}"
    for name, event, each in _triggers(changes):
        op.execute(
            f"CREATE TRIGGER {name} AFTER {event} ON {table}"
            f" FOR EACH {each} EXECUTE FUNCTION {FUNCTION}()"
        )
        op.execute(f"ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}")


def silence(table: str) -> None:
    """Announce changes of a table no more."""
    for name, _, _ in _triggers(""):
        op.execute(f"DROP TRIGGER {name} ON {table}")


def _triggers(changes: str) -> list[tuple[str, str, str]]:
    # For each row, so that a statement which finds none disturbs nobody; PostgreSQL
    # sends what a transaction repeats once. Rows that are truncated have no trigger.
    return [
        (CHANNEL, changes, "ROW"),
        (f"{CHANNEL}_truncate", "TRUNCATE", "STATEMENT"),
    ]
