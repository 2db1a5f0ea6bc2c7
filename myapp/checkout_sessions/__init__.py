"""Checkout sessions: payments about to happen. The worked example on Redis."""

from myapp.checkout_sessions.endpoints import blueprint

__all__ = ["blueprint"]
