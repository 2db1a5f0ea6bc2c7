"""Products: a feature in the plain Flask-RESTX style, on SQL."""

from tests.plain.products.endpoints import blueprint

__all__ = ["blueprint"]
