"""Lets features be imported whose shapes are missing, or older than their contracts.

They are written from the contracts, and the contracts are in files that import them.
Imports nothing of the application: it comes first.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

SHAPES = re.compile(r"myapp\.\w+\.shapes")


class StandIns(MetaPathFinder, Loader):
    """Finds, for each module of shapes, one that has whatever is asked for."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> ModuleSpec | None:
        """Return this for a module of shapes, nothing for all others."""
        return ModuleSpec(fullname, self) if SHAPES.fullmatch(fullname) else None

    def exec_module(self, module: ModuleType) -> None:
        """Let the module make a type of each name."""
        vars(module)["__getattr__"] = _type


def _type(name: str) -> type:
    if name.startswith("__"):  # the import system looks for some
        raise AttributeError(name)
    return type(name, (), {})


@contextmanager
def instead_of_shapes() -> Iterator[None]:
    """Let features that are imported meanwhile have stand-ins for their shapes."""
    finder = StandIns()
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
