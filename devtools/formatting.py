"""Python source as the checks of the project want it: by isort, then black."""

from pathlib import Path

import black
import isort

ROOT = Path(__file__).resolve().parents[1]


def formatted(source: str) -> str:
    """Return Python source as the checks of the project want it."""
    settings = isort.Config(settings_path=str(ROOT))
    return black.format_str(isort.code(source, config=settings), mode=black.Mode())
