"""The Redis repository: records that expire, behind the same interface.

A record is a hash `{account}:<resource>:<id>` with its version and one JSON value a
field; an index, a sorted set of ids, keeps the order. The braces keep an account's
keys in one slot of a cluster. Every write is one script.
Keeps to the commands of Redis 6.2.
"""

from collections.abc import Collection, Sequence
from datetime import timedelta
from functools import cached_property
from typing import Any
from uuid import UUID

import msgspec
from uuid_utils.compat import uuid7

from myapp import db, tables
from myapp.contract import Contract
from myapp.contract_rules import error_in
from myapp.errors import Forbidden, NotFound, PreconditionFailed
from myapp.pagination import Slice
from myapp.repository import (
    Condition,
    D,
    Page,
    Record,
    Repository,
    Values,
    is_choice,
)

SWEEP = """
local function sweep(most)
  for _, id in ipairs(redis.call('ZRANGEBYLEX', KEYS[1], '-', '+', 'LIMIT', 0, most)) do
    if redis.call('EXISTS', KEYS[1] .. ':' .. id) == 0 then
      redis.call('ZREM', KEYS[1], id)
    end
  end
end
"""
"""Takes expired ids off the index, the first of its keys, from the oldest on."""

COUNT = SWEEP + """
sweep(-1)
return redis.call('ZCARD', KEYS[1])
"""

CREATE = SWEEP + """
sweep(2)
redis.call('HSET', KEYS[2], 'version', 1, unpack(ARGV, 3))
redis.call('PEXPIREAT', KEYS[2], ARGV[1])
redis.call('ZADD', KEYS[1], 0, ARGV[2])
if redis.call('PTTL', KEYS[1]) < redis.call('PTTL', KEYS[2]) then
  redis.call('PEXPIREAT', KEYS[1], ARGV[1])
end
"""
"""ARGV: when it expires, the id, the fields.

Two ids leave for one that comes, so the index stays as long as what lives; it expires
after all its members.
"""

CHECK = """
local version = redis.call('HGET', KEYS[1], 'version')
if not version then return 'absent' end
for field, allowed in pairs(cjson.decode(ARGV[2])) do
  local held, met = redis.call('HGET', KEYS[1], field), false
  for _, value in ipairs(allowed) do met = met or value == held end
  if not met then return 'forbidden' end
end
if ARGV[1] ~= '' and ARGV[1] ~= version then return 'changed' end
"""
"""ARGV: the expected version or '', the condition as field → encoded values."""

COMPARE_AND_SET = CHECK + """
redis.call('HINCRBY', KEYS[1], 'version', 1)
for i = 4 + ARGV[3], #ARGV, 2 do
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i + 1])
end
return redis.call('HMGET', KEYS[1], 'version', unpack(ARGV, 4, 3 + ARGV[3]))
"""
"""ARGV, further: how many fields are shown, their names, the fields to write."""

COMPARE_AND_DELETE = CHECK + """
redis.call('DEL', KEYS[1])
redis.call('ZREM', KEYS[2], ARGV[3])
return 'deleted'
"""
"""ARGV, further: the id to take off the index."""

_encode = msgspec.json.encode
_decode = msgspec.json.decode


Found = list[tuple[str, Record[D]]]


