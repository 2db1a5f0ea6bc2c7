"""What the peers on asyncpg share: the statements, the pool, and how uvicorn serves."""

import os
from typing import Any
from uuid import UUID

import asyncpg
import uvicorn

EMAIL = r"^[a-zA-Z0-9.!#$%&'*+/=?^_`{|}~-]+@[a-zA-Z0-9-]+(\.[a-zA-Z0-9-]+)*$"  # HTML's
NEWEST = UUID(int=2**128 - 1)  # the cursor of the first page

COLUMNS = "id, name, email, created_at, updated_at"
RETRIEVE = f"SELECT {COLUMNS} FROM sample_customers WHERE account_id = $1 AND id = $2"
# To be followed by a number: PostgreSQL plans a literal once, and $3 again and again.
LIST = f"""SELECT {COLUMNS} FROM sample_customers WHERE account_id = $1 AND id < $2
    ORDER BY id DESC LIMIT """
CREATE = f"""INSERT INTO sample_customers
    (account_id, id, version, created_at, updated_at, name, email)
    VALUES ($1, $2, 1, now(), now(), $3, $4) RETURNING {COLUMNS}"""
REPLACE = f"""UPDATE sample_customers
    SET name = $3, email = $4, version = version + 1, updated_at = now()
    WHERE account_id = $1 AND id = $2 RETURNING {COLUMNS}"""


class BareConnection(asyncpg.Connection):
    """A connection that keeps its state: nothing here changes it."""

    __slots__ = ()

    def get_reset_query(self) -> str:
        """Spare the round trip with which the pool takes a connection back."""
        return ""


def create_pool() -> asyncpg.Pool:
    """Make the pool; it connects when it is entered."""
    size = int(os.environ["CONNECTIONS"])
    return asyncpg.create_pool(
        os.environ["DATABASE_URL"],
        min_size=size,
        max_size=size,
        connection_class=BareConnection,
    )


def serve(app: Any) -> None:
    """Serve an ASGI application in this process, without a log."""
    uvicorn.run(
        app,
        port=int(os.environ["PORT"]),
        loop="uvloop",
        http="httptools",
        ws="none",
        proxy_headers=False,
        log_level="warning",
        access_log=False,
    )
