"""The plots of docs/speed.md: bars of the comparison, lines of the curves."""

from collections.abc import Mapping, Sequence
from math import floor, log10
from typing import NamedTuple

from bench.report import HEADS
from bench.samples import Figures, Results
from bench.svg import Drawing

OURS, OTHERS, GRID = "#c2410c", "#64748b", "#e2e8f0"
COLOURS = ("#c2410c", "#ea9a5b", "#1d4ed8", "#6d9ef0")
NAMES, BARS, NUMBERS = 260, 360, 70
"""The widths of a panel's three parts."""
WIDTH, MARGIN, LINE = NAMES + BARS + NUMBERS, 16, 22
BEYOND = 2
"""A bar this many times as long as the next one is cut off, and its number says it."""


def bars(results: Results, titles: Mapping[str, str], names: Sequence[str]) -> str:
    """Return a panel of bars for each operation: the server's CPU µs a request."""
    lines = len(names) + 2
    drawing = Drawing(WIDTH + 2 * MARGIN, len(results) * lines * LINE + 2 * MARGIN)
    for number, (operation, found) in enumerate(results.items()):
        top = MARGIN + number * lines * LINE
        title = f"{HEADS[operation]}: server CPU, µs a request"
        drawing.words(MARGIN, top + 16, title, size=14)
        shown = {name: found[name] for name in names if name in found}
        _panel(drawing, top + LINE, shown, titles)
    return drawing.text()


def _panel(
    drawing: Drawing,
    top: float,
    found: Mapping[str, Figures],
    titles: Mapping[str, str],
) -> None:
    longest = _longest([figures.cpu_us for figures in found.values()])
    for number, (name, figures) in enumerate(found.items()):
        y = top + number * LINE
        drawing.words(MARGIN + NAMES - 8, y + 15, titles[name], anchor="end")
        width = BARS * min(1.0, figures.cpu_us / longest)
        colour = OURS if name.startswith("myapp") else OTHERS
        drawing.rectangle(MARGIN + NAMES, y + 3, width, LINE - 6, colour)
        cut = "» " if figures.cpu_us > longest else ""
        said = f"{cut}{figures.cpu_us:,.0f}"
        drawing.words(MARGIN + NAMES + width + 6, y + 15, said)


def _longest(values: Sequence[float]) -> float:
    """Return what the whole width stands for."""
    *rest, most = sorted(values)
    return rest[-1] if rest and most > BEYOND * rest[-1] else most


class Curve(NamedTuple):
    """A line of a plot: what it is, and its points."""

    title: str
    points: Mapping[int, float]


HEIGHT, LEFT, RIGHT, PARTS = 260, 60, 240, 4


def curves(title: str, lines: Sequence[Curve]) -> str:
    """Return lines over a logarithmic axis: µs by rows or tenants."""
    drawing = Drawing(WIDTH, HEIGHT + 80)
    drawing.words(MARGIN, 24, title, size=14)
    xs = sorted({x for line in lines for x in line.points})
    step = _step(max(y for line in lines for y in line.points.values()))
    _axes(drawing, xs, step)
    for line, colour in zip(lines, COLOURS, strict=False):
        points = [(_x(x, xs), _y(y, step)) for x, y in sorted(line.points.items())]
        drawing.line(points, colour)
        x, y = points[-1]
        drawing.words(x + 8, y + 4, line.title, colour=colour)
    return drawing.text()


def _step(most: float) -> float:
    """Return a round number that PARTS of reach as far as the highest point."""
    power = 10.0 ** floor(log10(most / PARTS))
    return next(n * power for n in (1, 2, 2.5, 5, 10) if n * power * PARTS >= most)


def _axes(drawing: Drawing, xs: Sequence[int], step: float) -> None:
    for part in range(PARTS + 1):
        value = step * part
        y = _y(value, step)
        drawing.line([(LEFT, y), (WIDTH - RIGHT, y)], GRID)
        drawing.words(LEFT - 8, y + 4, f"{value:.0f}", anchor="end")
    for x in xs:
        drawing.words(_x(x, xs), HEIGHT + 62, f"{x:,}", anchor="middle")


def _x(value: int, xs: Sequence[int]) -> float:
    span = log10(xs[-1] / xs[0]) or 1
    return LEFT + (WIDTH - LEFT - RIGHT) * log10(value / xs[0]) / span


def _y(value: float, step: float) -> float:
    return 40 + HEIGHT * (1 - value / (step * PARTS))
