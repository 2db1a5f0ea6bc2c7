"""Puts what a command has found where it is read: between its marks in a page."""

from pathlib import Path

END = "<!-- end -->"


def mark(command: str) -> str:
    """Return what stands before the text of a command."""
    return f"<!-- {command} -->"


def put(file: Path, command: str, text: str) -> None:
    """Replace what stands behind a command's mark; RuntimeError where there is none."""
    try:
        file.write_text(placed(file.read_text(), command, text))
    except ValueError as error:
        raise RuntimeError(f"{file.name} has no place for it: {error}") from error


def placed(page: str, command: str, text: str) -> str:
    """Return a page with its text of a command; ValueError where it has no mark."""
    before, found, rest = page.partition(f"{mark(command)}\n")
    _, end, after = rest.partition(END)
    if not found or not end:
        raise ValueError(f"{mark(command)} {END}")
    return f"{before}{found}\n{text.strip()}\n\n{end}{after}"
