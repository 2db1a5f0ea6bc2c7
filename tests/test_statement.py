"""What a statement answers in one round trip: what it answers in a transaction.

How it travels is in `test_pipeline.py`; that each repository keeps its promises on both
engines, in `test_repositories.py`.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum
from functools import cache
from typing import Any
from uuid import UUID, uuid4

import pytest
import sqlalchemy
from hypothesis import given, strategies as st
from sqlalchemy import JSON, String, bindparam, cast, func, literal, select
from sqlalchemy.types import BigInteger, Boolean, Date, Float, Integer, TypeEngine, Uuid

from myapp import db
from myapp.accounts.models import accounts
from myapp.errors import Conflict, NotFound
from myapp.postgres_query import PostgresQuery
from myapp.repository import Record
from myapp.sessions.models import sessions
from myapp.statement import Statement
from myapp.tables import Base, UtcDateTime, now
from tests.sample_customers import Customer, customers
from tests.stores import CUSTOMERS, on_postgresql

pytestmark = on_postgresql

Change = Callable[[UUID], Record]

DECLARED = [c.type for table in Base.metadata.sorted_tables for c in table.columns]
TYPES: dict[str, TypeEngine[Any]] = {
    repr(type): type for type in (*DECLARED, BigInteger(), Float(), Date())
}
"""Each type that a column may have (myapp/table_rules.py), by declaration."""

TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
SCALARS = st.none() | st.booleans() | st.integers() | TEXTS
VALUES: dict[type[TypeEngine[Any]], st.SearchStrategy[Any]] = {
    Uuid: st.uuids(),
    String: TEXTS,
    BigInteger: st.integers(-(2**63), 2**63 - 1),
    Integer: st.integers(-(2**31), 2**31 - 1),
    Float: st.floats(allow_nan=False),
    Date: st.dates(),
    Boolean: st.booleans(),
    UtcDateTime: st.datetimes(
        datetime(1, 1, 2),
        datetime(9999, 12, 30),
        timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9, minutes=-30))]),
    ),
    JSON: st.recursive(
        SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)
    ),
}
NOBODY = UUID(int=0)

EVERY_NAME = Statement(select(Customer.name, func.pg_backend_pid()))
"""All customers, without a condition: whose they are is left to row-level security."""


def values_of(type: TypeEngine[Any]) -> st.SearchStrategy[Any]:
    """Return what a column of a type may hold."""
    [found, *_] = [each for kind, each in VALUES.items() if isinstance(type, kind)]
    return st.none() | found


def answered_twice(
    statement: Statement, tenant: UUID, values: Mapping[str, Any]
) -> tuple[Any, Any]:
    """Return the rows of one round trip, and those of a transaction."""
    assert not db.in_transaction()
    alone = statement.all(tenant, values)
    with db.transaction(tenant):
        assert db.in_transaction()
        return alone, [tuple(row) for row in statement.all(tenant, values)]


# --- the same values


@cache
def echo(name: str) -> Statement:
    """Return the statement that sends a value of a type there and back.

    Its second column tells NULL from the null of JSON.
    """
    return echo_of(TYPES[name])


def echo_of(type: TypeEngine[Any]) -> Statement:
    """Return the statement for a type that no table has."""
    value = cast(bindparam("value", type_=type), type)
    return Statement(select(value, value.is_(None)))


@pytest.mark.parametrize("name", TYPES)
@given(data=st.data())
def test_value_of_each_type_comes_back_as_from_a_transaction(app, name, data):
    sent = data.draw(values_of(TYPES[name]))
    with db.use(app.extensions["myapp"]):
        alone, joined = answered_twice(echo(name), NOBODY, {"value": sent})
    assert alone == joined
    [[value, _]], [[expected, _]] = alone, joined
    assert value.__class__ is expected.__class__
    if isinstance(sent, datetime):
        assert (value, value.tzinfo) == (sent, UTC)


class Colour(Enum):
    """What a column may hold whose type makes something of what it reads."""

    RED = "red"


@pytest.mark.usefixtures("at_work")
def test_value_of_a_type_that_converts_is_converted_as_in_a_transaction():
    echo = echo_of(sqlalchemy.Enum(Colour, native_enum=False))
    alone, joined = answered_twice(echo, NOBODY, {"value": Colour.RED})
    assert alone == joined == [(Colour.RED, False)]


@pytest.mark.usefixtures("at_work")
def test_constant_of_a_statement_is_sent_as_in_a_transaction():
    listed, absent = literal(["a", 1], JSON()), literal(None, String())
    constant = Statement(select(listed, literal(7), literal("é"), absent))
    alone, joined = answered_twice(constant, NOBODY, {})
    assert alone == joined == [(["a", 1], 7, "é", None)]


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("value", [2**31, -(2**31) - 1, 2**70])
def test_integer_that_does_not_fit_is_refused_and_not_cut_off(value):
    whole = Statement(select(cast(bindparam("value", type_=Integer()), Integer())))
    assert whole.one(uuid4(), {"value": 2**31 - 1}) == (2**31 - 1,)
    with pytest.raises(ValueError, match="value does not fit"):
        whole.one(uuid4(), {"value": value})


@pytest.mark.usefixtures("at_work")
def test_no_row_is_none(tenant):
    none = Statement(select(Customer.name).where(Customer.id == uuid4()))
    assert none.one(tenant, {}) is None
    assert answered_twice(none, tenant, {}) == ([], [])


# --- the same refusals


def slug_of(tenant: UUID) -> str:
    """Return the slug of an account."""
    record = accounts.retrieve(tenant, tenant)
    slug: str = accounts.contract.value(record, "slug")
    return slug


def create_for_nobody(tenant: UUID) -> Record:
    """Create a customer of an account that is not there."""
    return customers.create(tenant, CUSTOMERS.values("nobody's"))


def sign_in_nobody(tenant: UUID) -> Record:
    """Begin a session of a user who is not there."""
    named = {"address": "127.0.0.1", "user_agent": "a test", "expires_at": now()}
    return sessions.create(tenant, {"scopes": []}, user_id=uuid4(), **named)


def refused_twice(change: Change, tenant: UUID) -> list[Conflict]:
    """Return the conflict of one round trip, and that of a transaction."""
    with pytest.raises(Conflict) as alone:
        change(tenant)
    with pytest.raises(Conflict) as joined, db.transaction(tenant):
        change(tenant)
    return [alone.value, joined.value]


@pytest.mark.usefixtures("at_work")
def test_taken_value_is_the_same_conflict(tenant, stranger):
    taken = slug_of(stranger)
    alone, joined = refused_twice(
        lambda tenant: accounts.replace(tenant, tenant, {"slug": taken}), tenant
    )
    assert [error.at for error in alone.errors] == ["/slug"]
    assert (alone.detail, alone.errors) == (joined.detail, joined.errors)
    assert slug_of(tenant) != taken


@pytest.mark.usefixtures("at_work")
@pytest.mark.parametrize("change", [create_for_nobody, sign_in_nobody])
def test_reference_to_nothing_is_the_same_conflict(tenant, change):
    whose = uuid4() if change is create_for_nobody else tenant
    alone, joined = refused_twice(change, whose)
    assert alone.detail and "refers to nothing" in alone.detail
    assert (alone.detail, alone.errors) == (joined.detail, joined.errors)


# --- whose rows


@pytest.mark.usefixtures("at_work")
def test_statement_without_a_condition_sees_only_the_tenants_rows(tenant, stranger):
    CUSTOMERS.create(tenant, "acme's")
    CUSTOMERS.create(stranger, "rival's")
    turns = [EVERY_NAME.all(whose, {}) for whose in [tenant, stranger] * 3]
    names = [[name for name, _ in rows] for rows in turns]
    assert names == [["acme's"], ["rival's"]] * 3
    assert len({process for rows in turns for _, process in rows}) == 1


@pytest.mark.usefixtures("at_work")
def test_statement_without_a_tenant_sees_nobodys_rows(tenant):
    CUSTOMERS.create(tenant, "acme's")
    assert len(EVERY_NAME.all(tenant, {})) == 1
    pipelines = db.stores().pipelines
    assert pipelines and pipelines.run(PostgresQuery(EVERY_NAME.core), None, {}) == []


# --- inside a transaction


@pytest.mark.usefixtures("at_work")
def test_statement_in_a_transaction_is_undone_with_it(tenant):
    with pytest.raises(NotFound), db.transaction(tenant):
        CUSTOMERS.create(tenant, "undone")
        assert [name for name, _ in EVERY_NAME.all(tenant, {})] == ["undone"]
        raise NotFound()
    assert EVERY_NAME.all(tenant, {}) == []


@pytest.mark.usefixtures("at_work")
def test_statement_after_a_transaction_is_one_round_trip_again(tenant):
    with db.transaction(tenant):
        CUSTOMERS.create(tenant, "kept")
    assert not db.in_transaction()
    assert [name for name, _ in EVERY_NAME.all(tenant, {})] == ["kept"]
