"""Signing in: by password, and by OAuth 2."""

from myapp.auth.endpoints import blueprint

__all__ = ["blueprint"]
