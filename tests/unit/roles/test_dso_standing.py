"""Who breaks its envelope: what lies outside is not bought, pays, is reported, and lowers the next grants."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petra.domain.refusals import GrantReason
from petra.roles.dso.standing import Standing, forget_conduct
from petra.roles.effects import Effect, Note
from petra.settlement.lines import LineKind
from tests.unit.roles.desk import FIRST, Desk, T, begin, reason
from tests.unit.roles.settlement_day import check_books, meter

RULE = Standing(lowered_percent=30, good_timesteps=2)
# Each home of the desk may import 1 kW and export 0.5 kW without a grant; its plant has 5 kW, its connection 4 kW.
KEPT, TOO_MUCH_SUN, TOO_MUCH_LOAD = (500 * T, 0), (501 * T, 0), (0, 1_001 * T)
OUTSIDE = LineKind.OUTSIDE_ENVELOPE.value
Energy = tuple[int, int]


def desk_with(**figures: Any) -> Desk:
    """Return a DSO that holds broken envelopes against a home, and homes with credit."""
    return Desk(member={"credit_limit": 10**12}, **({"rules": (RULE,)} | figures))


def live(desk: Desk, energies: dict[int, Energy], home: str = "a") -> list[Effect]:
    """Let a home's meter tell what flowed in each timestep, and settle them."""
    registers, produced, consumed = {}, 0, 0
    for timestep, (made, used) in energies.items():
        produced, consumed = produced + made, consumed + used
        registers[timestep] = (produced, consumed)
    meter(desk, home, registers)
    return [effect for timestep in energies for effect in desk.settle(timestep)]


def reports_of(effects: list[Effect]) -> list[dict[str, Any]]:
    """Return the reports of broken envelopes."""
    return [dict(one.fields) for one in effects if isinstance(one, Note) and one.kind == "envelope-broken"]


@pytest.mark.parametrize(
    ("energy", "excess", "lines"),
    [
        # 0.5 kW are fed in for 8 ct/kWh, the 2 kW beyond are not bought and pay 40 ct/kWh
        ((2_500 * T, 0), 2_000 * T, {"feed-in": (500 * T, 10_000_000), OUTSIDE: (2_000 * T, -200_000_000)}),
        # 1 kW is bought for 30 ct/kWh, the 3 kW beyond pay 40 ct/kWh, all of it the grid fee
        ((0, 4_000 * T), 3_000 * T, {"retail": (1_000 * T, -75_000_000), OUTSIDE: (3_000 * T, -300_000_000)}),
    ],
)
def test_excess_is_not_bought_pays_is_reported_and_lowers_grants(
    energy: Energy, excess: int, lines: dict[str, tuple[int, int]]
) -> None:
    """PV far above what the home may export, and load far above what it may import, one timestep each."""
    desk = desk_with()
    address = desk.members["a"].address
    (report,) = reports_of(live(desk, {FIRST: energy}))
    assert report == {
        "home": "a",
        "timestep": FIRST,
        "excess": excess,
        "import_allowed": 1_000 * T,
        "export_allowed": 500 * T,
        "left_percent": 70,
    }
    told = {
        line.kind.value: (line.energy, line.amount)
        for line in desk.state.settled[FIRST][address].lines
        if line.kind is not LineKind.GRID_FEE
    }
    assert told == lines
    assert reason(desk.ask("a", desk.asset(power=3_501))) is GrantReason.STANDING
    assert reason(desk.ask("a", desk.asset(power=3_500))) is None
    assert reason(desk.ask("a", desk.asset(power=-2_801))) is GrantReason.STANDING
    assert reason(desk.ask("a", desk.asset(power=-2_800))) is None
    assert reason(desk.ask("b", desk.asset(power=5_000))) is None
    check_books(desk)


def test_kept_envelope_is_no_break() -> None:
    """Up to the last joule of firm part and grants nothing is reported and nothing lowered."""
    desk = desk_with()
    desk.mine_grants(desk.ask("a", desk.asset(power=2_000, start=5)))
    effects = live(desk, {2: (0, 0), 3: (0, 0), 4: (500 * T, 0), 5: (2_000 * T, 0), 6: (0, 1_000 * T)})
    assert reports_of(effects) == []
    assert desk.state.conduct == {_address(desk): dict.fromkeys((2, 3, 4, 5, 6), True)}
    assert reason(desk.ask("a", desk.asset(power=5_000, start=8))) is None


