"""FastAPI with pydantic models and asyncpg, served by uvicorn."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.encoders import jsonable_encoder
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
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

Account = Annotated[UUID, Header(alias="X-Account")]
Limit = Annotated[int, Query(ge=1, le=100)]


class CustomerBody(BaseModel, extra="forbid"):
    """What a client writes."""

    name: Annotated[str, Field(min_length=1, max_length=120)]
    email: Annotated[str, Field(max_length=254, pattern=EMAIL)]


class Customer(BaseModel):
    """What a client sees."""

    id: UUID
    name: str
    email: str
    created_at: datetime
    updated_at: datetime


class Page(BaseModel):
    """Some customers, and where the next ones begin."""

    items: list[Customer]
    next: UUID | None


@asynccontextmanager
async def connected(app: FastAPI) -> AsyncIterator[None]:
    """Hold the pool while the application runs."""
    async with create_pool() as app.state.pool:
        yield


SILENT = {"tracing": False, "metrics": False, "logs": False, "operation_spans": False}

app = FastAPI(lifespan=connected, openapi_url=None, telemetry=SILENT)


@app.exception_handler(RequestValidationError)
async def refuse(request: Request, error: RequestValidationError) -> JSONResponse:
    """Answer 400 where FastAPI would answer 422."""
    return JSONResponse({"detail": jsonable_encoder(error.errors())}, 400)


@app.get("/v1/sample_customers/{customer_id}", response_model=Customer)
async def retrieve(
    request: Request, customer_id: UUID, account: Account
) -> dict[str, object]:
    """Retrieve a customer."""
    row = await request.app.state.pool.fetchrow(RETRIEVE, account, customer_id)
    if row is None:
        raise HTTPException(404)
    return dict(row)


@app.get("/v1/sample_customers", response_model=Page)
async def list_(
    request: Request, account: Account, limit: Limit = 20, cursor: UUID | None = None
) -> dict[str, object]:
    """List customers, the newest first."""
    after = cursor or NEWEST
    rows = await request.app.state.pool.fetch(f"{LIST}{limit + 1}", account, after)
    items = [dict(row) for row in rows[:limit]]
    return {"items": items, "next": items[-1]["id"] if len(rows) > limit else None}


@app.post("/v1/sample_customers", status_code=201, response_model=Customer)
async def create(
    request: Request, response: Response, body: CustomerBody, account: Account
) -> dict[str, object]:
    """Create a customer."""
    values = (account, uuid7(), body.name, body.email)
    row = await request.app.state.pool.fetchrow(CREATE, *values)
    response.headers["Location"] = f"/v1/sample_customers/{row['id']}"
    return dict(row)


@app.put("/v1/sample_customers/{customer_id}", response_model=Customer)
async def replace(
    request: Request, customer_id: UUID, body: CustomerBody, account: Account
) -> dict[str, object]:
    """Replace a customer."""
    values = (account, customer_id, body.name, body.email)
    row = await request.app.state.pool.fetchrow(REPLACE, *values)
    if row is None:
        raise HTTPException(404)
    return dict(row)


if __name__ == "__main__":
    serve(app)
