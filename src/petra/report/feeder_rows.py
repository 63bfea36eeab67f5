"""Every line and node of the feeder over the day, in rows beside a drawing of what hangs on what (R26, R31).

Decides: where rows and columns stand. Colours and the drawing of the branches are those of the map.
Invariant: the strips of a row belong to the node that the drawing shows in it, and to the link that leads there.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from itertools import groupby

from petra.report import charts
from petra.report.charts import Figure, Frame
from petra.report.facts import Facts
from petra.report.feeder_map import LETTER, Point, branches, row_told
from petra.report.feeder_scale import scales, scales_height
from petra.report.feeder_states import SERIES, Kind, State, nearer_limit, told, volts, worst_state
from petra.report.feeder_tree import Grid, Place, load_class, places_in_rows, tree_of, volt_class
from petra.report.figures import LOCAL_TIME, clock_marks
from petra.report.words import NOTHING, LocalTime, number, percent

TALL, LOW, TALL_MOST = 17, 11, 40  # pixels of a row where there are few, where there are many, and how many are few
HEADING, FOOT, GAP = 26, 44, 12
WORDS: Mapping[Kind, tuple[str, str, str]] = {
    "metered": ("as metered", "highest", "lowest, highest"),
    "granted": ("the worst of what was granted", "left", "left below, above"),
}
FIGURE_WIDTHS = (48, 104)  # of the columns with figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Where rows and columns stand in a drawing of some width; columns of figures only where there is room."""

    width: int
    places: Mapping[str, Place]

    @property
    def step(self) -> int:
        """The height of a row."""
        return TALL if len(self.places) <= TALL_MOST else LOW

    @property
    def height(self) -> int:
        """The height of the drawing."""
        return self.top + self.step * len(self.places) + FOOT

    @property
    def top(self) -> int:
        """Where the rows begin: below the colours' meaning and the headings."""
        return scales_height(self.width) + HEADING

    @property
    def figures(self) -> tuple[int, int]:
        """The widths of the two columns of figures."""
        return FIGURE_WIDTHS if self.width > charts.NARROW else (0, 0)

    @property
    def names(self) -> float:
        """Where the names begin, to the right of the branches."""
        return 20 + self._indent * max(place.column for place in self.places.values())

    @property
    def strips(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Where the two strips begin and end."""
        first = self.names + LETTER * max(map(len, self.places)) + 4
        wide = (self.width - first - 2 * GAP - sum(self.figures)) / 2
        second = first + wide + GAP + self.figures[0]
        return (first, first + wide), (second, second + wide)

    def middle(self, node: str) -> float:
        """Return the height at which a node's row has its middle."""
        return self.top + self.step * (self.places[node].row + 0.5)

    def point(self, node: str) -> Point:
        """Return where a node is drawn."""
        return 8 + self._indent * self.places[node].column, self.middle(node)

    @property
    def _indent(self) -> float:
        deepest = max(1, *(place.column for place in self.places.values()))
        return min(14.0, self.width / 8 / deepest)


def feeder_rows(grid: Grid, facts: Facts, time: LocalTime, kind: Kind) -> Figure:
    """Return every link's loading and every node's voltage over the day, with the worst or the margin left."""
    tree, worst = tree_of(grid), worst_state(grid, kind)
    alt = (
        f"A row for each of {len(tree.above)} nodes: the loading of the link that leads to it and its voltage over the"
        f" day, {WORDS[kind][0]}. Each at its own worst, {told(worst)}."
    )
    places = places_in_rows(tree)

    def draw(width: int) -> str:
        sheet = Sheet(width=width, places=places)
        size = Frame(width=width, height=sheet.height, x_range=(0, 1), y_range=(0, 1))
        parts = [
            *scales(grid, width),
            *_columns(grid, facts, sheet, time, kind),
            *branches(grid, tree, worst, {node: sheet.point(node) for node in places}, downwards=True),
        ]
        for node in tree.above:
            parts += _row(grid, worst, sheet, node, kind)
        return charts.drawing(size, alt, parts)

    title = f"Every line and node over the day, {WORDS[kind][0]}"
    return charts.figure(f"feeder-{kind}", title, alt, (), draw)


def _columns(grid: Grid, facts: Facts, sheet: Sheet, time: LocalTime, kind: Kind) -> Iterator[str]:
    """Yield headings, both strips of all nodes, and the time below them."""
    limits, (loading, low, high) = grid["limits"], SERIES[kind]
    first = grid["first_timestep"]
    until = first + len(next(iter(grid["loading"].values())))
    headings = ("loading of its link", "voltage")
    for number_of_strip, (left, right) in enumerate(sheet.strips):
        yield charts.words((left, sheet.top - 8), headings[number_of_strip], style="unit")
        if sheet.figures[number_of_strip]:
            yield charts.words((right + 6, sheet.top - 8), WORDS[kind][1 + number_of_strip], style="name")
        frame = Frame(
            width=sheet.width,
            height=sheet.height,
            x_range=(first, until),
            y_range=(0, 1),
            left=round(left),
            right=round(sheet.width - right),
        )
        rows = {}
        for node, link in grid["links"].items():
            if number_of_strip == 0:
                rows[node] = [load_class(share) for share in grid[loading][link["element"]]]
            else:
                pairs = zip(grid[low][node], grid[high][node], strict=True)
                rows[node] = [volt_class(nearer_limit(*pair, limits), limits) for pair in pairs]
        yield from _strips(frame, sheet, rows)
        span = (facts.begin(first), facts.begin(until))
        marks = [
            (first + (unix - span[0]) / facts.seconds, text)
            for unix, text in clock_marks(span, time, 4 if sheet.figures[0] else 3)
        ]
        yield charts.horizontal_axis(frame, marks, LOCAL_TIME)


def _strips(frame: Frame, sheet: Sheet, rows: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """Yield a row of colours for each node, one path for each colour: timesteps alike are one rectangle."""
    paths: dict[str, list[str]] = {}
    tall = sheet.step - 2
    for node, colours in rows.items():
        at, top = frame.x_range[0], sheet.middle(node) - tall / 2
        for colour, run in groupby(colours):
            begin, at = at, at + len(list(run))
            x, wide = frame.x(begin), frame.x(at) - frame.x(begin)
            paths.setdefault(colour, []).append(f"M{x:.1f} {top:.1f}h{wide:.1f}v{tall}h-{wide:.1f}z")
    for colour in sorted(paths):
        yield f'<path class="strip {colour}" d="{"".join(paths[colour])}"/>'


def _row(grid: Grid, worst: State, sheet: Sheet, node: str, kind: Kind) -> Iterator[str]:
    """Yield a row's name, its figures, and what a pointer is told."""
    base = sheet.middle(node) + 3.5
    yield charts.words((sheet.names, base), node, style="name")
    if sheet.figures[0]:
        for (_, right), text in zip(sheet.strips, _figures(grid, worst, node, kind), strict=True):
            yield charts.words((right + 6, base), text, style="name")
    top = sheet.middle(node) - sheet.step / 2
    yield (
        f'<rect class="touch" x="0" y="{top:.1f}" width="{sheet.width}" height="{sheet.step}">'
        f"<title>{escape(row_told(grid, worst, node))}</title></rect>"
    )


def _figures(grid: Grid, worst: State, node: str, kind: Kind) -> tuple[str, str]:
    """Return the worst of the day, or for what was granted the margins that it leaves."""
    loading, low, high = worst.loading[node], worst.low[node], worst.high[node]
    if kind == "metered":
        return percent(loading, 0), f"{volts(low)}  {volts(high)}"
    if loading is None or low is None or high is None:
        return NOTHING, NOTHING
    limits = grid["limits"]
    below, above = (number(margin, 3) for margin in (low - limits["voltage_min"], limits["voltage_max"] - high))
    return percent(1 - loading, 0), f"{below}  {above}"
