"""A drawing in SVG: rectangles, lines and words, no more than the plots need."""

from collections.abc import Sequence
from html import escape

FONT = "font-family='system-ui, sans-serif'"


class Drawing:
    """A drawing of a size, on white, whichever page shows it."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._shapes: list[str] = []
        self.rectangle(0, 0, width, height, "#fff")

    def rectangle(
        self, x: float, y: float, width: float, height: float, colour: str
    ) -> None:
        """Fill a rectangle."""
        self._shapes.append(
            f"<rect x='{x:.1f}' y='{y:.1f}' width='{width:.1f}' height='{height:.1f}'"
            f" fill='{colour}'/>"
        )

    def line(self, points: Sequence[tuple[float, float]], colour: str) -> None:
        """Draw a line through points."""
        listed = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._shapes.append(
            f"<polyline points='{listed}' fill='none' stroke='{colour}'"
            " stroke-width='2'/>"
        )

    def words(
        self,
        x: float,
        y: float,
        text: str,
        *,
        anchor: str = "start",
        size: int = 12,
        colour: str = "#222",
    ) -> None:
        """Write a line of text; the anchor is start, middle or end."""
        self._shapes.append(
            f"<text x='{x:.1f}' y='{y:.1f}' text-anchor='{anchor}' font-size='{size}'"
            f" fill='{colour}'>{escape(text)}</text>"
        )

    def text(self) -> str:
        """Return the file."""
        width, height = self._size
        return (
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}'"
            f" width='{width}' height='{height}' {FONT}>\n"
            + "\n".join(self._shapes)
            + "\n</svg>\n"
        )
