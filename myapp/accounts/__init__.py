"""Accounts: the tenants. Every other resource belongs to one."""

from myapp.accounts.commands import blueprint

__all__ = ["blueprint"]
