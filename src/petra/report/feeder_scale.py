"""What the colours of a feeder's pictures mean: a bar of loadings and a bar of voltages, with the limits at their ends.

Decides: where the bars stand. Invariant: a bar shows the classes of `feeder_tree`, and beyond each limit the colour of
what exceeds it.
"""

from collections.abc import Iterator, Sequence

from petra.report import charts
from petra.report.feeder_tree import LOAD_EDGES, OVER, Grid, volt_edges
from petra.report.words import THIN, number

HEIGHT, THICK = 50, 9


def scales_height(width: int) -> int:
    """Return the height of both bars."""
    return HEIGHT * (2 if width <= charts.NARROW else 1) + 4


def scales(grid: Grid, width: int) -> Iterator[str]:
    """Yield both bars: beside one another, on a phone one under the other."""
    stacked = width <= charts.NARROW
    long = width if stacked else width / 2 - 8
    loads = [f"{100 * edge:g}{THIN}%" for edge in (0.0, *LOAD_EDGES)]
    yield from _bar("loading of lines and transformer", "load", loads, (0.0, 0.0, long))
    volts = [number(edge, 3) for edge in volt_edges(grid["limits"])]
    at = (0.0, float(HEIGHT), long) if stacked else (width / 2 + 8, 0.0, long)
    yield from _bar("voltage, fraction of the rated; nodes", "volt", volts, at)


def _bar(title: str, kind: str, edges: Sequence[str], at: tuple[float, float, float]) -> Iterator[str]:
    """Yield a bar of classes between edges, at (left, top, width), and what lies beyond its limits."""
    left, top, width = at
    below = 1 if kind == "volt" else 0  # a loading has no lower limit
    colours = [*[OVER] * below, *(f"{kind}{place}" for place in range(1, len(edges))), OVER]
    first = left + (2 if below else 10)  # room for the first edge's text
    wide = (left + width - first) / len(colours)
    yield charts.words((left + 2, top + 11), title, style="name")
    for place, colour in enumerate(colours):
        x = first + wide * place
        yield f'<rect class="strip {colour}" x="{x:.1f}" y="{top + 17:.1f}" width="{wide - 1:.1f}" height="{THICK}"/>'
    for place, text in enumerate(edges):
        yield charts.words((first + wide * (place + below) - 0.5, top + 38), text, anchor="middle", style="name")
