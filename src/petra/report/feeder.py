"""The day on the feeder: loading over time, voltages, limits and the margin left, from a run's grid.json (R26, R31).

Decides: what of the solved day stands on the page. Knows no solver: `petra simulate` has solved it.
Invariant: every figure stands beside its limit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from petra.report import charts
from petra.report.charts import Figure
from petra.report.energy import TimestepEnergy
from petra.report.facts import Facts
from petra.report.figures import timestep_axis, timestep_frame
from petra.report.sections import View
from petra.report.words import LocalTime, number, percent

Grid = Mapping[str, Any]


def loading(grid: Grid, facts: Facts, timesteps: Sequence[TimestepEnergy], time: LocalTime) -> Figure:
    """Return the loading of the transformer and of the fullest line over the timesteps, with the limit."""
    transformer, *lines = grid["loading"].values()
    fullest = max(lines, key=max, default=[0.0] * len(transformer))
    shown = [[100 * share for share in series] for series in (transformer, fullest)]
    alt = (
        f"Loading over the day: the transformer reaches {max(shown[0]):.0f} % of its rating, the fullest line"
        f" {max(shown[1]):.0f} %; the limit is 100 %."
    )

    def draw(width: int) -> str:
        frame = timestep_frame(width, timesteps, (0.0, charts.room_above(max(100.0, *map(max, shown)))))
        edges = [*facts.timesteps, facts.timesteps.stop]
        limit = frame.y(100)
        parts = [
            charts.vertical_axis(frame, "loading in %"),
            charts.steps(frame, edges, shown[0], "area produce", filled=True),
            charts.steps(frame, edges, shown[1], "stroke ink"),
            charts.line((frame.left, limit), (frame.width - frame.right, limit), "dashed"),
            timestep_axis(frame, facts, time),
        ]
        return charts.drawing(frame, alt, parts)

    legend = (("produce", "transformer"), ("servable", "fullest line"), ("dashed", "limit"))
    return charts.figure("loading", "Loading of transformer and lines", alt, legend, draw)


def worst(grid: Grid) -> View:
    """Return the worst of what was metered and of what was granted, beside the limits."""
    limits, columns = grid["limits"], [grid[kind]["worst"] for kind in ("metered", "granted")]
    whole = limits["loading"]
    rows = [
        (label, *(percent(one[name]) for one in columns), percent(whole), percent(whole - columns[1][name]))
        for name, label in (("transformer_loading", "transformer, highest loading"), ("line_loading", "line, highest"))
    ]
    for name, label, sign in (("voltage_min", "voltage, lowest", 1), ("voltage_max", "voltage, highest", -1)):
        margin = sign * (columns[1][name] - limits[name])
        rows.append((label, *(number(one[name], 3) for one in columns), number(limits[name], 3), number(margin, 3)))
    return View(
        caption="Worst of the day, and the margin that everything granted leaves (voltages as fractions of the rated)",
        columns=("quantity", "metered", "worst corner of what was granted", "limit", "margin left"),
        rows=rows,
    )


def elements(grid: Grid) -> View:
    """Return for each node the loading of what leads to it and its voltages, as metered."""
    rows = []
    for node, link in grid["links"].items():
        series, volts = grid["loading"][link["element"]], grid["voltage"][node]
        rows.append(
            (node, link["above"], link["element"], percent(max(series)), number(min(volts), 3), number(max(volts), 3))
        )
    return View(
        caption="The feeder from the source outwards, as metered (voltages as fractions of the rated)",
        columns=("node", "hangs on", "by", "highest loading", "lowest voltage", "highest voltage"),
        rows=rows,
        texts=3,
    )
