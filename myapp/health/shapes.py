"""What clients send and see of health, as types for editors and mypy.

Written by `./run flask contracts types --write` from the contracts: change those.
"""

from typing import Literal, TypedDict


class HealthDocument(TypedDict):
    """What clients see of Health."""

    status: Literal["ok"]


class ReadinessDocument(TypedDict):
    """What clients see of Readiness."""

    status: Literal["ok", "degraded"]
    sql: Literal["ok"]
    redis: Literal["ok", "away"]
