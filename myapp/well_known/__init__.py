"""What a client finds out by itself."""

from myapp.well_known.endpoints import blueprint

NEEDS = ("auth", "keys")  # it says where they are

__all__ = ["blueprint"]
