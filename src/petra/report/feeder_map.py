"""The feeder drawn from the source to its far ends, as metered and at the worst of what was granted (R26, R31).

Decides: how a link and a node look, on the map and beside the rows. `feeder_tree` decides places and colours.
Invariant: a link is as heavy and as dark as it is loaded, a node has the colour of the voltage nearer to its limit.
"""

from collections.abc import Iterator, Mapping
from html import escape

from petra.report import charts
from petra.report.charts import Figure, Frame
from petra.report.facts import Facts
from petra.report.feeder_scale import scales, scales_height
from petra.report.feeder_states import State, fullest, nearer_limit, state_at, told, volts, worst_state
from petra.report.feeder_tree import OVER, Grid, Tree, load_class, places_on_map, tree_of, volt_class
from petra.report.words import LocalTime, percent

LETTER = 6.5  # pixels of a name's letter
ROW_MOST, ROW_FOR_NAMES, ROW_LEAST, ROWS_HEIGHT = 28, 22, 11, 560
HEADING, WINDINGS = 30, 34  # the link of the transformer is long enough for its two windings

Point = tuple[float, float]


def feeder_map(grid: Grid, facts: Facts, time: LocalTime) -> Figure:
    """Return the feeder twice: when the meters left least room, and at the worst of what was granted."""
    tree, limits = tree_of(grid), grid["limits"]
    index = fullest(grid, "metered")
    at = time.clock(facts.begin(grid["first_timestep"] + index))
    panels = (
        (f"metered at {at}", state_at(grid, "metered", index)),
        ("worst of what was granted", worst_state(grid, "granted")),
    )
    alt = (
        f"The feeder's {len(tree.above)} nodes from the source outwards, drawn twice. As metered at {at}, when least"
        f" room was left: {told(panels[0][1])}. At the worst corners of what was granted, each line and node at its own"
        f" worst of the day: {told(panels[1][1])}. The limits are 100 %, {limits['voltage_min']:g} and"
        f" {limits['voltage_max']:g}."
    )
    places = places_on_map(tree)
    rows, columns = (1 + max(place[axis] for place in places.values()) for axis in (1, 0))
    step = min(ROW_MOST, max(ROW_LEAST, ROWS_HEIGHT // rows))
    height = HEADING + step * rows + 12
    letters = LETTER * max(map(len, tree.above))

    def draw(width: int) -> str:
        stacked, above = width <= charts.NARROW, scales_height(width)
        panel = width if stacked else width / 2 - 8
        spacing = (panel - 26 - WINDINGS - letters) / max(1, columns - 2)
        parts = [*scales(grid, width)]
        for number, (title, state) in enumerate(panels):
            left, top = (0.0, above + number * height) if stacked else (number * (width / 2 + 8), float(above))
            parts.append(charts.words((left + 2, top + 13), title, style="unit"))
            points = {
                node: (
                    left + 8 + (WINDINGS + spacing * (place.column - 1) if place.column else 0),
                    top + HEADING + step * (place.row + 0.5),
                )
                for node, place in places.items()
            }
            parts += branches(grid, tree, state, points, radius=min(3.6, max(1.8, spacing / 3.4)))
            parts += _names(tree, points, everywhere=spacing > letters + 8 and step >= ROW_FOR_NAMES)
        whole = above + (2 * height if stacked else height)
        return charts.drawing(Frame(width=width, height=whole, x_range=(0, 1), y_range=(0, 1)), alt, parts)

    return charts.figure("feeder-map", "The feeder at its worst", alt, (), draw)


def _names(tree: Tree, points: Mapping[str, Point], *, everywhere: bool) -> Iterator[str]:
    """Yield the names: behind the far ends, and above the other nodes where there is room."""
    for node, (x, y) in points.items():
        if not tree.children[node]:
            yield charts.words((x + 8, y + 3.5), node, style="name")
        elif everywhere and node != tree.source:
            yield charts.words((x + 2, y - 6), node, style="name")


def branches(
    grid: Grid, tree: Tree, state: State, points: Mapping[str, Point], *, radius: float = 3.6, downwards: bool = False
) -> Iterator[str]:
    """Yield every link and node at its point; a branch leaves its trunk to the right, or downwards."""
    # Light links first: where two leave the same node, the heavier one stays visible.
    for node in sorted(tree.above, key=lambda node: (1, 0.0) if (v := state.loading[node]) is None else (0, v)):
        (x, y), (to_x, to_y) = points[tree.above[node]], points[node]
        path = f"M{x:.1f} {y:.1f}V{to_y:.1f}H{to_x:.1f}"
        if downwards and x != to_x:
            middle = (x + to_x) / 2
            path = f"M{x:.1f} {y:.1f}H{middle:.1f}V{to_y:.1f}H{to_x:.1f}"
        title = f"<title>{escape(row_told(grid, state, node))}</title>"
        yield f'<path class="wire {load_class(state.loading[node])}" d="{path}">{title}</path>'
    yield from _transformer(points[tree.source], points[next(iter(tree.above))])
    for node in tree.above:
        x, y = points[node]
        colour = volt_class(nearer_limit(state.low[node], state.high[node], grid["limits"]), grid["limits"])
        yield charts.dot((x, y), f"volt {colour}", radius * (1.2 if colour == OVER else 1), row_told(grid, state, node))


def row_told(grid: Grid, state: State, node: str) -> str:
    """Return what a pointer on a node or its link is told."""
    between = (volts(state.low[node]), volts(state.high[node]))
    voltage = between[0] if between[0] == between[1] else " to ".join(between)
    return f"{node}: {voltage}; {grid['links'][node]['element']}: {percent(state.loading[node])}"


def _transformer(source: Point, busbar: Point) -> Iterator[str]:
    """Yield the source as a bar, and the two windings on the link below it."""
    yield f'<rect class="source" x="{source[0] - 3:.1f}" y="{source[1] - 6:.1f}" width="6" height="12"/>'
    across, down = busbar[0] - source[0], busbar[1] - source[1]
    length = max(1.0, (across**2 + down**2) ** 0.5)
    for away in (-2.4, 2.4):
        x = (source[0] + busbar[0]) / 2 + away * across / length
        y = (source[1] + busbar[1]) / 2 + away * down / length
        yield f'<circle class="winding" cx="{x:.1f}" cy="{y:.1f}" r="3.6"/>'
