"""Voltage against the distance from the transformer, the way a grid engineer looks at a feeder (R26, R31).

Decides: which states are drawn. Invariant: every link is one stroke between its two nodes, as long as its line.
"""

from collections.abc import Mapping

from petra.report import charts
from petra.report.charts import Figure, Frame
from petra.report.facts import Facts
from petra.report.feeder_states import fullest, state_at, volts, worst_state
from petra.report.feeder_tree import Grid, Value
from petra.report.words import LocalTime, number


def voltage_profile(grid: Grid, facts: Facts, time: LocalTime) -> Figure | None:
    """Return the voltages along every branch; None where the feeder's lines have no length, or something collapses."""
    metres: dict[str, float] = {}
    for node, link in grid["links"].items():
        metres[node] = metres.get(link["above"], 0.0) + link["metres"]
    index, worst = fullest(grid, "metered"), worst_state(grid, "granted")
    metered = state_at(grid, "metered", index).low
    known = [value for state in (metered, worst.low, worst.high) for value in state.values() if value is not None]
    if not max(metres.values()) or len(known) < 3 * len(metres):
        return None
    low, high = grid["limits"]["voltage_min"], grid["limits"]["voltage_max"]
    at = time.clock(facts.begin(grid["first_timestep"] + index))
    alt = (
        f"Voltage against distance from the transformer, up to {number(max(metres.values()))} metres: metered at {at}"
        f" between {volts(min(filter(None, metered.values())))} and {volts(max(filter(None, metered.values())))}; worst"
        f" of what was granted between {volts(min(known))} and {volts(max(known))}. Limits: {low:g} and {high:g}."
    )
    margin = 0.06 * (high - low)

    def draw(width: int) -> str:
        frame = Frame(
            width=width,
            height=300 if width > charts.NARROW else 260,
            x_range=(0, max(metres.values())),
            y_range=(min(low, *known) - margin, max(high, *known) + margin),
        )
        marks = [(value, number(value)) for value in charts.round_steps(*frame.x_range, most=frame.marks_most // 2 + 1)]
        parts = [charts.vertical_axis(frame, "voltage", lambda value: f"{value:g}")]
        parts += [
            charts.line((frame.left, frame.y(limit)), (frame.width - frame.right, frame.y(limit)), "dashed")
            for limit in (low, high)
        ]
        parts.append(_strokes(grid, frame, metres, worst.low, "lowest"))
        parts.append(_strokes(grid, frame, metres, worst.high, "highest"))
        parts.append(_strokes(grid, frame, metres, metered, "ink"))
        parts.append(charts.horizontal_axis(frame, marks, "metres of line from the transformer"))
        return charts.drawing(frame, alt, parts)

    legend = (
        ("servable", f"metered at {at}"),
        ("highest", "highest that was granted"),
        ("lowest", "lowest that was granted"),
        ("dashed", "limits"),
    )
    return charts.figure("feeder-profile", "Voltage along the feeder", alt, legend, draw)


def _strokes(grid: Grid, frame: Frame, metres: Mapping[str, float], state: Mapping[str, Value], style: str) -> str:
    """Return one path with a stroke for each link below the transformer."""
    ends = []
    for node, link in grid["links"].items():
        begin, end, above = state.get(link["above"]), state[node], metres.get(link["above"], 0.0)
        if begin is not None and end is not None:
            ends.append(
                f"M{frame.x(above):.1f} {frame.y(begin):.1f}L{frame.x(metres[node]):.1f} {frame.y(end):.1f}"
            )
    return f'<path class="stroke {style}" d="{"".join(ends)}"/>'
