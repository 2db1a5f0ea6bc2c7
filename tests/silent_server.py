"""A server that lets everyone in and answers nothing, as one that hangs."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager


class SilentServer:
    """A server that lets everyone in and answers nothing."""

    def __init__(self, listening: socket.socket) -> None:
        self._listening = listening
        self.port = listening.getsockname()[1]

    def visits(self) -> int:
        """Return how many have connected since it was last asked."""
        self._listening.setblocking(False)
        found = 0
        while True:
            try:
                self._listening.accept()[0].close()
            except BlockingIOError:
                return found
            found += 1


@contextmanager
def silent_server() -> Iterator[SilentServer]:
    """Listen for a block."""
    with socket.create_server(("127.0.0.1", 0), backlog=100) as listening:
        yield SilentServer(listening)
