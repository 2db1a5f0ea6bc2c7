"""What a client finds out by itself."""

from myapp.well_known.endpoints import blueprint

__all__ = ["blueprint"]
