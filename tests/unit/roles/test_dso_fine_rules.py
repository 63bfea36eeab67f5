"""Rules that an operator may add: each refuses the first request beyond it, grants its neighbour, and counts totals."""

from dataclasses import replace
from datetime import date, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petra.domain.messages import Direction, FailedWithdrawal
from petra.domain.refusals import GrantReason
from petra.roles.dso.fine_rules import Lots, PeriodEnergy, Quota, Ramp, Rate, Scope, Share, Window
from petra.roles.dso.requests import watts
from petra.roles.dso.state import Rule
from petra.roles.effects import Frozen, Note, Phase, Send, Unfrozen, Woken
from tests.unit.roles.desk import NOW, Desk, T, begin, reason

UTC = ZoneInfo("UTC")
EXPORT = Scope(directions=(Direction.EXPORT,))
IMPORT = Scope(directions=(Direction.IMPORT,))
# The desk's timestep 5 begins at 2027-01-15 09:15 UTC, its timesteps last a quarter of an hour.
FIVE = 9 * 60 + 15


def desk_with(*rules: Rule, **figures: Any) -> Desk:
    """Return a DSO with rules, and homes with enough credit."""
    member = {"credit_limit": 10**12, **figures.pop("member", {})}
    return Desk(rules=rules, member=member, **figures)


Asset = dict[str, Any]
FIRST_BEYOND: dict[GrantReason, tuple[Rule, Asset, Asset]] = {
    GrantReason.OUTSIDE_WINDOW: (
        Window(zone=UTC, minutes=((FIVE, FIVE + 30),)),
        {"power": 100, "start": 5, "end": 7},
        {"power": 100, "start": 5, "end": 6},
    ),
    GrantReason.PERIOD_ENERGY: (
        PeriodEnergy(limit_wh=1_000, period_timesteps=3),  # timesteps 6 to 8 are one period
        {"power": 2_001, "start": 6, "end": 7},
        {"power": 2_000, "start": 6, "end": 7},
    ),
    GrantReason.LOT_SIZE: (Lots(lot_watts=250), {"power": -251}, {"power": -250}),
    GrantReason.QUOTA: (Quota(limits=((Direction.EXPORT, 900),), scope=EXPORT), {"power": 901}, {"power": 900}),
}


@pytest.mark.parametrize("word", FIRST_BEYOND)
def test_very_first_request_beyond_a_rule_is_refused(word: GrantReason) -> None:
    """Each rule refuses one watt or timestep too much though nothing was withdrawn before, and not less."""
    rule, beyond, within = FIRST_BEYOND[word]
    desk = desk_with(rule)
    assert reason(desk.ask("a", desk.asset(**beyond))) is word
    assert reason(desk.ask("a", desk.asset(**within))) is None


@pytest.mark.parametrize("word", FIRST_BEYOND)
def test_rule_for_others_is_not_asked(word: GrantReason) -> None:
    """A rule that names homes or nodes is about these alone."""
    rule, beyond, _ = FIRST_BEYOND[word]
    scope = replace(rule.scope, homes=frozenset({"b", "node of c"}))  # type: ignore[attr-defined]
    desk = desk_with(replace(rule, scope=scope))  # type: ignore[type-var]
    one = desk.members["c"]
    desk.state.members[one.address] = replace(one, node="node of c")
    assert reason(desk.ask("a", desk.asset(**beyond))) is None
    assert reason(desk.ask("b", desk.asset(**beyond))) is word
    assert reason(desk.ask("c", desk.asset(**beyond))) is word


# ---- windows


def test_window_counts_whole_timesteps() -> None:
    """A window that ends within a timestep does not hold it, and one of `never` that touches it forbids it."""
    only = desk_with(Window(zone=UTC, minutes=((FIVE, FIVE + 29),)))
    assert reason(only.ask("a", only.asset(power=1, start=6))) is GrantReason.OUTSIDE_WINDOW
    assert reason(only.ask("a", only.asset(power=1, start=5))) is None
    never = desk_with(Window(zone=UTC, minutes=((FIVE + 29, FIVE + 30),), never=True))
    assert reason(never.ask("a", never.asset(power=1, start=6))) is GrantReason.OUTSIDE_WINDOW
    assert reason(never.ask("a", never.asset(power=1, start=7))) is None


