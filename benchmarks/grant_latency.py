"""What the safety ledger's answer costs; prints one JSON object.

On the five shipped grids: the median and the 99th percentile of one check of one timestep, at random homes of a grid
that is filled until it refuses, and of one grant of an asset of 96 timesteps. Then against depth, on a line of 300
nodes, and against size, on lines, on stars and on trees whose nodes have three branches each. All times are processor
times, so that other programs on the machine count little.

`--plots FOLDER` draws both curves, `--record FILE` keeps the figures.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from statistics import median, quantiles
from time import process_time

from petra.data import GRIDS, load_grid
from petra.grid import Branch, Change, Envelope, Feeder, Node, SafetyLedger
from petra.report import charts

CHECKS = 3_000
ASSETS = 60
TIMESTEPS = 96
DEPTHS = (1, 25, 50, 100, 150, 200, 250, 299)
SIZES = (10, 30, 100, 300, 1_000)
SHAPES: dict[str, Callable[[int], int]] = {
    "line": lambda node: node - 1,
    "tree": lambda node: (node - 1) // 3,
    "star": lambda _: 0,
}
STYLE = (
    "<style>text{font:12px sans-serif;fill:#444}.rule{stroke:#ddd}.axis{stroke:#888}polyline{fill:none;stroke-width:2}"
    ".line{stroke:#1f77b4}.tree{stroke:#2ca02c}.star{stroke:#d62728}.limit{stroke:#888;stroke-dasharray:5 4}</style>"
)


def ledger_of(feeder: Feeder) -> SafetyLedger:
    """Return a ledger with an account at every connected node."""
    nodes = [node.node for node in feeder.nodes if node.connected]
    return SafetyLedger(feeder, {node: Envelope(node=node, import_watts=0, export_watts=0) for node in nodes})


def synthetic(size: int, parent: Callable[[int], int]) -> Feeder:
    """Return a feeder of two-metre cables, `size` low-voltage nodes, each hanging on the one that `parent` says."""
    pattern = load_grid("semiurb5")
    low = [Node(node=f"n{i}", name=f"n{i}", rated_volts=400.0, connected=True) for i in range(size)]
    lines = [
        Branch(
            branch=f"l{i}",
            from_node=f"n{parent(i)}",
            to_node=f"n{i}",
            length_metres=2.0,
            resistance_ohm=0.00025,
            reactance_ohm=0.00016,
            capacitance_nanofarad=1.7,
            rating_ampere=357.0,
        )
        for i in range(1, size)
    ]
    source = next(node for node in pattern.nodes if node.node == pattern.source_node)
    transformer = replace(pattern.transformer, to_node="n0")
    return replace(pattern, name="synthetic", nodes=(source, *low), branches=tuple(lines), transformer=transformer)


def fill(ledger: SafetyLedger, timesteps: int, rng: Random) -> None:
    """Grant until twenty requests in a row are refused."""
    names, refused = list(ledger.reservations.envelopes), 0
    while refused < 20:
        side = rng.choice(("production_watts", "consumption_watts"))
        change = Change(start=0, end=timesteps - 1, **{side: 3_000})
        refused = 0 if ledger.grant(rng.choice(names), [change]) else refused + 1


def microseconds(ledger: SafetyLedger, names: Sequence[str], checks: int, rng: Random) -> list[float]:
    """Return how long single checks of one timestep take."""
    times = []
    for _ in range(checks):
        account = rng.choice(names)
        change = [Change(start=0, end=0, production_watts=rng.randrange(1, 50), consumption_watts=rng.randrange(1, 50))]
        started = process_time()
        ledger.check(account, change)
        times.append((process_time() - started) * 1e6)
    return times


def milliseconds_of_a_day(ledger: SafetyLedger, rng: Random) -> list[float]:
    """Return how long the grants of assets of 96 timesteps take that are granted whole."""
    times = []
    for account in rng.choices(list(ledger.reservations.envelopes), k=ASSETS):
        change = [Change(start=0, end=TIMESTEPS - 1, production_watts=1, consumption_watts=1)]
        started = process_time()
        granted = ledger.grant(account, change)
        times.append((process_time() - started) * 1e3)
        assert granted, "a watt fits everywhere"
    return times


def shipped(name: str) -> dict[str, float]:
    """Measure one shipped grid."""
    rng = Random(name)
    ledger = ledger_of(load_grid(name))
    names = list(ledger.reservations.envelopes)
    fill(ledger, 1, rng)
    times = microseconds(ledger, names, CHECKS, rng)
    half_full = ledger_of(load_grid(name))
    for account in names:
        half_full.grant(account, [Change(start=0, end=TIMESTEPS - 1, production_watts=50, consumption_watts=300)])
    return {
        "nodes": len(ledger.feeder.nodes),
        "timestep_microseconds_median": round(median(times), 1),
        "timestep_microseconds_p99": round(quantiles(times, n=100)[98], 1),
        "day_milliseconds_median": round(median(milliseconds_of_a_day(half_full, rng)), 2),
    }


def against_depth() -> dict[str, list[tuple[int, float]]]:
    """Return (depth, us) on a line of 300 nodes."""
    rng = Random(1)
    ledger = ledger_of(synthetic(DEPTHS[-1] + 1, SHAPES["line"]))
    return {"line": [(depth, round(median(microseconds(ledger, [f"n{depth}"], 300, rng)), 1)) for depth in DEPTHS]}


def against_size() -> dict[str, list[tuple[int, float]]]:
    """Return (nodes, us) by shape, at random nodes."""
    rng = Random(2)
    found: dict[str, list[tuple[int, float]]] = {}
    for shape, parent in SHAPES.items():
        for size in SIZES[:4] if shape == "line" else SIZES:
            ledger = ledger_of(synthetic(size, parent))
            times = microseconds(ledger, list(ledger.reservations.envelopes), 600, rng)
            found.setdefault(shape, []).append((size, round(median(times), 1)))
    return found


def plot(series: dict[str, list[tuple[int, float]]], label: str, *, limit: float | None = None) -> str:
    """Return an SVG of the curves, each with its name at its end; `limit` is drawn as a dashed line."""
    xs = [x for points in series.values() for x, _ in points]
    highest = max(y for points in series.values() for _, y in points)
    frame = charts.Frame(
        width=charts.WIDE, height=320, x_range=(0, max(xs)), y_range=(0, charts.room_above(highest)), right=60
    )
    marks = [(value, f"{value:g}") for value in charts.round_steps(0, max(xs), 8)]
    parts = [STYLE, charts.vertical_axis(frame, "us per timestep"), charts.horizontal_axis(frame, marks, label)]
    label_y = 0.0
    for name, points in series.items():
        # The highest curve comes first; the next label stays clear of the one above it.
        label_y = max(label_y + 14, frame.y(points[-1][1]) + 4)
        dots = " ".join(f"{frame.x(x):.1f},{frame.y(y):.1f}" for x, y in points)
        parts.append(f'<polyline class="{name}" points="{dots}"/>')
        parts.append(charts.words((frame.x(points[-1][0]) + 6, label_y), name))
    if limit is not None:
        y = frame.y(limit)
        parts.append(charts.line((frame.left, y), (frame.width - frame.right, y), "limit"))
    drawn = charts.drawing(frame, f"Cost of one check against {label}", parts)
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1) + "\n"


def main() -> None:
    """Measure, print, and draw or keep what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plots", type=Path, metavar="FOLDER")
    parser.add_argument("--record", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    by_depth, by_size = against_depth(), against_size()
    found = {"grids": {name: shipped(name) for name in GRIDS}, "by_depth": by_depth, "by_size": by_size}
    print(json.dumps(found))
    if arguments.record:
        arguments.record.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    if arguments.plots:
        depth = plot(by_depth, "depth of the home, in nodes (a line of 300 nodes)")
        size = plot(by_size, "nodes of the feeder", limit=30)
        (arguments.plots / "grant-latency-depth.svg").write_text(depth, encoding="utf-8")
        (arguments.plots / "grant-latency-size.svg").write_text(size, encoding="utf-8")


if __name__ == "__main__":
    main()
