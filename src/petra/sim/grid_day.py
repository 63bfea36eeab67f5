"""What a played day did to the feeder: AC power flow of what was metered, and of the worst of what was granted (R26).

Decides: which injections follow from a run's journal, and what is told of them. Knows no rule and no promise:
it looks at what happened. power-grid-model shares no code with the safety ledger.
Invariant: a function of world and journal; a home's box is its firm part or what it was granted, if that is more.
Var are those of the data in what was metered, and those of the boxes in their corners.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

import numpy as np

from petra.grid import Feeder, Granted
from petra.grid.ledger import node_loads
from petra.grid.outcomes import Corners, CornerSolver
from petra.grid.powerflow import Extremes, Floats, Outcomes, PowerFlow
from petra.grid.reservations import Reservations
from petra.play.world import World, reactive_power
from petra.settlement.lines import LineKind

DIGITS = 4
Note = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Solved:
    """Some outcomes of a day, solved.

    Attributes:
        violations: how many of them exceed a limit. unsolved: how many of these have no solution: voltages collapse.
        worst: of all that have one.
    """

    outcomes: int
    violations: int
    unsolved: int
    worst: Extremes


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a day went on the feeder, shape (timesteps, elements) and (timesteps, nodes) in the order of `PowerFlow`.

    Attributes:
        loading: the highest, 1 = the rating. low, high: voltages as fractions of the rated one.
    """

    loading: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class GridDay:
    """A day on the feeder; `elements` and `nodes` name the columns of both courses.

    Attributes:
        over: timesteps in which what was metered exceeds a limit.
        broken: those in which some home was metered outside its envelope, which no grant covers.
        metered: one outcome a timestep, what really flowed. granted: every link's worst corners of what was granted.
    """

    first_timestep: int
    elements: tuple[str, ...]
    nodes: tuple[str, ...]
    over: tuple[int, ...]
    broken: tuple[int, ...]
    metered: Solved
    granted: Solved
    metered_course: Course
    granted_course: Course


def read_notes(journal: Path) -> list[Note]:
    """Return a journal's lines."""
    with journal.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def delivered(world: World) -> range:
    """Return the timesteps of a world's day."""
    return range(world.first_timestep, world.last_timestep + 1)


def grid_day(world: World, notes: Sequence[Note], corners: CornerSolver) -> GridDay:
    """Solve the delivered timesteps of a run on its feeder."""
    flow = corners.flow
    produced, consumed = metered_watts(world, notes)
    metered = solve_metered(world, flow, produced, consumed)
    solved = [corners.solve(loads) for loads in granted_loads(world, notes)]
    return GridDay(
        first_timestep=world.first_timestep,
        elements=flow.elements,
        nodes=flow.nodes,
        over=tuple(world.first_timestep + int(row) for row in np.flatnonzero(flow.violations(metered))),
        broken=tuple(sorted(_timesteps_outside(notes))),
        metered=told_of_metered(flow, metered),
        granted=told_of_corners(flow, solved),
        metered_course=Course(loading=metered.loading, low=metered.voltage, high=metered.voltage),
        granted_course=Course(
            loading=np.stack([one.loading for one in solved]),
            low=np.stack([one.low for one in solved]),
            high=np.stack([one.high for one in solved]),
        ),
    )


def _timesteps_outside(notes: Iterable[Note]) -> set[int]:
    """Return the timesteps that were last settled with energy outside some home's envelope."""
    settled = {(note["home"], note["timestep"]): note["lines"] for note in notes if note["kind"] == "settled"}
    return {timestep for (_, timestep), lines in settled.items() if LineKind.OUTSIDE_ENVELOPE.value in lines}


def broken_promises(day: GridDay) -> list[str]:
    """Say what the safety ledger promised and the power flow denies: homes that break their envelopes are not in it."""
    promised = sorted(set(day.over) - set(day.broken))
    broken = []
    if promised:
        kept = "" if not day.broken else ", though every home kept to its envelope then"
        broken.append(f"{len(promised)} of {day.metered.outcomes} metered timesteps exceed a limit of the feeder{kept}")
    if day.granted.violations:
        outcomes = f"{day.granted.violations} of {day.granted.outcomes} outcomes of what was granted"
        broken.append(f"{outcomes} exceed a limit of the feeder")
    return broken


