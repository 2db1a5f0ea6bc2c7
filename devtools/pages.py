"""Puts what a command has found where it is read: between its marks in a page."""

from pathlib import Path

END = "<!-- end -->"


def put(file: Path, command: str, text: str) -> None:
    """Replace what stands behind a command's mark; RuntimeError where there is none."""
    before, found, rest = file.read_text().partition(f"<!-- {command} -->\n")
    _, end, after = rest.partition(END)
    if not found or not end:
        raise RuntimeError(f"{file.name} has no place for it: <!-- {command} --> {END}")
    file.write_text(f"{before}{found}\n{text.strip()}\n\n{end}{after}")
