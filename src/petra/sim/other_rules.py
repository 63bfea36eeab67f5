"""What other rules would have granted on the same day, and what the feeder would then have carried (R26, R39).

Decides: which requests every rule is asked, in which order, and what a home would have done with its grant.
Each home's first request for a timestep is put to each rule in the order of the DSO's answers; a home that is refused
asks for half, twice, after everybody's first request, as homes do. What was refused for money, time or a quota is left
out: no rule about the grid would have granted it. For the metered flow homes use what they would and inverters give
what the sun gives, whether anybody buys it or not, held back as that home holds back (`holds_back`); orders to curtail
are not given again.
Invariant: all rules are asked the same, and their worst corners are solved for the same timesteps.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from petra.domain.refusals import GrantReason
from petra.errors import InputError
from petra.grid import BookRule, Box, Change, Envelope, SafetyLedger, no_rule, transformer_total
from petra.grid.ledger import node_loads
from petra.grid.outcomes import CORNERS_PER_LINK, CornerSolver
from petra.grid.powerflow import Floats
from petra.grid.reservations import Reservations
from petra.play.world import World, reactive_power
from petra.roles.dso.state import GridRule
from petra.roles.prosumer.agent import SMALLER_REQUESTS_MAX
from petra.sim.grid_day import (
    Note,
    Solved,
    delivered,
    granted_of,
    metered_watts,
    solve_metered,
    solved_json,
    told_of_corners,
    told_of_metered,
)

RULES: tuple[GridRule, ...] = ("none", "limits", "connection", "feeder")
GRID_REASONS = {GrantReason.NETWORK, GrantReason.PRODUCTION_CAPACITY, GrantReason.CONSUMPTION_CAPACITY}
# Nodes times corners that are solved for one rule, about two seconds of the solver's time.
CORNER_NODES_MAX = 2_000_000


class Request(NamedTuple):
    """A home wants so many watts, production positive."""

    home: str
    power: int


Requests = Mapping[int, Sequence[Request]]  # by timestep, in the order in which they are decided


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What one rule granted, and what came of it.

    Attributes:
        asked, refused: requests, those for less included. production, consumption: granted, joules.
    """

    rule: GridRule
    in_force: bool
    asked: int
    refused: int
    production: int
    consumption: int
    metered: Solved
    granted: Solved


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """A rule that could not be asked, and why."""

    rule: GridRule
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All rules on one day.

    Attributes:
        first_requests: that every rule was asked. left_out: those that no rule about the grid decided.
        timesteps: those whose worst corners were solved: all, or those for which most was asked.
    """

    first_requests: int
    left_out: int
    timesteps: tuple[int, ...]
    rules: tuple[Verdict | Impossible, ...]


def compare_rules(world: World, notes: Sequence[Note], corners: CornerSolver) -> Comparison:
    """Put a day's requests to every rule; the rule in force is told as it happened."""
    first, left_out = _first_requests(notes)
    timesteps = _fullest(world, first, corners)
    verdicts: list[Verdict | Impossible] = []
    for rule in RULES:
        if rule == world.scenario.grid.rule:
            verdicts.append(_in_force(world, notes, corners, timesteps))
            continue
        try:
            verdicts.append(_asked(world, rule, first, notes=notes, corners=corners, timesteps=timesteps))
        except InputError as error:
            verdicts.append(Impossible(rule=rule, problems=tuple(error.problems)))
    return Comparison(
        first_requests=sum(map(len, first.values())),
        left_out=left_out,
        timesteps=timesteps,
        rules=tuple(verdicts),
    )


def comparison_json(comparison: Comparison) -> dict[str, object]:
    """Return the comparison as `grid.json` has it; energies in joules."""
    return {
        "first_requests": comparison.first_requests,
        "left_out": comparison.left_out,
        "timesteps": list(comparison.timesteps),
        "rules": [
            {
                "rule": one.rule,
                "in_force": one.in_force,
                "asked": one.asked,
                "refused": one.refused,
                "granted_production": one.production,
                "granted_consumption": one.consumption,
                "metered": solved_json(one.metered),
                "granted": solved_json(one.granted),
            }
            if isinstance(one, Verdict)
            else {"rule": one.rule, "impossible": list(one.problems)}
            for one in comparison.rules
        ],
    }


def _first_requests(notes: Sequence[Note]) -> tuple[Requests, int]:
    """Return each home's first request for every timestep in the order of the answers, and how many are left out."""
    asked = {note["request"]: note for note in notes if note["kind"] == "withdraw"}
    seen: set[tuple[str, int]] = set()
    requests: dict[int, list[Request]] = {}
    left_out = 0
    for note in notes:
        if note["kind"] not in ("granted", "refused") or (own := asked.get(note["request"])) is None:
            continue
        if (key := (own["home"], own["timestep"])) in seen:
            continue
        seen.add(key)
        if note["kind"] == "granted" or note["reason"] in GRID_REASONS:
            requests.setdefault(own["timestep"], []).append(Request(own["home"], own["power"]))
        else:
            left_out += 1
    return requests, left_out