def test_window_that_runs_backwards_crosses_midnight() -> None:
    """From half past nine to nine covers all but half an hour."""
    desk = desk_with(Window(zone=UTC, minutes=((FIVE + 15, FIVE),)))
    assert reason(desk.ask("a", desk.asset(power=1, start=5))) is GrantReason.OUTSIDE_WINDOW
    assert reason(desk.ask("a", desk.asset(power=1, start=6, end=8))) is None


def test_window_of_one_direction_leaves_the_other_and_money_alone() -> None:
    """Purchases may be forbidden at a time at which sales are not; money has no time."""
    desk = desk_with(Window(zone=UTC, never=True, scope=IMPORT))
    assert reason(desk.ask("a", desk.asset(power=-1))) is GrantReason.OUTSIDE_WINDOW
    assert reason(desk.ask("a", desk.asset(power=1))) is None
    assert reason(desk.ask("a", desk.asset(amount=1))) is None


def test_window_has_dates() -> None:
    """Its first and last day belong to it."""
    day = date(2027, 1, 15)
    within = desk_with(Window(zone=UTC, first=day, last=day))
    assert reason(within.ask("a", within.asset(power=1))) is None
    early = desk_with(Window(zone=UTC, last=date(2027, 1, 14)))
    assert reason(early.ask("a", early.asset(power=1))) is GrantReason.OUTSIDE_WINDOW
    late = desk_with(Window(zone=UTC, first=date(2027, 1, 16)))
    assert reason(late.ask("a", late.asset(power=1))) is GrantReason.OUTSIDE_WINDOW


@pytest.mark.parametrize(
    ("utc", "is_within"),
    [
        ("2027-03-28T00:30", False),  # 01:30 in Berlin, before the clock jumps from 02:00 to 03:00
        ("2027-03-28T01:00", True),  # 03:00 in Berlin
        ("2027-10-31T00:00", True),  # 02:00 in Berlin, for the first time
        ("2027-10-31T01:45", True),  # 02:45 in Berlin, for the second time
        ("2027-10-31T02:00", True),  # 03:00
        ("2027-10-31T03:00", False),  # 04:00
    ],
)
def test_window_follows_the_clock_of_its_zone(utc: str, is_within: bool) -> None:
    """From 02:00 to 04:00 in Berlin is an hour on the day in March, and three on the day in October."""
    rule = Window(zone=ZoneInfo("Europe/Berlin"), minutes=((120, 240),))
    desk = desk_with(rule)
    genesis = int(datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp())
    desk.state.terms = replace(desk.terms, genesis=genesis - 5 * T)
    refused = reason(desk.ask("a", desk.asset(power=1, start=5), now=genesis - T))
    assert refused is (None if is_within else GrantReason.OUTSIDE_WINDOW)


# ---- energy, ramp


def test_energy_of_a_period_counts_what_is_held() -> None:
    """What was granted before counts with it, in its period and direction and in no other."""
    desk = desk_with(PeriodEnergy(limit_wh=1_000, period_timesteps=3))
    assert reason(desk.ask("a", desk.asset(power=3_000, start=6))) is None
    assert reason(desk.ask("a", desk.asset(power=1_001, start=8))) is GrantReason.PERIOD_ENERGY
    assert reason(desk.ask("a", desk.asset(power=1_000, start=8))) is None
    assert reason(desk.ask("a", desk.asset(power=-4_000, start=8))) is None
    assert reason(desk.ask("a", desk.asset(power=4_000, start=5))) is None
    assert reason(desk.ask("b", desk.asset(power=4_000, start=8))) is None


