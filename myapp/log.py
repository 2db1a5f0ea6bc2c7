"""Where the log goes: to stderr, a line each, unless the process says otherwise."""

import logging
import os
import sys

STDERR = 2
package = logging.getLogger("myapp")
requests = logging.getLogger("myapp.requests")
root = logging.getLogger()
shipped = logging.StreamHandler(sys.stderr)


def to_stderr() -> None:
    """Print what the package logs, where nobody has set up logging."""
    if not package.handlers and not root.handlers:
        package.addHandler(shipped)
        package.setLevel(logging.INFO)


def write_request(line: bytes) -> None:
    """Log the line of a request.

    Where it goes nowhere but to stderr it is written straight: a LogRecord on its way
    through logging costs five times as much as the line itself.
    """
    if not _is_as_shipped():
        requests.info(line.decode())
        return
    try:
        os.write(STDERR, line + b"\n")
    except OSError:  # nobody reads the log: that is no reason to refuse a request
        return


def _is_as_shipped() -> bool:
    if root.handlers or requests.handlers or requests.filters or shipped.formatter:
        return False
    return package.handlers == [shipped] and requests.isEnabledFor(logging.INFO)
