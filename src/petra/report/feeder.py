"""The day on the feeder in figures: the worst beside the limits, the margin left, and other rules (R26, R31, R39).

Decides: what of the solved day stands on the page. Knows no solver: `petra simulate` has solved it.
Invariant: every figure stands beside its limit.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from petra.report import charts
from petra.report.charts import Figure, Frame
from petra.report.energy import TimestepEnergy
from petra.report.facts import Facts
from petra.report.feeder_map import feeder_map
from petra.report.feeder_profile import voltage_profile
from petra.report.feeder_rows import feeder_rows
from petra.report.feeder_states import volts, worst_state
from petra.report.feeder_tree import Grid
from petra.report.figures import timestep_axis, timestep_frame
from petra.report.sections import View
from petra.report.words import NOTHING, LocalTime, kwh, number, percent

JUDGED = ("over a limit", "highest loading", "lowest voltage", "highest voltage")
RULES = {
    "none": "no rule",
    "limits": "own limits (the paper's)",
    "connection": "transformer total",
    "feeder": "safety ledger",
}


def drawings(grid: Grid, facts: Facts, timesteps: Sequence[TimestepEnergy], time: LocalTime) -> dict[str, Figure]:
    """Return the figures of a solved day."""
    drawn = (
        rules(grid),
        feeder_map(grid, facts, time),
        voltage_profile(grid, facts, time),
        feeder_rows(grid, facts, time, "metered"),
        feeder_rows(grid, facts, time, "granted"),
        loading(grid, facts, timesteps, time),
    )
    return {figure.name: figure for figure in drawn if figure is not None}


def views(grid: Grid) -> dict[str, View]:
    """Return the tables of a solved day."""
    return {"feeder": elements(grid), "worst": worst(grid), "rules": comparison(grid)}


def loading(grid: Grid, facts: Facts, timesteps: Sequence[TimestepEnergy], time: LocalTime) -> Figure:
    """Return the loading of the transformer and of the fullest line over the timesteps, with the limit."""
    transformer, *lines = [[share or 0.0 for share in series] for series in grid["loading"].values()]
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


def rules(grid: Grid) -> Figure:
    """Return the highest loading under each rule, as metered and at the worst corner of what it would have granted."""
    judged = [one for one in grid["comparison"]["rules"] if "impossible" not in one]
    reached = {one["rule"]: tuple(100 * _loading(one[kind]) for kind in ("metered", "granted")) for one in judged}
    alt = "Highest loading of transformer or line under each rule: " + "; ".join(
        f"{RULES[rule]} {metered:.0f} % as metered, {worst:.0f} % at the worst corner of what it grants"
        for rule, (metered, worst) in reached.items()
    )

    def draw(width: int) -> str:
        most = charts.room_above(max(100.0, *(one for pair in reached.values() for one in pair)))
        narrow = width <= charts.NARROW
        step = 44 if narrow else 30
        frame = Frame(
            width=width,
            height=14 + step * len(reached) + 40,
            x_range=(0, most),
            y_range=(0, len(reached)),
            left=14 if narrow else 250,
        )
        base = frame.height - frame.bottom
        marks = [(value, f"{value:g}") for value in charts.round_steps(0, most, most=frame.marks_most)]
        parts = [charts.line((frame.x(at), frame.top), (frame.x(at), base), "rule") for at, _ in marks]
        parts.append(charts.line((frame.x(100), frame.top - 8), (frame.x(100), base), "dashed"))
        for row, (rule, (metered, worst)) in enumerate(reached.items()):
            y = frame.y(len(reached) - row - 0.5) + (8 if narrow else 0)
            name = RULES[rule] + (", in force" if rule == grid["rule"] else "")
            at = (frame.left, y - 14) if narrow else (frame.left - 12, y + 4)
            parts.append(charts.words(at, name, anchor="start" if narrow else "end"))
            parts.append(charts.line((frame.x(metered), y), (frame.x(worst), y), "link"))
            for value, style in ((worst, "hollow"), (metered, "full")):
                colour = "bad" if value > 100 else "community"
                parts.append(charts.dot((frame.x(value), y), f"{style} {colour}", 5.5, f"{name}: {value:.0f} %"))
        parts.append(charts.horizontal_axis(frame, marks, "highest loading in % of the rating"))
        return charts.drawing(frame, f"{alt}.", parts)

    legend = (
        ("community round", "metered"),
        ("hollow round", "worst corner of what is granted"),
        ("bad round", "over the limit"),
        ("dashed", "limit"),
    )
    return charts.figure("rules", "The same day under other rules", f"{alt}.", legend, draw)


def comparison(grid: Grid) -> View:
    """Return what every rule would have granted and what the feeder would have carried, a rule a column."""
    verdicts = grid["comparison"]["rules"]
    names = [RULES[one["rule"]] + (", in force" if one.get("in_force") else "") for one in verdicts]
    told = [[NOTHING] * (4 + 2 * len(JUDGED)) if "impossible" in one else _told(one) for one in verdicts]
    rows = ("requests", "of these refused", "production granted, kWh", "consumption granted, kWh")
    labels = [*rows, *(f"{what}: {quantity}" for what in ("metered", "worst corners") for quantity in JUDGED)]
    return View(
        caption="The same requests under every rule (voltages as fractions of the rated)",
        columns=("", *names),
        rows=list(zip(labels, *told, strict=True)),
    )


def impossible(grid: Grid) -> list[tuple[str, list[str]]]:
    """Return the rules that could promise nothing, with the reasons that come first and the remedy."""
    told = []
    for one in grid["comparison"]["rules"]:
        if problems := one.get("impossible"):
            first, *others = (problem.removeprefix(f"{grid['feeder']}: ") for problem in problems)
            told.append((RULES[one["rule"]], [first, *others[-1:]]))
    return told


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
    """Return for each node the loading of what leads to it and its voltages, metered and at the worst, with margins."""
    metered, granted, limits = worst_state(grid, "metered"), worst_state(grid, "granted"), grid["limits"]
    rows = []
    for node, link in grid["links"].items():
        low, high, share = granted.low[node], granted.high[node], granted.loading[node]
        margin = None if low is None or high is None else min(low - limits["voltage_min"], limits["voltage_max"] - high)
        rows.append(
            (
                node,
                link["above"],
                link["element"],
                *(percent(one) for one in (metered.loading[node], share, None if share is None else 1 - share)),
                *(volts(one) for one in (metered.low[node], metered.high[node], low, high, margin)),
            )
        )
    return View(
        caption="The feeder from the source outwards (voltages as fractions of the rated; margins of what was granted)",
        groups=(("", 3), ("loading of the link", 3), ("voltage", 5)),
        columns=(
            "node",
            "hangs on",
            "by",
            "metered",
            "granted",
            "margin",
            "metered, lowest",
            "highest",
            "granted, lowest",
            "highest",
            "margin",
        ),
        rows=rows,
        texts=3,
    )


def _loading(solved: Mapping[str, Any]) -> float:
    return float(max(solved["worst"]["transformer_loading"], solved["worst"]["line_loading"]))


def _told(one: Mapping[str, Any]) -> list[str]:
    """Return one rule's figures from top to bottom."""
    granted = (kwh(one["granted_production"]), kwh(one["granted_consumption"]))
    return [number(one["asked"]), number(one["refused"]), *granted, *_judged(one["metered"]), *_judged(one["granted"])]


def _judged(solved: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Return the figures that JUDGED names."""
    worst, collapsed = solved["worst"], solved["without_solution"]
    count = f"{number(solved['violations'])} of {number(solved['outcomes'])}"
    return (
        f"{count} ({number(collapsed)} without solution)" if collapsed else count,
        percent(_loading(solved), 0),
        number(worst["voltage_min"], 3),
        number(worst["voltage_max"], 3),
    )
