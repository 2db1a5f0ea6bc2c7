"""Teams: the users of an account who work together, and who leads them."""

from myapp.teams.endpoints import blueprint

__all__ = ["blueprint"]
