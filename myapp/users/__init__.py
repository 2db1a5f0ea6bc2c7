"""Users: the people who sign in to an account."""

from myapp.users import commands
from myapp.users.endpoints import blueprint

__all__ = ["blueprint", "commands"]
