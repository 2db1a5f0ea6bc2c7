"""Accounts: the tenants. Every other resource belongs to one."""

from myapp.accounts import commands
from myapp.accounts.endpoints import blueprint

__all__ = ["blueprint", "commands"]
