"""Customers: whom an account sells to. The worked example on SQL."""

from myapp.customers.endpoints import blueprint

__all__ = ["blueprint"]