def test_energy_of_a_period_outlives_the_bills() -> None:
    """What is billed is forgotten, but for what a rule of the period still counts."""
    for rules, held in (((PeriodEnergy(limit_wh=1_000, period_timesteps=20),), [5]), ((), [])):
        desk = desk_with(*rules, billing_timesteps=4)
        assert reason(desk.ask("a", desk.asset(power=3_000, start=5))) is None
        for timestep in range(2, 6):
            desk.settle(timestep)
        at = desk.state.cut_off(5) + 3_601
        desk.give(Woken(phase=Phase.BILL, timestep=5), at)
        assert desk.state.billed_through == 5
        assert sorted(desk.state.granted[desk.members["a"].address]) == held
        refused = reason(desk.ask("a", desk.asset(power=1_001, start=13), now=at))
        assert refused is (GrantReason.PERIOD_ENERGY if rules else None)


@pytest.mark.parametrize("power", [1_000, -1_000])
def test_ramp_is_held_against_granted_neighbours(power: int) -> None:
    """A step of more than the limit is refused upwards and downwards; a neighbour without a grant does not count."""
    desk = desk_with(Ramp(limit_watts=500))
    sign = power // 1_000
    assert reason(desk.ask("a", desk.asset(power=power, start=6))) is None
    assert reason(desk.ask("a", desk.asset(power=power + sign * 501, start=7))) is GrantReason.RAMP
    assert reason(desk.ask("a", desk.asset(power=499 * sign, start=5))) is GrantReason.RAMP
    assert reason(desk.ask("a", desk.asset(power=power + sign * 500, start=7))) is None
    assert reason(desk.ask("a", desk.asset(power=500 * sign, start=5))) is None
    assert reason(desk.ask("a", desk.asset(power=-sign, start=6))) is None


@given(st.lists(st.tuples(st.integers(-3_000, 3_000), st.integers(5, 8), st.integers(0, 3)), max_size=12))
@settings(max_examples=25, deadline=None)
def test_no_sequence_of_requests_breaks_a_rule(asked: list[tuple[int, int, int]]) -> None:
    """Whatever a home asks for and in which order, what it then holds keeps ramp, energy, lots and quota."""
    desk = desk_with(
        Lots(lot_watts=100),
        PeriodEnergy(limit_wh=700, period_timesteps=2),
        Ramp(limit_watts=600),
        Quota(limits=((Direction.EXPORT, 2_500), (Direction.IMPORT, 2_000))),
    )
    for power, start, more in asked:
        desk.ask("a", desk.asset(power=power - power % 100 or 100, start=start, end=min(8, start + more)))
    for direction, most in ((Direction.EXPORT, 2_500), (Direction.IMPORT, 2_000)):
        held = [watts(desk.state.of(desk.members["a"].address, k).kept, direction) for k in range(4, 10)]
        assert all(one % 100 == 0 and one <= most for one in held)
        assert all(abs(one - other) <= 600 for one, other in pairwise(held) if one and other)
        assert all(sum(held[at : at + 2]) * T <= 700 * 3_600 for at in range(0, 6, 2))


# ---- quota


def test_quota_leaves_room_for_who_comes_later() -> None:
    """The first comer has its share and no more; shortly before delivery it may have what nobody took."""
    desk = desk_with(
        Quota(limits=((Direction.IMPORT, 1_000),), scope=IMPORT, free_timesteps=2), import_limit_watts=5_000
    )
    assert reason(desk.ask("a", desk.asset(power=-2_000, start=8))) is GrantReason.QUOTA
    assert reason(desk.ask("a", desk.asset(power=-1_000, start=8))) is None
    assert reason(desk.ask("a", desk.asset(power=-1, start=8))) is GrantReason.QUOTA
    assert reason(desk.ask("b", desk.asset(power=-1_000, start=8))) is None
    assert reason(desk.ask("a", desk.asset(power=-1, start=8), now=begin(6) - 1)) is GrantReason.QUOTA
    assert reason(desk.ask("a", desk.asset(power=-2_000, start=8), now=begin(6))) is None