def _fullest(world: World, first: Requests, corners: CornerSolver) -> tuple[int, ...]:
    """Return the timesteps to solve corners for: all, or those for which most production or consumption was asked."""
    nodes = len(corners.flow.nodes)
    most = max(2, CORNER_NODES_MAX // (CORNERS_PER_LINK * nodes**2))
    timesteps = delivered(world)
    if len(timesteps) <= most:
        return tuple(timesteps)

    def asked(timestep: int, sign: int) -> int:
        return sum(max(0, sign * request.power) for request in first.get(timestep, ()))

    chosen: set[int] = set()
    for sign, count in ((1, most // 2), (-1, most)):
        ranked = sorted(set(timesteps) - chosen, key=lambda timestep: (-asked(timestep, sign), timestep))
        chosen |= set(ranked[: count - len(chosen)])
    return tuple(sorted(chosen))


def _in_force(world: World, notes: Sequence[Note], corners: CornerSolver, timesteps: Sequence[int]) -> Verdict:
    """Tell what happened in the run itself, in the words of the comparison."""
    reservations = granted_of(world, notes)
    produced, consumed = metered_watts(world, notes)
    answers = [note["kind"] == "granted" or note["reason"] for note in notes if note["kind"] in ("granted", "refused")]
    counted = [answer is True for answer in answers if answer is True or answer in GRID_REASONS]
    return _verdict(
        world,
        world.scenario.grid.rule,
        reservations,
        counted=(len(counted), counted.count(False)),
        corners=corners,
        timesteps=timesteps,
        metered=(produced, consumed),
    )


def _asked(
    world: World,
    rule: GridRule,
    first: Requests,
    *,
    notes: Sequence[Note],
    corners: CornerSolver,
    timesteps: Sequence[int],
) -> Verdict:
    """Put all requests to one rule; InputError where it could promise nothing."""
    book, limits = _rule_of(world, rule), None if rule == "none" else _capacities(world)
    asked = refused = 0
    for timestep, requests in sorted(first.items()):
        waiting = list(requests)
        for _ in range(1 + SMALLER_REQUESTS_MAX):
            declined = [request for request in waiting if not _grants(book, limits, timestep, request)]
            asked, refused = asked + len(waiting), refused + len(declined)
            halves = [Request(home, power // 2 if power > 0 else -(-power // 2)) for home, power in declined]
            waiting = [one for one in halves if abs(one.power) >= world.scenario.strategy.minimum_watts]
    return _verdict(
        world,
        rule,
        book.reservations,
        counted=(asked, refused),
        corners=corners,
        timesteps=timesteps,
        metered=_would_meter(world, book.reservations),
    )


def _rule_of(world: World, rule: GridRule) -> SafetyLedger | BookRule:
    """Return a rule with nothing granted; `limits` is no more than the homes' own capacities."""
    assert world.feeder is not None, "asked only where the data have a feeder"
    envelopes: dict[str, Envelope] = {home.profile.name: home.envelope for home in world.homes}
    match rule:
        case "feeder":
            return SafetyLedger(world.feeder, envelopes, reactive=reactive_power(world.scenario))
        case "connection":
            return transformer_total(world.feeder, envelopes)
        case _:
            return no_rule(envelopes)


def _capacities(world: World) -> dict[str, Box]:
    """Return the paper's limit of each home: its capacity, or its firm part where that is more."""
    return {
        home.profile.name: Box(
            import_watts=max(home.firm_import_watts, home.consumption_capacity_watts),
            export_watts=max(home.firm_export_watts, home.production_capacity_watts),
        )
        for home in world.homes
    }


def _grants(
    book: SafetyLedger | BookRule, limits: Mapping[str, Box] | None, timestep: int, request: Request
) -> bool:
    home, power = request
    changes = [
        Change(start=timestep, end=timestep, production_watts=max(0, power), consumption_watts=max(0, -power))
    ]
    if limits is not None:
        box = book.reservations.steps(home, changes)[0].after
        if box.import_watts > limits[home].import_watts or box.export_watts > limits[home].export_watts:
            return False
    return book.grant(home, changes)


def _would_meter(world: World, granted: Reservations) -> tuple[Floats, Floats]:
    """Return what all homes would have produced and consumed, watts of shape (timesteps, homes)."""
    produced, consumed = np.zeros((2, len(delivered(world)), len(world.homes)))
    for row, timestep in enumerate(delivered(world)):
        boxes, index = granted.boxes(timestep), world.index_of(timestep)
        for column, home in enumerate(world.homes):
            box, used = boxes[home.profile.name], home.profile.consumption_watts[index]
            made = home.profile.production_watts[index] if home.override.delivers else 0
            if home.holds_back != "nothing":
                made = min(made, used + box.export_watts)
            if home.holds_back == "both":
                used = min(used, made + box.import_watts)
            produced[row, column], consumed[row, column] = made, used
    return produced, consumed


def _verdict(
    world: World,
    rule: GridRule,
    granted: Reservations,
    *,
    counted: tuple[int, int],
    corners: CornerSolver,
    timesteps: Sequence[int],
    metered: tuple[Floats, Floats],
) -> Verdict:
    """Return a rule's figures from its book."""
    flow, reactive = corners.flow, reactive_power(world.scenario)
    energies = [own for row in granted.granted.values() for own in row.values()]
    solved = [corners.solve(node_loads(granted, timestep, reactive)) for timestep in timesteps]
    return Verdict(
        rule=rule,
        in_force=rule == world.scenario.grid.rule,
        asked=counted[0],
        refused=counted[1],
        production=sum(own.production for own in energies) * world.timestep_seconds,
        consumption=sum(own.consumption for own in energies) * world.timestep_seconds,
        metered=told_of_metered(flow, solve_metered(world, flow, *metered)),
        granted=told_of_corners(flow, solved),
    )
