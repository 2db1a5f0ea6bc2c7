"""Health: whether the process lives, and whether its stores answer."""

from myapp.health.endpoints import blueprint

__all__ = ["blueprint"]
