"""Carts: a feature in the plain Flask-RESTX style, on Redis."""

from tests.plain.carts.endpoints import blueprint

__all__ = ["blueprint"]
