"""API keys: the credentials of machines, `Authorization: Bearer <key>`."""

from myapp.api_keys.endpoints import blueprint

__all__ = ["blueprint"]
