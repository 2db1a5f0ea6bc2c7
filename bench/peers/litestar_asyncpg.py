"""Litestar with msgspec structs and asyncpg, served by uvicorn."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Litestar, Response, get, post, put
from litestar.datastructures import State
from litestar.exceptions import NotFoundException
from litestar.params import Parameter
from msgspec import Meta, Struct
from uuid_utils.compat import uuid7

from bench.peers.asyncpg_customers import (
    CREATE,
    EMAIL,
    LIST,
    NEWEST,
    REPLACE,
    RETRIEVE,
    create_pool,
    serve,
)

Account = Annotated[UUID, Parameter(header="X-Account")]
Limit = Annotated[int, Parameter(ge=1, le=100)]


class CustomerBody(Struct, forbid_unknown_fields=True):
    """What a client writes."""

    name: Annotated[str, Meta(min_length=1, max_length=120)]
    # Python's $ lets a newline follow, \Z does not.
    email: Annotated[str, Meta(max_length=254, pattern=EMAIL + r"\Z")]


class Customer(Struct):
    """What a client sees; in the order of COLUMNS."""

    id: UUID
    name: str
    email: str
    created_at: datetime
    updated_at: datetime


class Page(Struct):
    """Some customers, and where the next ones begin."""

    items: list[Customer]
    next: UUID | None


@get("/v1/sample_customers/{customer_id:uuid}")
async def retrieve(state: State, customer_id: UUID, account: Account) -> Customer:
    """Retrieve a customer."""
    row = await state.pool.fetchrow(RETRIEVE, account, customer_id)
    if row is None:
        raise NotFoundException
    return Customer(*row)


@get("/v1/sample_customers")
async def list_(
    state: State, account: Account, limit: Limit = 20, cursor: UUID = NEWEST
) -> Page:
    """List customers, the newest first."""
    rows = await state.pool.fetch(f"{LIST}{limit + 1}", account, cursor)
    items = [Customer(*row) for row in rows[:limit]]
    return Page(items, items[-1].id if len(rows) > limit else None)


@post("/v1/sample_customers")
async def create(
    state: State, data: CustomerBody, account: Account
) -> Response[Customer]:
    """Create a customer."""
    row = await state.pool.fetchrow(CREATE, account, uuid7(), data.name, data.email)
    headers = {"Location": f"/v1/sample_customers/{row['id']}"}
    return Response(Customer(*row), headers=headers)


@put("/v1/sample_customers/{customer_id:uuid}")
async def replace(
    state: State, customer_id: UUID, data: CustomerBody, account: Account
) -> Customer:
    """Replace a customer."""
    values = (account, customer_id, data.name, data.email)
    row = await state.pool.fetchrow(REPLACE, *values)
    if row is None:
        raise NotFoundException
    return Customer(*row)


@asynccontextmanager
async def connected(app: Litestar) -> AsyncIterator[None]:
    """Hold the pool while the application runs."""
    async with create_pool() as app.state.pool:
        yield


app = Litestar(
    [retrieve, list_, create, replace],
    lifespan=[connected],
    logging_config=None,
    openapi_config=None,
)

if __name__ == "__main__":
    serve(app)
