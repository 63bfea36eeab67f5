"""What a played day did to the feeder: AC power flow of what was metered, and of the worst of what was granted (R26).

Decides: which injections follow from a run's journal, and what is told of them. Knows no rule and no promise:
it looks at what happened. power-grid-model shares no code with the safety ledger.
Invariant: a function of world and journal; a home's box is its firm part or what it was granted, if that is more.
Var are those of the data in what was metered, and those of the boxes in their corners.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from petra.grid import Feeder, Granted
from petra.grid.ledger import node_loads
from petra.grid.outcomes import node_boxes, worst_corners
from petra.grid.powerflow import Extremes, Outcomes, PowerFlow
from petra.grid.reservations import Reservations
from petra.play.world import World, reactive_power

DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """Some outcomes of a day, solved.

    Attributes:
        violations: how many of them exceed a limit. worst: of all of them.
    """

    outcomes: int
    violations: int
    worst: Extremes


@dataclass(frozen=True, slots=True, kw_only=True)
class GridDay:
    """A day on the feeder.

    Attributes:
        metered: one outcome a timestep, what really flowed. granted: every link's worst corners of what was granted.
        loading: metered, by line or transformer, then timestep; 1 = its rating.
        voltage: metered, by node, then timestep; fractions of the rated voltage.
    """

    first_timestep: int
    metered: Solved
    granted: Solved
    loading: dict[str, list[float]]
    voltage: dict[str, list[float]]


def grid_day(world: World, journal: Path) -> GridDay:
    """Solve the delivered timesteps of a run on its feeder."""
    assert world.feeder is not None, "asked only where the data have a feeder"
    with journal.open(encoding="utf-8") as lines:
        notes = [json.loads(line) for line in lines]
    flow, timesteps = PowerFlow(world.feeder), range(world.first_timestep, world.last_timestep + 1)
    metered = _metered(world, flow, notes, timesteps)
    reservations = _granted(world, notes, timesteps)
    count, violations, extremes = 0, 0, []
    for timestep in timesteps:
        boxes = node_boxes(flow, node_loads(reservations, timestep, reactive_power(world.scenario)))
        corners = worst_corners(world.feeder, boxes)
        solved = flow.solve(corners.watts, corners.var)
        count += len(corners.watts)
        violations += int(flow.violations(solved).sum())
        extremes.append(flow.extremes(solved))
    return GridDay(
        first_timestep=world.first_timestep,
        metered=Solved(
            outcomes=len(timesteps), violations=int(flow.violations(metered).sum()), worst=flow.extremes(metered)
        ),
        granted=Solved(outcomes=count, violations=violations, worst=_worst(extremes)),
        loading=_series(flow.elements, metered.loading),
        voltage=_series(flow.nodes, metered.voltage),
    )


def as_json(day: GridDay, feeder: Feeder, rule: str) -> dict[str, object]:
    """Return the day as the file `grid.json` of a run's directory has it; shares and fractions, four digits."""
    return {
        "feeder": feeder.name,
        "rule": rule,
        "limits": {"loading": 1.0, "voltage_min": feeder.voltage_min, "voltage_max": feeder.voltage_max},
        "links": {node: {"above": link.above, "element": link.element.name} for node, link in feeder.links().items()},
        "first_timestep": day.first_timestep,
        "metered": _told(day.metered),
        "granted": _told(day.granted),
        "loading": day.loading,
        "voltage": day.voltage,
    }


def _metered(world: World, flow: PowerFlow, notes: Iterable[Mapping[str, Any]], timesteps: range) -> Outcomes:
    homes = {home.profile.name: home.profile for home in world.homes}
    watts: dict[int, dict[str, float]] = {timestep: defaultdict(float) for timestep in timesteps}
    var: dict[int, dict[str, float]] = {timestep: defaultdict(float) for timestep in timesteps}
    for note in notes:
        if note["kind"] == "measured":
            profile, timestep = homes[note["home"]], note["timestep"]
            assert profile.node is not None
            watts[timestep][profile.node] += (note["consumed"] - note["produced"]) / world.timestep_seconds
            var[timestep][profile.node] += profile.consumption_var[world.index_of(timestep)]
    return flow.solve(flow.by_node(list(watts.values())), flow.by_node(list(var.values())))


def _granted(world: World, notes: Iterable[Mapping[str, Any]], timesteps: range) -> Reservations:
    """Return every home's box; an asset counts wherever it is now, since its home may still make or use it."""
    reservations = Reservations({home.profile.name: home.envelope for home in world.homes})
    owners: dict[str, str] = {}
    for note in notes:
        if note["kind"] == "withdraw":
            owners[note["pseudonym"]] = note["home"]
        elif note["kind"] == "ledger" and note["event"] == "AssetAdded" and note["anon_address"] in owners:
            home = owners[note["anon_address"]]
            for timestep in range(note["start"], note["end"] + 1):
                if timestep in timesteps:
                    row = reservations.granted.setdefault(timestep, {})
                    earlier = row.get(home, Granted(0, 0))
                    row[home] = Granted(
                        earlier.production + max(0, note["power"]), earlier.consumption + max(0, -note["power"])
                    )
    return reservations


def _worst(extremes: Iterable[Extremes]) -> Extremes:
    lines, transformers, lowest, highest = zip(
        *((one.line_loading, one.transformer_loading, one.voltage_min, one.voltage_max) for one in extremes),
        strict=True,
    )
    return Extremes(
        line_loading=max(lines),
        transformer_loading=max(transformers),
        voltage_min=min(lowest),
        voltage_max=max(highest),
    )


def _series(names: Iterable[str], rows: np.ndarray[Any, Any]) -> dict[str, list[float]]:
    return {name: [round(float(value), DIGITS) for value in column] for name, column in zip(names, rows.T, strict=True)}


def _told(solved: Solved) -> dict[str, object]:
    worst = {name: round(getattr(solved.worst, name), DIGITS) for name in type(solved.worst).__slots__}
    return {"outcomes": solved.outcomes, "violations": solved.violations, "worst": worst}
