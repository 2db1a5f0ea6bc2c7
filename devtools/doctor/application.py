"""Whether the application starts: its features' contracts, rules and tables.

Runs in a process of its own, which says why not, so that nothing it does is ours.
"""

import subprocess
import sys
import traceback
from pathlib import Path

from devtools.contracts.stand_ins import SHAPES
from devtools.doctor.finding import Finding

ROOT = Path(__file__).resolve().parents[2]


def begin() -> subprocess.Popen[str]:
    """Begin to start it: that takes the longest."""
    return subprocess.Popen(
        [sys.executable, "-m", "devtools.doctor.application"],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def finding(begun: subprocess.Popen[str]) -> Finding:
    """Wait until it has started, or has said why not."""
    _, said = begun.communicate()
    wrong = said.strip() if begun.returncode else None
    return Finding.of(wrong, "the application starts: contracts, rules, tables agree")


def main() -> None:
    """Start the application; end with what keeps it from that."""
    from click import ClickException

    try:
        from myapp import create_app, settings

        try:
            create_app()
        except settings.SettingsError:
            pass  # the settings are looked at by themselves
    except ClickException as error:  # has the place and the remedy
        sys.exit(error.message)
    except Exception as error:
        told = f"{_place(error)}: {type(error).__name__}: {error}"
        sys.exit(f"{told}: {_remedy(error)}")


def _remedy(error: Exception) -> str:
    if isinstance(error, ImportError) and SHAPES.fullmatch(error.name or ""):
        return "write it: ./run flask contracts types --write"
    return "mend it there"


def _place(error: Exception) -> str:
    """Return `file:line` of our code that an exception comes from."""
    if isinstance(error, SyntaxError):
        return f"{error.filename}:{error.lineno}"
    frames = traceback.extract_tb(error.__traceback__)
    places = [f"{frame.filename}:{frame.lineno}" for frame in frames]
    ours = [place for place in places if place.startswith(f"{ROOT}/myapp/")]
    return (ours or places)[-1]


if __name__ == "__main__":
    main()
