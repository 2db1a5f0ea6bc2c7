"""A SQLAlchemy statement as libpq takes it: its text, and its arguments in bytes.

Compiled once. What is constant in it is encoded once; the rest by psycopg's dumpers
for the types that PostgreSQL has found the parameters to have.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import adapters
from psycopg.postgres import types
from psycopg.pq import Format
from sqlalchemy.dialects.postgresql import psycopg as postgresql
from sqlalchemy.types import Float, TypeEngine

from myapp.tables import UtcDateTime

dialect: Any = postgresql.dialect
DIALECT = dialect(paramstyle="numeric_dollar")  # $1, as libpq has it

INTEGERS = {types[f"int{size}"].oid: 2 ** (8 * size - 1) for size in (2, 4, 8)}
"""What is too large for each integer: psycopg's dumpers would cut it off."""

Row = tuple[Any, ...]


class Parameter(NamedTuple):
    """What encodes the value of a name; or, without that, a constant's bytes."""

    name: str
    dump: Callable[[Any], Any] | None
    constant: Any = None


class PostgresQuery:
    """One statement for libpq; the types of its parameters PostgreSQL has to find."""

    def __init__(self, core: Any) -> None:
        compiled = core.compile(dialect=DIALECT)
        self.sql = str(compiled).encode()
        names = {name: bind for bind, name in compiled.bind_names.items()}
        self._binds = [names[name] for name in compiled.positiontup]
        self._names = compiled.positiontup
        self._readers = _readers(core.exported_columns)
        self.formats = [Format.BINARY] * len(self._names)

    def parameters(self, types: Sequence[int]) -> Sequence[Parameter]:
        """Return the parameters, which are of these types (OIDs)."""
        return [
            _parameter(name, bind, oid)
            for name, bind, oid in zip(self._names, self._binds, types, strict=True)
        ]

    def read(self, rows: list[Row]) -> list[Row]:
        """Return rows as the columns' types want them, from what psycopg has read."""
        if not self._readers:
            return rows
        return [self._read(row) for row in rows]

    def _read(self, row: Row) -> Row:
        values = list(row)
        for index, reader in self._readers:
            values[index] = reader(values[index])
        return tuple(values)


def arguments(parameters: Sequence[Parameter], values: Mapping[str, Any]) -> list[Any]:
    """Return the arguments of a statement, each in binary or None for NULL."""
    return [
        dump(values[name]) if dump else constant for name, dump, constant in parameters
    ]


def _parameter(name: str, bind: Any, oid: int) -> Parameter:
    """Return a parameter of a statement whose type PostgreSQL has found."""
    dump = adapters.get_dumper_by_oid(oid, Format.BINARY)(object).dump
    process = bind.type.dialect_impl(DIALECT).bind_processor(DIALECT)
    most = INTEGERS.get(oid)

    def encode(value: Any) -> Any:
        if process:
            value = process(value)
        if most and value is not None and not -most <= value < most:
            raise ValueError(f"{name} does not fit into its column")
        return None if value is None else dump(value)

    if bind.required:
        return Parameter(name, encode)
    return Parameter(name, None, encode(bind.value))


def _readers(columns: Any) -> list[tuple[int, Callable[[Any], Any]]]:
    """Return what the types of some columns do with a value, by index."""
    found = enumerate(column.type for column in columns)
    return [(index, read) for index, type in found if (read := _reader(type))]


def _reader(type: TypeEngine[Any]) -> Callable[[Any], Any] | None:
    if isinstance(type, UtcDateTime | Float):
        return None  # psycopg's loader gives UTC by itself, and a float
    read: Callable[[Any], Any] | None = type.dialect_impl(DIALECT).result_processor(
        DIALECT, None
    )
    return read
