"""Drawing: axes, bars, steps and lines as SVG text, in the page's own colours.

Decides: how a mark looks. Knows no run and no unit. Colours are classes of the page's style sheet, so a figure follows
light, dark and print; each figure is drawn twice, wide and narrow, so that its text stays readable on a phone.
Invariant: the same numbers give the same bytes; coordinates are rounded to a tenth of a pixel.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

WIDE, NARROW = 760, 360


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A figure of the page: the drawing in both widths, its alternative text and its legend (class, label)."""

    name: str
    title: str
    alt: str
    legend: tuple[tuple[str, str], ...]
    wide: str
    narrow: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The plot's area inside a drawing of `width` x `height`, and the values that its edges stand for."""

    width: int
    height: int
    x_range: tuple[float, float]
    y_range: tuple[float, float]
    left: int = 48
    right: int = 22
    top: int = 14
    bottom: int = 40

    @property
    def narrow(self) -> bool:
        """Whether this is the phone's drawing."""
        return self.width <= NARROW

    @property
    def marks_most(self) -> int:
        """How many marks with text fit below the plot."""
        return 5 if self.narrow else 10

    def x(self, value: float) -> float:
        """Return the pixel of a value on the horizontal axis."""
        first, last = self.x_range
        return self.left + (value - first) / (last - first) * (self.width - self.left - self.right)

    def y(self, value: float) -> float:
        """Return the pixel of a value on the vertical axis."""
        low, high = self.y_range
        return self.height - self.bottom - (value - low) / (high - low) * (self.height - self.bottom - self.top)


def figure(
    name: str, title: str, alt: str, legend: Sequence[tuple[str, str]], draw: Callable[[int], str]
) -> Figure:
    """Return a figure that `draw` makes for a given width."""
    return Figure(name=name, title=title, alt=alt, legend=tuple(legend), wide=draw(WIDE), narrow=draw(NARROW))


def drawing(frame: Frame, alt: str, parts: Iterable[str]) -> str:
    """Return one SVG of its parts, with its alternative text."""
    return (
        f'<svg viewBox="0 0 {frame.width} {frame.height}" role="img" aria-label="{escape(alt)}"'
        f' class="{"narrow" if frame.narrow else "wide"}">{"".join(parts)}</svg>'
    )


def round_steps(low: float, high: float, most: int = 5) -> list[float]:
    """Return round values from low to high, about `most` of them, a step of 1, 2 or 5 times a power of ten."""
    assert low < high, (low, high)
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= raw * 0.8)
    first = math.ceil(low / step - 1e-9)
    return [round(step * index, 10) for index in range(first, math.floor(high / step + 1e-9) + 1)]


def room_above(highest: float) -> float:
    """Return an upper edge for an axis that begins at zero: a little above the highest value, never zero."""
    return highest * 1.06 if highest > 0 else 1.0


def vertical_axis(frame: Frame, label: str, write: Callable[[float], str] | None = None) -> str:
    """Return horizontal rules with their values, and the axis' quantity and unit."""
    parts = []
    for value in round_steps(*frame.y_range):
        y = frame.y(value)
        text = write(value) if write else f"{value:g}".replace("-", "\N{MINUS SIGN}")
        parts.append(line((frame.left, y), (frame.width - frame.right, y), "rule" if value else "axis"))
        parts.append(words((frame.left - 6, y + 4), text, anchor="end"))
    middle = (frame.top + frame.height - frame.bottom) / 2
    turned = f'transform="translate(12 {_(middle)}) rotate(-90)" text-anchor="middle"'
    parts.append(f'<text class="unit" {turned}>{escape(label)}</text>')
    return "".join(parts)


def horizontal_axis(frame: Frame, marks: Sequence[tuple[float, str]], label: str) -> str:
    """Return the values below the plot, and the axis' quantity and unit."""
    base = frame.height - frame.bottom
    parts = [line((frame.left, base), (frame.width - frame.right, base), "axis")]
    for value, text in marks:
        parts.append(line((frame.x(value), base), (frame.x(value), base + 4), "axis"))
        parts.append(words((frame.x(value), base + 17), text, anchor="middle"))
    middle = (frame.left + frame.width - frame.right) / 2
    parts.append(words((middle, frame.height - 4), label, anchor="middle", style="unit"))
    return "".join(parts)


def bar(frame: Frame, x: tuple[float, float], y: tuple[float, float], style: str, told: str = "") -> str:
    """Return a filled rectangle between two values on each axis, with what a pointer is told; nothing if it is flat."""
    left, right = sorted((frame.x(x[0]), frame.x(x[1])))
    top, bottom = sorted((frame.y(y[0]), frame.y(y[1])))
    if bottom - top < 0.05 or right - left < 0.05:
        return ""
    title = f"<title>{escape(told)}</title>" if told else ""
    return (
        f'<rect class="{style}" x="{_(left)}" y="{_(top)}" width="{_(right - left)}"'
        f' height="{_(bottom - top)}">{title}</rect>'
    )


def steps(frame: Frame, edges: Sequence[float], values: Sequence[float], style: str, *, filled: bool = False) -> str:
    """Return a line that keeps each value from one edge to the next; filled down to zero if wanted."""
    assert len(edges) == len(values) + 1, "one edge more than values"
    points = []
    for (begin, end), value in zip(pairwise(edges), values, strict=True):
        points += [(frame.x(begin), frame.y(value)), (frame.x(end), frame.y(value))]
    if filled:
        points = [(frame.x(edges[0]), frame.y(0)), *points, (frame.x(edges[-1]), frame.y(0))]
    joined = " ".join(f"{_(x)},{_(y)}" for x, y in points)
    return f'<{"polygon" if filled else "polyline"} class="{style}" points="{joined}"/>'


def line(begin: tuple[float, float], end: tuple[float, float], style: str) -> str:
    """Return a line between two pixels."""
    return f'<line class="{style}" x1="{_(begin[0])}" y1="{_(begin[1])}" x2="{_(end[0])}" y2="{_(end[1])}"/>'


def dot(at: tuple[float, float], style: str, radius: float = 4, told: str = "") -> str:
    """Return a disc around a pixel, with what a pointer is told."""
    title = f"<title>{escape(told)}</title>" if told else ""
    return f'<circle class="{style}" cx="{_(at[0])}" cy="{_(at[1])}" r="{_(radius)}">{title}</circle>'


def words(at: tuple[float, float], text: str, *, anchor: str = "start", style: str = "") -> str:
    """Return a text at a pixel; anchor is start, middle or end."""
    named = f' class="{style}"' if style else ""
    return f'<text{named} x="{_(at[0])}" y="{_(at[1])}" text-anchor="{anchor}">{escape(text)}</text>'


def _(pixel: float) -> str:
    """Return a coordinate, rounded."""
    return f"{round(pixel, 1) + 0.0:.1f}".removesuffix(".0")
