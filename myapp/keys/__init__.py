"""Signing keys: what signs and verifies the access tokens."""

from myapp.keys import commands
from myapp.keys.endpoints import blueprint

__all__ = ["blueprint", "commands"]
