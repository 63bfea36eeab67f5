"""A day on which the sun gives more than the transformer carries: refused, coped with, and solved by AC power flow."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from operator import le
from pathlib import Path
from typing import Any

import pytest

from petra.play.world import World, build_world
from petra.roles.dso.state import GridRule
from petra.scenario import load_scenario
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


def test_homes_that_break_their_envelopes_break_no_promise(
    played: dict[GridRule, tuple[RunResult, Path]], tmp_path: Path
) -> None:
    """What is metered in timesteps with a broken envelope is told and no alarm; what was granted stays one."""
    lines = (played["limits"][1] / "journal.jsonl").read_text()
    world = stressed("feeder")
    outside = {"kind": "settled", "home": "home-1", "lines": {"outside-envelope": [1, -1]}}
    broken = [outside | {"timestep": timestep} for timestep in range(1, world.last_timestep + 1)]
    (tmp_path / "journal.jsonl").write_text(lines + "".join(json.dumps(note) + "\n" for note in broken))
    (alarm,) = check_grid(world, tmp_path)
    assert "of what was granted exceed a limit" in alarm
    told = json.loads((tmp_path / "grid.json").read_text())
    assert len(told["over"]) == told["metered"]["violations"] > 14 and len(told["envelopes_broken"]) == 28


def test_worst_corners_hold_what_was_metered(played: dict[GridRule, tuple[RunResult, Path]]) -> None:
    """No loading and no voltage that was metered lies beyond the worst corners of what was granted, anywhere, ever."""
    told = json.loads((played["feeder"][1] / "grid.json").read_text())
    for element, series in told["loading"].items():
        assert all(map(le, series, told["granted_loading"][element]))
    for node, series in told["voltage"].items():
        assert all(map(le, told["granted_voltage_low"][node], series))
        assert all(map(le, series, told["granted_voltage_high"][node]))


def verdicts_of(directory: Path) -> dict[str, Note]:
    """Return what a run's grid.json says of each rule."""
    compared = json.loads((directory / "grid.json").read_text())["comparison"]
    assert compared["first_requests"] == 13 * 28 and compared["left_out"] == 0 and len(compared["timesteps"]) == 28
    return {one["rule"]: one for one in compared["rules"]}


def test_rules_are_compared_on_the_same_day(played: dict[GridRule, tuple[RunResult, Path]]) -> None:
    """Only the safety ledger leaves no corner that exceeds a limit; a total at the transformer is not enough."""
    rules = verdicts_of(played["feeder"][1])
    assert list(rules) == ["none", "limits", "connection", "feeder"]
    assert [rule for rule, one in rules.items() if one["in_force"]] == ["feeder"]
    assert [rule for rule, one in rules.items() if not one["granted"]["violations"]] == ["feeder"]
    assert [rule for rule, one in rules.items() if one["metered"]["violations"]] == ["none", "limits"]
    granted = [one["granted_production"] for one in rules.values()]
    assert granted == sorted(granted, reverse=True)


def test_replay_of_a_rule_gives_what_the_rule_gave(played: dict[GridRule, tuple[RunResult, Path]]) -> None:
    """What one run says of another run's rule is what that run did: exactly where nothing is refused, else nearly."""
    under_feeder, under_limits = (verdicts_of(played[rule][1]) for rule in ("feeder", "limits"))
    assert under_limits["limits"] | {"in_force": False} == under_feeder["limits"]
    happened, replayed = under_feeder["feeder"], under_limits["feeder"]
    assert replayed["granted"]["violations"] == 0
    assert 0.98 < replayed["granted_production"] / happened["granted_production"] < 1.02


def test_rule_that_can_promise_nothing_says_why(tmp_path: Path) -> None:
    """Where envelopes alone could overload the feeder, the comparison tells so instead of figures."""
    world = stressed("limits")
    homes = tuple(replace(home, firm_import_watts=14_500) for home in world.homes)
    (tmp_path / "journal.jsonl").write_text("")
    assert list(check_grid(replace(world, homes=homes), tmp_path)) == []
    compared = json.loads((tmp_path / "grid.json").read_text())["comparison"]["rules"]
    impossible = {one["rule"]: one["impossible"] for one in compared if "impossible" in one}
    assert list(impossible) == ["feeder"]
    assert "envelopes alone" in impossible["feeder"][0] and "would be safe" in impossible["feeder"][-1]


def test_home_without_a_node_leaves_the_day_unsolved(tmp_path: Path) -> None:
    """A home whose place nobody knows is named as the reason why there are no figures."""
    world = stressed("limits")
    first, *rest = world.homes
    homes = (replace(first, profile=replace(first.profile, node=None)), *rest)
    assert list(check_grid(replace(world, homes=homes), tmp_path)) == []
    told = json.loads((tmp_path / "grid.json").read_text())
    assert first.profile.name in told["impossible"] and "comparison" not in told


def test_void_transactions_are_accepts_to_spare_and_lost_races(
    played: dict[GridRule, tuple[RunResult, Path]],
) -> None:
    """Nearly all are second accepts of a home whose first one covered its need; each of those homes did trade."""
    notes = notes_of(played["feeder"][1])
    voids = [note for note in notes if note["kind"] == "void"]
    assert {(note["call"], note["reason"].partition("(")[0]) for note in voids} == {
        ("AcceptOffer", "NotOwner"),
        ("AcceptOffer", "OfferNotOpen"),
    }
    accepted = [note for note in notes if note["kind"] == "ledger" and note["event"] == "OfferAccepted"]
    given = {(note["asset_id"], note["at"]) for note in accepted}
    to_spare = [note for note in voids if note["reason"].startswith("NotOwner")]
    asset_of = [(int(note["reason"].partition("(")[2].partition(",")[0]), note["at"]) for note in to_spare]
    assert len(to_spare) > 0.8 * len(voids) and set(asset_of) <= given
