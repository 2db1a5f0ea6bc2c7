"""Many callers who do something at the same moment, each with a client of their own."""

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Barrier

from flask import Flask
from werkzeug.test import TestResponse

from tests.actors import Actor

TRIES = 20

Try = Callable[[Actor, str], TestResponse]
"""What a caller does to the record at a URL."""


def together(
    app: Flask, action: Try, callers: list[Actor], urls: list[str]
) -> dict[int, int]:
    """Let each caller do something to the URL in their place; count the statuses."""
    barrier = Barrier(len(callers))

    def one(caller: Actor, url: str) -> int:
        mine = replace(caller, client=app.test_client())
        barrier.wait()
        return action(mine, url).status_code

    with ThreadPoolExecutor(len(callers)) as pool:
        return dict(Counter(pool.map(one, callers, urls)))


def remove(caller: Actor, url: str) -> TestResponse:
    """Remove the record at a URL."""
    answer: TestResponse = caller.delete(url)
    return answer
