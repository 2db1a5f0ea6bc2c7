"""Sessions: who is signed in, and with which tokens."""

from myapp.sessions.endpoints import blueprint

__all__ = ["blueprint"]