class RedisRepository(Repository[D]):
    """The records of one contract, each living for `ttl` from its creation.

    Raises ContractError for a contract that asks for filters or sorts.
    """

    def __init__(
        self, name: str, contract: Contract[Any, D], *, ttl: timedelta
    ) -> None:
        for field in (*contract.filters, *contract.sorts):
            raise error_in(contract, field, "cannot be searched in Redis: unlist it")
        self.contract = contract
        self.name = name
        self.ttl = ttl

    @cached_property
    def _count(self) -> Any:
        return db.redis_store.register_script(COUNT)

    @cached_property
    def _create(self) -> Any:
        return db.redis_store.register_script(CREATE)

    @cached_property
    def _compare_and_set(self) -> Any:
        return db.redis_store.register_script(COMPARE_AND_SET)

    @cached_property
    def _compare_and_delete(self) -> Any:
        return db.redis_store.register_script(COMPARE_AND_DELETE)

    def _key(self, tenant: UUID, id: UUID | str) -> str:
        return f"{{{tenant}}}:{self.name}:{id}"

    def _index(self, tenant: UUID) -> str:
        return f"{{{tenant}}}:{self.name}"

    def list(self, tenant: UUID, slice: Slice, **parent: Any) -> Page[D]:
        """Return one page, filled past expired members, which are swept."""
        _refuse_parent(parent)
        found: Found[D] = []
        edge = f"({slice.after[1]}" if slice.after else "+"
        while len(found) <= slice.limit:
            wanted = slice.limit + 1 - len(found)
            ids = db.redis_store.zrevrangebylex(
                self._index(tenant), edge, "-", start=0, num=wanted
            )
            found.extend(self._living(tenant, ids))
            if len(ids) < wanted:
                break
            edge = f"({ids[-1]}"
        return self._paged(tenant, found, slice)

    def _paged(self, tenant: UUID, found: Found[D], slice: Slice) -> Page[D]:
        total = None
        if slice.counted:
            total = self._count(keys=[self._index(tenant)], client=db.redis_store)
        records = [record for _, record in found[: slice.limit]]
        if len(found) <= slice.limit:
            return Page(records, None, total)
        last = found[slice.limit - 1][0]
        return Page(records, slice.cursor(last, last), total)

    def _living(self, tenant: UUID, ids: Collection[str]) -> Found[D]:
        """Return the ids that still have a record; take the others off the index."""
        pipeline = db.redis_store.pipeline(transaction=False)
        for id in ids:
            pipeline.hmget(self._key(tenant, id), "version", *self.contract.shown)
        rows = dict(zip(ids, pipeline.execute(), strict=True))
        expired = [id for id, row in rows.items() if row[0] is None]
        if expired:
            db.redis_store.zrem(self._index(tenant), *expired)
        return [
            (id, self._record(row)) for id, row in rows.items() if row[0] is not None
        ]

    def create(self, tenant: UUID, values: Values, **assigned: Any) -> Record[D]:
        """Store a new record and list it, in one script."""
        id, moment = uuid7(), tables.now()
        expires_at = moment + self.ttl
        fields = {"id": id, "created_at": moment, "updated_at": moment}
        fields |= {"expires_at": expires_at, **values, **assigned}
        stored = _written({field: fields[field] for field in self.contract.properties})
        self._create(
            keys=[self._index(tenant), self._key(tenant, id)],
            args=[int(expires_at.timestamp() * 1000), str(id), *stored],
            client=db.redis_store,
        )
        return Record(tuple(fields[field] for field in self.contract.shown), 1)

    def _record(self, row: Sequence[str | None]) -> Record[D]:
        version, *held = row
        values = [
            # A record may be older than a field of its contract.
            self._default(field) if value is None else _decode(value)
            for field, value in zip(self.contract.shown, held, strict=True)
        ]
        return Record(tuple(values), int(version or 0))

    def _default(self, field: str) -> Any:
        return self.contract.properties[field].get("default")

    def retrieve(
        self, tenant: UUID, id: UUID, where: Condition | None = None, **parent: Any
    ) -> Record[D]:
        """Return one record; raise NotFound when it has expired, or Forbidden."""
        _refuse_parent(parent)
        asked = list(where or ())
        row = db.redis_store.hmget(
            self._key(tenant, id), "version", *self.contract.shown, *asked
        )
        if row[0] is None:
            raise NotFound()
        end = 1 + len(self.contract.shown)
        found = dict(zip(asked, row[end:], strict=True))
        if any(found[field] not in values for field, values in _allowed(where).items()):
            _refuse("forbidden")
        return self._record(row[:end])

    def replace(
        self,
        tenant: UUID,
        id: UUID,
        values: Values,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> Record[D]:
        """Write fields of a record by compare-and-set; it expires when it did."""
        fields = dict(values)
        if "updated_at" in self.contract.properties:
            fields["updated_at"] = tables.now()
        shown = self.contract.shown
        row = self._compare_and_set(
            keys=[self._key(tenant, id)],
            args=[*_check(if_match, where), len(shown), *shown, *_written(fields)],
            client=db.redis_store,
        )
        _refuse(row)
        return self._record(row)

    def delete(
        self,
        tenant: UUID,
        id: UUID,
        if_match: int | None = None,
        where: Condition | None = None,
    ) -> None:
        """Remove a record and its place in the order."""
        keys = [self._key(tenant, id), self._index(tenant)]
        done = self._compare_and_delete(
            keys=keys,
            args=[*_check(if_match, where), str(id)],
            client=db.redis_store,
        )
        _refuse(done)


def _written(fields: Values) -> Sequence[str | bytes]:
    """Return the fields as the arguments of HSET."""
    return [part for field in fields for part in (field, _encode(fields[field]))]


def _refuse_parent(parent: Values) -> None:
    """Raise TypeError rather than show what is not below a parent."""
    if parent:
        named = ", ".join(parent)
        raise TypeError(f"Redis keeps one list an account, none below {named}: use SQL")


def _check(if_match: int | None, where: Condition | None) -> tuple[int | str, bytes]:
    """Return what CHECK reads: the expected version and the condition."""
    return "" if if_match is None else if_match, _encode(_allowed(where))


def _allowed(where: Condition | None) -> dict[str, list[str]]:
    """Return the condition as the texts that a field may have."""
    return {
        field: [
            _encode(value).decode()
            for value in (wanted if is_choice(wanted) else [wanted])
        ]
        for field, wanted in (where or {}).items()
    }


def _refuse(answer: Any) -> None:
    """Raise the problem that a script answers with, if it is one."""
    if answer == "absent":
        raise NotFound()
    if answer == "forbidden":
        raise Forbidden("Your role does not reach this one.")
    if answer == "changed":
        raise PreconditionFailed()
