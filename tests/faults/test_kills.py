"""A client that is killed with -9 anywhere and started again with the same files loses nothing and doubles nothing."""

from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from tests.faults.kills import Tally, growing, judge, new_plan, run, started, was_killed
from tests.faults.victim import GROUP, GROUPS, POINTS, Crash
from tests.faults.world import World, new_world

pytestmark = pytest.mark.anvil


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """One growing chain for all."""
    with new_world() as made, growing(made, Random(0), reorganisations=False):
        yield made


@pytest.mark.parametrize("count", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize("point", POINTS)
def test_a_kill_loses_and_doubles_nothing(point: str, count: int, world: World, tmp_path: Path) -> None:
    """The first life ends at this point, the second at the next that it comes to, the third at the plan's end."""
    plan = new_plan(world, tmp_path / "plan", seed=POINTS.index(point) * 10 + count)
    assert was_killed(started(plan, Crash(point, count)))
    assert was_killed(started(plan, Crash("any", 1)))
    assert not was_killed(started(plan, Crash("", 0)))
    tally = Tally()
    judge(world, plan, tally)
    assert (tally.intents, tally.lost, tally.doubled) == (GROUPS * GROUP, 0, 0)


@pytest.mark.slow
def test_forty_kills_among_faults_and_reorganisations_lose_and_double_nothing() -> None:
    """A short form of `make verify-client`, with another seed."""
    tally = run(seed=7, kills=40)
    assert tally.kills == 40
    assert tally.intents == tally.plans * GROUPS * GROUP
    assert (tally.lost, tally.doubled) == (0, 0)
