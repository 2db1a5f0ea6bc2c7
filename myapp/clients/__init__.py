"""OAuth clients: the programs that ask for tokens."""

from myapp.clients import commands
from myapp.clients.endpoints import blueprint

__all__ = ["blueprint", "commands"]
