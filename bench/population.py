"""The rows of a measurement: tenants with one API key each, and their customers.

Always the same: ids, keys and times come from a seed. A table that was written to is
put back from a copy, so that whoever is measured next meets the same one.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import NamedTuple
from uuid import UUID

import click
from psycopg import Connection, connect

from bench.database import Database
from myapp.api_keys.models import PREFIX
from myapp.tokens import SECRET_BYTES, digest, new_token

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
NAME, EMAIL = "Grace Hopper %06d", "grace.hopper.%06d@example.com"
BODY = f'{{"name": "{NAME}", "email": "{EMAIL}"}}'
"""Of a request that writes, for load.lua."""
DRAWN = 100_000
"""How many customers are asked for, at most: the load keeps their ids."""
PORTION = 10_000
"""How many rows are sent at once."""
ACCOUNTS = "accounts (id, version, created_at, updated_at, name, slug)"
API_KEYS = (
    "api_keys (account_id, id, version, created_at, updated_at, name, role, scopes,"
    " last_used_at, key_sha256)"
)
CUSTOMERS = (
    "sample_customers (account_id, id, version, created_at, updated_at, name, email)"
)
UNCHECKED = "SET session_replication_role = replica"
"""No look for each row's account: it takes as long as all the rest."""
PUT_BACK = (
    UNCHECKED,
    "TRUNCATE sample_customers, audit_entries",
    "INSERT INTO sample_customers SELECT * FROM kept_customers",
    "VACUUM (ANALYZE) sample_customers",
    "CHECKPOINT",  # what it writes is not the next one's
)


class Tenant(NamedTuple):
    """An account, its API key, and ids of its customers."""

    id: UUID
    key: str
    customers: list[str]


def populate(database: Database, tenants: int, customers: int) -> list[Tenant]:
    """Fill an empty database, every tenant alike; return who can ask for what."""
    random = Random(1)
    found = [_tenant(random, number) for number in range(tenants)]
    with connect(database.url("postgres")) as connection:
        connection.execute(UNCHECKED)
        _copy(connection, ACCOUNTS, [_account(tenant) for tenant in found])
        _copy(connection, API_KEYS, [_api_key(tenant) for tenant in found])
        starts = range(0, customers, PORTION)
        with click.progressbar(starts, label=f"{customers:,} customers") as bar:
            for start in bar:
                numbers = range(start, min(start + PORTION, customers))
                rows = [_customer(random, found, number) for number in numbers]
                _copy(connection, CUSTOMERS, rows)
    database.execute(
        "CREATE TABLE kept_customers AS TABLE sample_customers",
        "VACUUM (ANALYZE)",
        "CHECKPOINT",
    )
    for tenant in found:
        tenant.customers[:] = _some(tenant.customers, DRAWN // tenants)
    return found


def put_back(database: Database) -> None:
    """Make customers what it was; no audit entry is left."""
    database.execute(*PUT_BACK)


def write_targets(tenants: Iterable[Tenant], file: Path) -> Path:
    """Write down who asks for what, for load.lua."""
    file.write_text(
        "".join(
            f"{tenant.id} {tenant.key} {' '.join(tenant.customers)}\n"
            for tenant in tenants
        )
    )
    return file


def _tenant(random: Random, number: int) -> Tenant:
    id = UUID(_uuid7(random, number))
    return Tenant(id, new_token(PREFIX, id, random.randbytes(SECRET_BYTES)), [])


def _account(tenant: Tenant) -> Sequence[object]:
    slug = f"tenant-{tenant.id.hex[-12:]}"
    return tenant.id, 1, BEGAN, BEGAN, slug, slug


def _api_key(tenant: Tenant) -> Sequence[object]:
    now = datetime.now(UTC)
    role = ("member", '["*"]', now, digest(tenant.key))
    return tenant.id, tenant.id, 1, BEGAN, BEGAN, "bench", *role


def _customer(random: Random, tenants: list[Tenant], number: int) -> Sequence[object]:
    """Return a row; the next tenant's follows, for they came to all tenants at once."""
    tenant = tenants[number % len(tenants)]
    id = _uuid7(random, number)
    tenant.customers.append(id)
    at = BEGAN + timedelta(milliseconds=number)
    label = number % 1_000_000
    return tenant.id, id, 1, at, at, NAME % label, EMAIL % label


def _uuid7(random: Random, number: int) -> str:
    """Return the id of what was made so many milliseconds after BEGAN (RFC 9562)."""
    milliseconds = int(BEGAN.timestamp() * 1000) + number
    value = milliseconds << 80 | 0x7 << 76 | random.getrandbits(12) << 64
    text = f"{value | 0b10 << 62 | random.getrandbits(62):032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))


def _copy(connection: Connection, table: str, rows: Iterable[Sequence[object]]) -> None:
    lines = ("\t".join(map(str, row)) + "\n" for row in rows)
    with connection.cursor().copy(f"COPY {table} FROM STDIN".encode()) as copy:
        copy.write("".join(lines))


def _some(ids: list[str], most: int) -> list[str]:
    """Return about so many, from the oldest to the newest."""
    return ids[:: max(1, len(ids) // most)]
