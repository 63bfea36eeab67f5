"""What the pictures of a feeder show: it in one moment, or each line and node at its own worst (R26, R31).

Decides: when least room was left, and how a state is told in words. Knows no pixel and no colour.
Invariant: None stands where a power flow has no solution, and is worse than any figure.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from petra.report.feeder_tree import Grid, Value
from petra.report.words import NOTHING, number, percent

Kind = Literal["metered", "granted"]
SERIES: Mapping[Kind, tuple[str, str, str]] = {
    "metered": ("loading", "voltage", "voltage"),
    "granted": ("granted_loading", "granted_voltage_low", "granted_voltage_high"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """By node below the source: the loading of the link that leads to it, and its lowest and highest voltage."""

    loading: Mapping[str, Value]
    low: Mapping[str, Value]
    high: Mapping[str, Value]


def state_at(grid: Grid, kind: Kind, index: int) -> State:
    """Return the feeder in the day's timestep of that place."""
    loading, low, high = SERIES[kind]
    return State(
        loading={node: grid[loading][link["element"]][index] for node, link in grid["links"].items()},
        low={node: grid[low][node][index] for node in grid["links"]},
        high={node: grid[high][node][index] for node in grid["links"]},
    )


def worst_state(grid: Grid, kind: Kind) -> State:
    """Return every link and node at its own worst of the day."""
    loading, low, high = SERIES[kind]
    return State(
        loading={node: _most(grid[loading][link["element"]]) for node, link in grid["links"].items()},
        low={node: _least(grid[low][node]) for node in grid["links"]},
        high={node: _most(grid[high][node]) for node in grid["links"]},
    )


def fullest(grid: Grid, kind: Kind) -> int:
    """Return the place in the day of the timestep in which least was left of any limit."""
    length = len(next(iter(grid["loading"].values())))
    return max(range(length), key=lambda index: _used(grid, state_at(grid, kind, index)))


def nearer_limit(low: Value, high: Value, limits: Mapping[str, float]) -> Value:
    """Return the one of two voltages that is nearer to its limit."""
    if low is None or high is None:
        return None
    return low if low - limits["voltage_min"] < limits["voltage_max"] - high else high


def told(state: State) -> str:
    """Return a state's extremes in words."""
    nodes = list(state.loading)
    if None in (*state.loading.values(), *state.low.values()):
        return "for some of it no power flow has a solution"
    first, *lines = nodes
    fullest_line = max(lines, key=lambda node: state.loading[node] or 0, default=None)
    lowest, highest = min(nodes, key=lambda n: state.low[n] or 0), max(nodes, key=lambda n: state.high[n] or 0)
    line = f", the line to {fullest_line} {percent(state.loading[fullest_line], 0)}" if fullest_line else ""
    return (
        f"the transformer carries {percent(state.loading[first], 0)}{line} of the rating; voltages reach from"
        f" {volts(state.low[lowest])} at {lowest} to {volts(state.high[highest])} at {highest}"
    )


def volts(value: Value) -> str:
    """Return a voltage, a fraction of the rated one; nothing where there is no solution."""
    return NOTHING if value is None else number(value, 3)


def _used(grid: Grid, state: State) -> float:
    """Return the share of the tightest limit that is used; of the band counted from its middle."""
    low, high = grid["limits"]["voltage_min"], grid["limits"]["voltage_max"]
    middle = (low + high) / 2
    shares = list(state.loading.values())
    for one in (*state.low.values(), *state.high.values()):
        shares.append(None if one is None else abs(one - middle) / (high - middle))
    return max(float("inf") if share is None else share for share in shares)


def _most(series: Sequence[Value]) -> Value:
    known = [value for value in series if value is not None]
    return max(known) if len(known) == len(series) else None


def _least(series: Sequence[Value]) -> Value:
    known = [value for value in series if value is not None]
    return min(known) if len(known) == len(series) else None