def test_quota_of_a_node_tells_nothing_of_who_lives_there() -> None:
    """Who is refused because a neighbour holds the node's share learns no more than that there is no room."""
    desk = desk_with(Quota(limits=((Direction.EXPORT, 3_000),), scope=EXPORT, per=Share.NODE), member={"node": "n1"})
    assert reason(desk.ask("b", desk.asset(power=2_000))) is None
    effects = desk.ask("a", desk.asset(power=1_001))
    assert reason(effects) is GrantReason.NETWORK
    (note,) = (effect for effect in effects if isinstance(effect, Note))
    assert note.fields["detail"] == "Network()"
    assert reason(desk.ask("a", desk.asset(power=1_000))) is None


# ---- rate


def test_rate_counts_every_answer_but_its_own_refusals() -> None:
    """Two requests an hour: the third is refused, also if the first was; an hour after the first it is heard again."""
    desk = desk_with(Rate(requests=2, seconds=3_600))
    assert reason(desk.ask("a", desk.asset(power=10**9))) is GrantReason.PRODUCTION_CAPACITY
    assert reason(desk.ask("a", desk.asset(power=1), now=NOW + 600)) is None
    for wait in (601, 3_599):
        assert reason(desk.ask("a", desk.asset(power=1, start=8), now=NOW + wait)) is GrantReason.RATE_LIMIT
    assert reason(desk.ask("b", desk.asset(power=1))) is None
    assert reason(desk.ask("a", desk.asset(power=1, start=10), now=NOW + 3_600)) is None
    assert len(desk.state.requests[desk.members["a"].address]) == 2


def test_repeated_message_is_no_second_request() -> None:
    """Who sends the same bytes again, for want of an answer, has asked once."""
    desk = desk_with(Rate(requests=1, seconds=3_600))
    request = desk.request("a", desk.asset(power=1))
    assert reason(desk.hear(request)) is None
    desk.hear(request)
    assert desk.state.requests[desk.members["a"].address] == [NOW]


def test_without_a_rate_nobody_counts() -> None:
    """A DSO that counts nothing remembers nothing."""
    desk = Desk()
    desk.ask("a", desk.asset(power=1))
    assert desk.state.requests == {}


# ---- freeze


def test_freeze_refuses_everything_until_it_is_lifted() -> None:
    """Energy and money of everybody; what was granted before stays."""
    desk = Desk()
    assert reason(desk.ask("a", desk.asset(power=1))) is None
    granted = dict(desk.state.granted)
    (note,) = desk.give(Frozen())
    assert isinstance(note, Note) and note.kind == "frozen"
    for home, asset in (("a", desk.asset(power=1)), ("b", desk.asset(amount=1)), ("c", desk.asset(power=10**12))):
        assert reason(desk.ask(home, asset)) is GrantReason.FROZEN
    assert desk.state.granted == granted
    desk.give(Unfrozen())
    assert reason(desk.ask("b", desk.asset(amount=1))) is None


def test_freeze_may_end_by_itself() -> None:
    """It holds up to the second before its end; a later one replaces it."""
    desk = Desk()
    desk.give(Frozen(until=NOW + 60))
    assert reason(desk.ask("a", desk.asset(power=1), now=NOW + 59)) is GrantReason.FROZEN
    assert reason(desk.ask("a", desk.asset(power=1), now=NOW + 60)) is None
    desk.give(Frozen())
    desk.give(Frozen(until=NOW + 70))
    assert reason(desk.ask("a", desk.asset(power=1), now=NOW + 70)) is None


def test_queued_withdrawal_meets_a_freeze_that_came_meanwhile() -> None:
    """What waits for its answer is not granted any more, and is told why."""
    desk = Desk(delay_seconds_max=30)
    waiting = desk.ask("a", desk.asset(power=1))
    assert not any(isinstance(effect, Send) for effect in waiting)
    desk.give(Frozen())
    served = desk.give(Woken(phase=Phase.SERVE, timestep=0), NOW + 30)
    (failed,) = (effect.body for effect in served if isinstance(effect, Send))
    assert isinstance(failed, FailedWithdrawal) and failed.reason == GrantReason.FROZEN.value
