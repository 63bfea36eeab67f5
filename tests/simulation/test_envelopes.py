"""Homes with far more sun and load than they may send and draw: those that keep to their envelopes, and those not."""

import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import pytest

from petra.play.world import World, build_world
from petra.scenario.load import parse_scenario
from petra.scenario.schema import HoldsBack, HomeOverride
from tests.simulation.community import FIRST_INDEX, SCENARIO, make_home, make_world, play
from tests.simulation.evidence import Evidence, read_evidence

STEPS = 6
STANDING = """
[[dso.rule]]
kind = "standing"
lowered_percent = 40
good_timesteps = 3
ignored_watts = 5
"""


CURTAILMENT = """
[[dso.curtailment]]
direction = "export"
limit_watts = 1_500
start_timestep = 2
end_timestep = 3
homes = ["sunny"]
[[dso.curtailment]]
direction = "import"
limit_watts = 700
start_timestep = 3
end_timestep = 4
"""
CURTAILED = {("sunny", 3), ("sunny", 4), ("hungry", 4), ("hungry", 5), ("modest", 4), ("modest", 5)}


def community(holds_back: HoldsBack, more: str = "") -> World:
    """Return a sunny home, a hungry one and a modest one, on a connection that carries little more than is firm."""
    text = SCENARIO.format(method="perfect", patience=10, block=5, delay=0, loss=0.0, duplication=0.0, answer=0)
    scenario = parse_scenario(text.replace("[dso]", "[dso]\nhorizon_timesteps = 4") + STANDING + more, "envelopes")
    steps = FIRST_INDEX + STEPS
    homes = [
        make_home("sunny", (8_000,) * steps, (500,) * steps, rating=8_000, override=HomeOverride(name="sunny")),
        make_home("hungry", (0,) * steps, (6_000,) * steps),
        make_home("modest", (0,) * steps, (800,) * steps),
    ]
    homes = [replace(home, holds_back=holds_back) for home in homes]
    return make_world(scenario, homes, 900, limits=[5_500, 6_500])


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[HoldsBack, Evidence]:
    """Play the same hours with envelopes kept and broken."""
    folder: Path = tmp_path_factory.mktemp("envelopes")
    runs: dict[HoldsBack, Evidence] = {}
    for holds_back in ("both", "nothing"):
        assert play(community(holds_back), 1, folder / holds_back).alarms == ()
        runs[holds_back] = read_evidence(folder / holds_back)
    return runs


def test_kept_envelopes_break_nothing(played: dict[HoldsBack, Evidence]) -> None:
    """Inverter and load are held back to what is firm or granted: nobody pays for excess, nobody is reported."""
    run = played["both"]
    assert "envelope-broken" not in run.notes
    assert not [one for one in run.settled.values() if "outside-envelope" in one["lines"]]
    assert {note["reason"] for note in run.notes["refused"]} <= {"Network"}
    metered = [note for note in run.notes["measured"] if note["home"] == "hungry"]
    assert max(note["consumed"] for note in metered) < 6_000 * 900, "its load was shed"
    for timestep in {note["timestep"] for note in run.notes["measured"]}:
        net = sum(
            note["produced"] - note["consumed"] for note in run.notes["measured"] if note["timestep"] == timestep
        )
        assert -5_500 * 900 <= net <= 6_500 * 900


def test_broken_envelopes_pay_are_reported_and_lower_the_next_grants(played: dict[HoldsBack, Evidence]) -> None:
    """The excess earns nothing and costs the imbalance price; from the first settlement on less is granted."""
    run = played["nothing"]
    broken = run.notes["envelope-broken"]
    assert {note["home"] for note in broken} == {"sunny", "hungry"}
    for note in broken:
        settled = run.settled[note["home"], note["timestep"]]
        energy, amount = settled["lines"]["outside-envelope"]
        assert energy == note["excess"] > 0 > amount
        allowed = note["export_allowed"] if note["home"] == "sunny" else note["import_allowed"]
        assert energy == abs(settled["metered"]) - allowed
        assert settled["lines"].get("feed-in", [0])[0] <= max(0, allowed - settled["position"])
    assert "Standing" in {note["reason"] for note in run.notes["refused"]}
    left = [note["left_percent"] for note in broken if note["home"] == "sunny"]
    assert left == [max(0, 100 - 40 * count) for count in range(1, len(left) + 1)]


@pytest.mark.parametrize("holds_back", ["inverter", "nothing"])
def test_curtailment_schedule_is_told_obeyed_and_settled(holds_back: HoldsBack, tmp_path: Path) -> None:
    """Homes get a signed message, ask for less, and hold inverter and load back, or pay; grants are bounded for all."""
    world = replace(community(holds_back, CURTAILMENT), import_limit_watts=None, export_limit_watts=None)
    assert play(world, 1, tmp_path / "run").alarms == ()
    run = read_evidence(tmp_path / "run")
    assert [note["number"] for note in run.notes["curtailment"]] == [1, 2]
    assert sorted(note["home"] for note in run.notes["curtailed"]) == ["hungry", "modest", "sunny", "sunny"]
    asked = {(note["home"], note["timestep"]): note["power"] for note in run.notes["withdraw"]}
    assert (asked["sunny", 2], asked["sunny", 3], asked["sunny", 4]) == (7_500, 1_500, 1_500)
    assert (asked["hungry", 3], asked["hungry", 4], asked["modest", 5]) == (-6_000, -700, -700)
    metered = {key: one["metered"] / 900 for key, one in run.settled.items()}
    broken = {key for key, one in run.settled.items() if "outside-envelope" in one["lines"]}
    if holds_back == "nothing":
        assert broken >= CURTAILED
    else:
        assert not broken
        assert (metered["sunny", 2], metered["sunny", 3], metered["hungry", 4], metered["modest", 5]) == (
            7_500,
            1_500,
            -700,
            -700,
        )


@pytest.mark.slow
@pytest.mark.parametrize(("holds_back", "overloads"), [("both", False), ("nothing", True)])
def test_grid_is_safe_as_long_as_homes_keep_to_their_envelopes(
    holds_back: HoldsBack, overloads: bool, tmp_path: Path
) -> None:
    """On the stressed feeder, solved by AC power flow; where they do not, each of them is reported and granted less."""
    text = (files("petra.scenario") / "shipped" / "rural-stress.toml").read_text(encoding="utf-8")
    text = text.replace("[community]", f'[community]\nholds_back = "{holds_back}"') + STANDING
    world = build_world(parse_scenario(text, "stressed"), "stressed", Path())
    play(world, 1, tmp_path / "run")
    run = read_evidence(tmp_path / "run")
    solved = json.loads((tmp_path / "run" / "grid.json").read_text())
    assert (solved["metered"]["violations"] > 10) is overloads
    assert solved["granted"]["violations"] == 0
    paid = {
        key for key, one in run.settled.items() if one["lines"].get("outside-envelope", [0])[0] > 5 * 900
    }
    assert {(note["home"], note["timestep"]) for note in run.notes["envelope-broken"]} == paid
    assert bool(paid) is overloads
    assert ("Standing" in {note["reason"] for note in run.notes["refused"]}) is overloads
