"""A day on which the sun gives more than the transformer carries: refused, coped with, and solved by AC power flow."""

import json
from collections import defaultdict
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from petra.play.world import World, build_world
from petra.roles.dso.state import GridRule
from petra.scenario import load_scenario
from petra.sim.grid_day import grid_day
from petra.sim.run import RunResult, check_grid
from tests.simulation.community import play

Note = dict[str, Any]


def stressed(rule: GridRule) -> World:
    """Return the shipped scenario under a rule."""
    scenario = load_scenario("rural-stress")
    grid = scenario.grid.model_copy(update={"rule": rule})
    return build_world(scenario.model_copy(update={"grid": grid}), "rural-stress", Path())


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[GridRule, tuple[RunResult, Path]]:
    """Play the day under the safety ledger, and under the paper's limit for each home."""
    folder = tmp_path_factory.mktemp("stress")
    rules: Sequence[GridRule] = ("feeder", "limits")
    return {rule: (play(stressed(rule), 1, folder / rule), folder / rule) for rule in rules}


def notes_of(directory: Path) -> list[Note]:
    """Return a run's journal."""
    return [json.loads(line) for line in (directory / "journal.jsonl").read_text().splitlines()]


def test_safety_ledger_keeps_every_limit(played: dict[GridRule, tuple[RunResult, Path]]) -> None:
    """Neither what was metered nor any corner of what was granted exceeds a limit; the transformer is used."""
    result, directory = played["feeder"]
    told = json.loads((directory / "grid.json").read_text())
    assert result.alarms == ()
    assert told["metered"]["outcomes"] == 28 and told["granted"]["outcomes"] > 3_000
    assert told["metered"]["violations"] == told["granted"]["violations"] == 0
    assert 0.9 < told["granted"]["worst"]["transformer_loading"] <= 1


def test_papers_rule_overloads_the_transformer_on_the_same_day(
    played: dict[GridRule, tuple[RunResult, Path]],
) -> None:
    """Each home keeps within its own limit, and together they send almost half too much through the transformer."""
    _, directory = played["limits"]
    told = json.loads((directory / "grid.json").read_text())
    assert told["metered"]["violations"] > 14
    assert told["metered"]["worst"]["transformer_loading"] > 1.4
    assert not [note for note in notes_of(directory) if note["kind"] == "refused"]


def test_homes_cope_with_refusals(played: dict[GridRule, tuple[RunResult, Path]]) -> None:
    """A home asks for half, and once more for half of that; some are granted then, and nobody asks a fourth time."""
    notes = notes_of(played["feeder"][1])
    answers = {note["request"]: note["kind"] for note in notes if note["kind"] in ("granted", "refused")}
    assert {note["reason"] for note in notes if note["kind"] == "refused"} == {"Network"}
    asked: dict[tuple[str, int], list[Note]] = defaultdict(list)
    for note in notes:
        if note["kind"] == "withdraw":
            asked[note["home"], note["timestep"]].append(note)
    again = [requests for requests in asked.values() if len(requests) > 1]
    assert len(again) > 20 and max(len(requests) for requests in again) == 3
    for requests in again:
        assert all(abs(late["power"]) == abs(early["power"]) // 2 for early, late in pairwise(requests))
        assert {answers[one["request"]] for one in requests[:-1]} == {"refused"}
        assert all(one["at"] <= one["deadline"] for one in requests)
    assert any(answers[requests[-1]["request"]] == "granted" for requests in again)


def test_broken_promise_is_an_alarm(played: dict[GridRule, tuple[RunResult, Path]], tmp_path: Path) -> None:
    """The check does not believe the rule: a journal of overloads under the name of the ledger is told."""
    (tmp_path / "journal.jsonl").write_bytes((played["limits"][1] / "journal.jsonl").read_bytes())
    told = list(check_grid(stressed("feeder"), tmp_path))
    assert len(told) == 2 and all("exceed a limit of the feeder" in alarm for alarm in told)


def test_worst_corners_hold_what_was_metered(played: dict[GridRule, tuple[RunResult, Path]]) -> None:
    """No loading or voltage that was metered lies beyond the worst corners of what was granted."""
    day = grid_day(stressed("feeder"), played["feeder"][1] / "journal.jsonl")
    metered, granted = day.metered.worst, day.granted.worst
    assert metered.transformer_loading <= granted.transformer_loading
    assert granted.voltage_min <= metered.voltage_min and metered.voltage_max <= granted.voltage_max
