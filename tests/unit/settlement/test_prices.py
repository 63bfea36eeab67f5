"""Price schedules: which are refused, and which one holds."""

from dataclasses import replace

import pytest
from hypothesis import given

from petra.domain.messages import PriceSchedule
from petra.settlement.prices import PRICE_MAX, in_force_from, schedule_in_force, schedule_problems
from tests.unit.settlement.strategies import price_schedules
from tests.unit.settlement.test_lines import PRICES


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("feed_in", PRICES.local + 1, "must lie between feed-in"),
        ("local", PRICES.retail + 1, "must lie between feed-in"),
        ("imbalance", PRICES.retail + PRICES.grid_fee - 1, "failing to deliver would pay"),
        ("feed_in", -1, "must not be negative"),
        ("grid_fee", -1, "must not be negative"),
        ("bulk", -1, "must not be negative"),
        ("imbalance", PRICE_MAX + 1, "no price may be above"),
        ("bulk", PRICE_MAX + 1, "no price may be above"),
    ],
)
def test_schedule_just_beyond_a_bound_is_refused(field: str, value: int, words: str) -> None:
    """One nano-unit beyond a bound is one problem, in a sentence."""
    (problem,) = schedule_problems(replace(PRICES, **{field: value}))
    assert words in problem


def test_all_problems_are_told_at_once() -> None:
    """Whoever corrects a schedule learns of everything that is wrong."""
    assert len(schedule_problems(replace(PRICES, feed_in=-1, local=-2, imbalance=0))) == 3


@given(price_schedules())
def test_schedule_within_the_bounds_is_accepted(schedule: PriceSchedule) -> None:
    """Equal prices are within the bounds: the paper's fixed price is feed-in = local = retail."""
    assert schedule_problems(schedule) == []


def test_last_schedule_that_has_begun_holds() -> None:
    """Whatever the order in which they came; before the first one that one holds already."""
    early, late = replace(PRICES, from_timestep=3), replace(PRICES, from_timestep=7, retail=31)
    assert [schedule_in_force([late, early], timestep) for timestep in (3, 6, 7, 99)] == [early, early, late, late]
    assert schedule_in_force([early, late], 2) == early


def test_what_holds_and_what_comes_is_told_to_newcomers() -> None:
    """The schedule in force and every later one, none that is over."""
    schedules = [replace(PRICES, from_timestep=first) for first in (3, 7, 9)]
    assert in_force_from(schedules, 7) == tuple(schedules[1:])
    assert in_force_from(schedules, 2) == tuple(schedules)
    assert in_force_from(schedules, 99) == (schedules[2],)
