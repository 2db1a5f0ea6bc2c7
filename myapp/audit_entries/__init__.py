"""The audit: who changed what in an account. Nobody can change it."""

from myapp.audit_entries.endpoints import blueprint

__all__ = ["blueprint"]