def test_breaks_add_up_and_good_timesteps_in_a_row_restore() -> None:
    """Four breaks leave nothing; one good timestep between them restores nothing, two in a row everything."""
    desk = desk_with()
    for timestep, energy, left in (
        (2, TOO_MUCH_SUN, 70),
        (3, KEPT, 70),
        (4, TOO_MUCH_LOAD, 40),
        (5, TOO_MUCH_SUN, 10),
        (6, TOO_MUCH_SUN, 0),
        (7, KEPT, 0),
        (8, KEPT, 100),
        (9, TOO_MUCH_SUN, 70),
    ):
        live_on(desk, timestep, energy)
        assert RULE.left_percent(desk.state, desk.members["a"]) == left
    beyond, within = (desk.asset(power=power, start=13) for power in (3_501, 3_500))
    assert reason(desk.ask("a", beyond, now=begin(11))) is GrantReason.STANDING
    assert reason(desk.ask("a", within, now=begin(11))) is None


def live_on(desk: Desk, timestep: int, energy: Energy) -> None:
    """Let one more timestep pass; the desk's registers go on."""
    told = desk.state.told_by(desk.members["a"])
    before = told.reading(timestep - 1) if timestep - 1 in told else None
    produced, consumed = (before.produced, before.consumed) if before else (0, 0)
    meter(desk, "a", {timestep: (produced + energy[0], consumed + energy[1])})
    desk.settle(timestep)


def test_small_excess_may_be_ignored() -> None:
    """Up to the watts that the operator ignores, on average over the timestep, it still pays and is no break."""
    desk = desk_with(rules=(Standing(lowered_percent=100, good_timesteps=1, ignored_watts=5),))
    assert reports_of(live(desk, {FIRST: (505 * T, 0)})) == []
    assert any(one.kind is LineKind.OUTSIDE_ENVELOPE for one in desk.state.settled[FIRST][_address(desk)].lines)
    live_on(desk, FIRST + 1, (505 * T + 1, 0))
    assert reason(desk.ask("a", desk.asset(power=1))) is GrantReason.STANDING


def test_silent_meter_is_no_break_and_no_good_timestep() -> None:
    """What nobody metered restores nothing; a reading that comes late decides, as it settles the timestep anew."""
    desk = desk_with(rules=(Standing(lowered_percent=100, good_timesteps=1),))
    live_on(desk, 2, TOO_MUCH_SUN)
    desk.settle(3)
    assert reason(desk.ask("a", desk.asset(power=1))) is GrantReason.STANDING
    assert desk.state.conduct == {_address(desk): {2: False}}
    late = meter(desk, "a", {3: (501 * T + 500 * T, 0)}, now=desk.state.cut_off(3) + 60)
    assert reports_of(late) == []
    assert reason(desk.ask("a", desk.asset(power=1))) is None


def test_late_reading_may_tell_of_a_break() -> None:
    """A gap that is divided by a late reading turns a good timestep into a broken one, and is reported then."""
    desk = desk_with()
    meter(desk, "a", {3: (600 * T, 0)})  # 300 W in each of two timesteps, as far as anybody knows
    desk.settle(2)
    desk.settle(3)
    assert desk.state.conduct == {_address(desk): {2: True, 3: True}}
    late = desk.hear(desk.reading("a", 2, 0, 0), desk.state.cut_off(3) + 60)
    assert [report["timestep"] for report in reports_of(late)] == [3]
    assert desk.state.conduct == {_address(desk): {2: True, 3: False}}


def test_without_the_rule_nobody_keeps_a_record() -> None:
    """The excess pays as ever; nothing is reported or remembered."""
    desk = Desk()
    assert reports_of(live(desk, {FIRST: (2_500 * T, 0)})) == []
    assert desk.state.conduct == {}


@given(
    conduct=st.lists(st.booleans(), max_size=14), good=st.integers(1, 4), through=st.integers(0, 14)
)
@settings(max_examples=100, deadline=None)
def test_standing_counts_breaks_since_the_last_good_run_and_may_forget_the_rest(
    conduct: list[bool], good: int, through: int
) -> None:
    """A count that walks forwards says the same, before and after what is billed was forgotten."""
    desk = desk_with(rules=(Standing(lowered_percent=7, good_timesteps=good),))
    (rule,) = desk.state.policy.rules
    assert isinstance(rule, Standing)
    desk.state.conduct[_address(desk)] = dict(enumerate(conduct))
    broken = run = 0
    for kept in conduct:
        broken, run = (broken, run + 1) if kept else (broken + 1, 0)
        broken = 0 if run >= good else broken
    expected = max(0, 100 - 7 * broken)
    assert rule.left_percent(desk.state, desk.members["a"]) == expected
    forget_conduct(desk.state, through)
    assert rule.left_percent(desk.state, desk.members["a"]) == expected


def _address(desk: Desk) -> Any:
    return desk.members["a"].address
