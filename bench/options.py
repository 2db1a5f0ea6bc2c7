"""The options of the smaller measurements: curves, redis, start."""

import argparse
from pathlib import Path

from bench.document import PAGE
from devtools.pages import put


def options(command: str, description: str, seconds: int) -> argparse.Namespace:
    """Return what was asked for."""
    parser = argparse.ArgumentParser(command, description=description)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seconds", type=int, default=seconds, help="of each run")
    parser.add_argument("--repeats", type=int, default=3, help="the median counts")
    parser.add_argument("--write", action="store_true", help="into docs/speed.md")
    return parser.parse_args()


def show(command: str, text: str, write: bool, page: Path = PAGE) -> None:
    """Print what was measured, and put it into the page if that is asked for."""
    print(text)
    if write:
        put(page, command, text)