def as_json(day: GridDay, feeder: Feeder, rule: str) -> dict[str, object]:
    """Return the day as the file `grid.json` of a run's directory has it; shares and fractions, four digits.

    None stands where no power flow has a solution.
    """
    links = {
        node: {
            "above": link.above,
            "element": link.element.name,
            "metres": getattr(link.element, "length_metres", 0.0),
        }
        for node, link in feeder.links().items()
    }
    metered, granted = day.metered_course, day.granted_course
    return {
        "feeder": feeder.name,
        "rule": rule,
        "limits": {"loading": 1.0, "voltage_min": feeder.voltage_min, "voltage_max": feeder.voltage_max},
        "links": links,
        "first_timestep": day.first_timestep,
        "over": list(day.over),
        "envelopes_broken": list(day.broken),
        "promises_broken": broken_promises(day) if rule == "feeder" else [],
        "metered": solved_json(day.metered),
        "granted": solved_json(day.granted),
        "loading": _series(day.elements, metered.loading),
        "voltage": _series(day.nodes, metered.low),
        "granted_loading": _series(day.elements, granted.loading),
        "granted_voltage_low": _series(day.nodes, granted.low),
        "granted_voltage_high": _series(day.nodes, granted.high),
    }


def solved_json(solved: Solved) -> dict[str, object]:
    """Return some solved outcomes as `grid.json` has them."""
    worst = {name: round(getattr(solved.worst, name), DIGITS) for name in type(solved.worst).__slots__}
    return {
        "outcomes": solved.outcomes,
        "violations": solved.violations,
        "without_solution": solved.unsolved,
        "worst": worst,
    }


def metered_watts(world: World, notes: Iterable[Note]) -> tuple[Floats, Floats]:
    """Return what the meters of all homes counted, produced and consumed, as watts of shape (timesteps, homes)."""
    place = {home.profile.name: number for number, home in enumerate(world.homes)}
    produced, consumed = np.zeros((2, len(delivered(world)), len(place)))
    for note in notes:
        if note["kind"] == "measured":
            at = note["timestep"] - world.first_timestep, place[note["home"]]
            produced[at] = note["produced"] / world.timestep_seconds
            consumed[at] = note["consumed"] / world.timestep_seconds
    return produced, consumed


def solve_metered(world: World, flow: PowerFlow, produced: Floats, consumed: Floats) -> Outcomes:
    """Solve one outcome a timestep: watts as given, of shape (timesteps, homes), and the data's var."""
    column = {node: number for number, node in enumerate(flow.nodes)}
    watts, var = np.zeros((2, len(delivered(world)), len(flow.nodes)))
    here = slice(world.first_index, world.first_index + len(delivered(world)))
    for number, home in enumerate(world.homes):
        assert home.profile.node is not None, "asked only where every home has its node"
        at = column[home.profile.node]
        watts[:, at] += consumed[:, number] - produced[:, number]
        var[:, at] += home.profile.consumption_var[here]
    return flow.solve(watts, var)


def told_of_metered(flow: PowerFlow, metered: Outcomes) -> Solved:
    """Return the figures of one outcome a timestep."""
    return Solved(
        outcomes=len(metered.voltage),
        violations=int(flow.violations(metered).sum()),
        unsolved=int(np.isnan(metered.voltage).any(axis=1).sum()),
        worst=flow.extremes(metered),
    )


def told_of_corners(flow: PowerFlow, solved: Sequence[Corners]) -> Solved:
    """Return the figures of the worst corners of some timesteps."""
    return Solved(
        outcomes=sum(one.outcomes for one in solved),
        violations=sum(one.violations for one in solved),
        unsolved=sum(one.unsolved for one in solved),
        worst=flow.extremes(
            Outcomes(
                loading=np.stack([one.loading for one in solved]),
                voltage=np.concatenate([[one.low, one.high] for one in solved]),
                source_watts=np.zeros(0),
            )
        ),
    )


def granted_loads(world: World, notes: Iterable[Note]) -> list[Mapping[str, Any]]:
    """Return by timestep what every node may do after all grants; an asset counts for the home that withdrew it."""
    reservations = granted_of(world, notes)
    return [node_loads(reservations, timestep, reactive_power(world.scenario)) for timestep in delivered(world)]


def granted_of(world: World, notes: Iterable[Note]) -> Reservations:
    """Return every home's box; an asset counts wherever it is now, since its home may still make or use it."""
    reservations = Reservations({home.profile.name: home.envelope for home in world.homes})
    owners: dict[str, str] = {}
    timesteps = delivered(world)
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


def _series(names: Iterable[str], rows: Floats) -> dict[str, list[float | None]]:
    def written(value: float) -> float | None:
        return round(float(value), DIGITS) if isfinite(value) else None

    return {name: [written(value) for value in column] for name, column in zip(names, rows.T, strict=True)}
