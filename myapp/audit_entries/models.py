"""The audit: contract and repository; `myapp.audit` has table and writing."""

from typing import Any

from myapp.audit import AuditEntry
from myapp.audit_entries.shapes import AuditEntryDocument
from myapp.contract import Contract
from myapp.sql_repository import SqlRepository

AUDIT_ENTRY = Contract[Any, AuditEntryDocument](
    "AuditEntry",
    description="One committed change of something that an account owns in SQL.",
    properties={
        "id": {"type": "string", "format": "uuid", "readOnly": True},
        "created_at": {"type": "string", "format": "date-time", "readOnly": True},
        "principal": {
            "type": "string",
            "maxLength": 120,
            "readOnly": True,
            "description": "Who did it: `user:<id>`, `client:<id>`, `api_key:<id>`,"
            " `anonymous` at an open sign-up, `operator`, `command:<name>`, or"
            " `system`.",
            "examples": ["command:accounts purge"],
        },
        "operation": {
            "type": ["string", "null"],
            "maxLength": 120,
            "readOnly": True,
            "description": "By which operation of this API; null: by none.",
            "examples": ["users_update"],
        },
        "resource": {
            "type": "string",
            "maxLength": 63,
            "readOnly": True,
            "description": "Of which kind the changed object is.",
            "examples": ["users"],
        },
        "object_id": {"type": "string", "format": "uuid", "readOnly": True},
        "version": {
            "type": "integer",
            "minimum": 1,
            "maximum": 2**31 - 1,
            "readOnly": True,
            "description": "The version that was written; of a removal, the last one.",
        },
        "fields": {
            "type": "array",
            "items": {"type": "string", "maxLength": 63},
            "maxItems": 1000,
            "readOnly": True,
            "description": "The fields whose value is another than before, never the"
            " values; of a creation, all that were written; of a removal, none. A"
            " write without If-Match that waited for another one names all its fields.",
            "examples": [["email", "name"]],
        },
        "request_id": {
            "type": ["string", "null"],
            "maxLength": 64,
            "readOnly": True,
            "description": "The `X-Request-Id` of the request; null: there was none.",
            "examples": ["5f0c1a52b1d24a4c9a6f3f0b7c3f2e11"],
        },
    },
    filters=("principal", "operation", "resource", "object_id"),
)

# Nobody audits the audit: an entry is written once and never changed.
audit_entries = SqlRepository(AuditEntry, AUDIT_ENTRY, audited=False)
