"""A service that dies at any named place goes on where it was: nothing is lost, nothing is done twice (R79)."""

import pytest

from tests.crash.rig import POINTS, Rig

RECOVERY_SECONDS_MAX = 5.0

pytestmark = [pytest.mark.slow, pytest.mark.anvil]


@pytest.mark.parametrize(("role", "point"), POINTS, ids=[f"{role}-{point}" for role, point in POINTS])
def test_a_service_that_is_killed_at_a_named_place_goes_on(rig: Rig, role: str, point: str) -> None:
    """It dies there by SIGKILL, is ready again within five seconds, and books, ledger and homes agree."""
    assert rig.crash(rig.place(role), point) <= RECOVERY_SECONDS_MAX
    assert rig.problems() == []


def test_there_are_forty_places_and_each_is_named_once() -> None:
    """The harness covers at least forty places, of every role."""
    assert len(set(POINTS)) == len(POINTS) >= 40
    assert {role for role, _ in POINTS} == {"dso", "prosumer", "meter"}
