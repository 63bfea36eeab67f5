"""A scenario with every rule: what was granted keeps them all, and what was refused says which."""

from collections import defaultdict
from itertools import pairwise
from pathlib import Path

import pytest

from petra.scenario.load import parse_scenario
from tests.simulation.community import FIRST_INDEX, SCENARIO, make_home, make_world, play
from tests.simulation.evidence import Evidence, read_evidence

STEPS = 8
# Timestep 1 begins at 09:00 UTC, and each lasts a quarter of an hour: 10:00 to 10:30 are timesteps 5 and 6.
RULES = """
[[dso.rule]]
kind = "window"
mode = "never"
direction = "export"
times = ["11:00-11:30"]
timezone = "Europe/Berlin"
[[dso.rule]]
kind = "energy"
homes = ["steady"]
limit_wh = 1_400
period_timesteps = 4
[[dso.rule]]
kind = "ramp"
homes = ["cloudy"]
limit_watts = 1_000
[[dso.rule]]
kind = "quota"
direction = "import"
share_percent = 25
of_watts = 8_000
[[dso.rule]]
kind = "lot"
lot_watts = 50
[[dso.rule]]
kind = "rate"
homes = ["patient"]
requests = 1
seconds = 1_800
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """Play it once."""
    text = SCENARIO.format(method="perfect", patience=10, block=5, delay=0, loss=0.0, duplication=0.0, answer=0)
    scenario = parse_scenario(text + RULES, "rules")
    idle, none = (0,) * FIRST_INDEX, (0,) * (FIRST_INDEX + STEPS)
    clouds = (4_000, 1_020, 4_000, 2_100, 2_900, 2_900, 5_000, 4_490)
    homes = [
        make_home("steady", idle + (2_025,) * STEPS, none, rating=8_000),
        make_home("cloudy", idle + clouds, none, rating=8_000),
        make_home("hungry", none, idle + (3_000,) * STEPS),
        make_home("patient", none, idle + (1_000,) * STEPS),
    ]
    folder: Path = tmp_path_factory.mktemp("rules") / "run"
    assert play(make_world(scenario, homes, 900, limits=[None, None]), 1, folder).alarms == ()
    return read_evidence(folder)


def granted(run: Evidence) -> dict[str, dict[int, int]]:
    """Return the granted power by home and timestep."""
    held: dict[str, dict[int, int]] = defaultdict(dict)
    answers = {note["request"] for note in run.notes["granted"]}
    for note in run.notes["withdraw"]:
        if note["request"] in answers:
            held[note["home"]][note["timestep"]] = note["power"]
    return held


def test_what_is_granted_keeps_every_rule(run: Evidence) -> None:
    """Counted from the journal, home by home."""
    held = granted(run)
    assert all(power % 50 == 0 for own in held.values() for power in own.values())
    assert not {5, 6} & {*held["steady"], *held["cloudy"]} and {5, 6} <= {*held["hungry"]}
    assert max(abs(power) for power in held["hungry"].values()) <= 2_000
    for first in (0, 4, 8):
        assert sum(held["steady"].get(k, 0) for k in range(first, first + 4)) * 900 <= 1_400 * 3_600
    steps = [(k, held["cloudy"][k], held["cloudy"][k + 1]) for k in held["cloudy"] if k + 1 in held["cloudy"]]
    assert steps and all(abs(before - after) <= 1_000 for _, before, after in steps)
    asked = [note["at"] for note in run.notes["granted"] if note["home"] == "patient"]
    assert all(later - before >= 1_800 for before, later in pairwise(asked))


def test_each_rule_refuses_by_its_own_word(run: Evidence) -> None:
    """Who is refused is told why, and only those whom a rule is about."""
    words = defaultdict(set)
    for note in run.notes["refused"]:
        words[note["home"]].add(note["reason"])
    assert words == {
        "steady": {"OutsideWindow", "PeriodEnergy"},
        "cloudy": {"OutsideWindow", "Ramp"},
        "hungry": {"Quota"},
        "patient": {"RateLimit"},
    }
    sent = {note["message_kind"]: note["bytes"] for note in run.notes["message"]}
    assert sent["failedWithdrawal"] == sent["withdrawalGranted"]
