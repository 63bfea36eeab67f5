"""A home that was away or was started again: what comes late, and what it may forget."""

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import pytest

from petra.domain.calls import DepositEnergyAsset, RescindOffer
from petra.domain.messages import BillStatement, FailedWithdrawal, WithdrawalGranted
from petra.forecasting import Forecast, Forecaster
from petra.roles.effects import Measured, Note, Phase, Resend, Submit
from petra.roles.prosumer.agent import BILLS_KEPT, EMPTY_KEPT_SECONDS, ENDED_KEPT_SECONDS, step
from petra.roles.prosumer.state import Stage
from tests.unit.roles.desk import T, begin
from tests.unit.roles.test_prosumer import Home, K, request
from tests.unit.settlement.test_lines import PRICES


def measure(home: Home, timestep: int, watts: int) -> None:
    """Let the meter tell of a timestep with this net power."""
    event = Measured(timestep=timestep, produced=max(0, watts) * T, consumed=max(0, -watts) * T)
    assert step(home.state, event, begin(timestep + 1), home.rng) == []


def begin_trading(home: Home) -> None:
    """Let the home withdraw and post its offer."""
    home.mine(own=home.mine(*home.withdraw()))
    assert home.plan.stage is Stage.TRADING


# ------------------------------------------------------------------------------------------------------------- refusals


def test_a_forecast_that_comes_too_late_asks_for_nothing() -> None:
    """After the deadline a withdrawal could only be refused: no pseudonym is spent on it."""
    home = Home(500)
    (note,) = home.wake(Phase.FORECAST, begin(5) - 15)
    assert isinstance(note, Note) and home.pseudonyms == []


def test_a_forecast_that_comes_twice_asks_once() -> None:
    """Started again within a timestep, a home goes on with its plan."""
    home = Home(500)
    home.wake(Phase.FORECAST, begin(4))
    assert home.wake(Phase.FORECAST, begin(4) + 5) == []
    assert len(home.pseudonyms) == 1


def test_timers_of_forgotten_plans_change_nothing() -> None:
    """Every phase may come for a timestep of which the home knows nothing."""
    home = Home(500)
    for phase in (Phase.RETRY, Phase.GATE, Phase.DELIVERED, Phase.LOOK):
        assert home.wake(phase, begin(90), 3) == []


def test_prices_told_before_are_not_changed() -> None:
    """A second schedule from the same timestep on is not believed, whoever signed it."""
    home = Home(500)
    home.hear(replace(PRICES, retail=PRICES.retail + 1, imbalance=2 * PRICES.imbalance))
    assert home.state.schedules == [PRICES]


# -------------------------------------------------------------------------------------------------------------- success


def test_missed_boundaries_are_made_up_in_order() -> None:
    """A home that slept over gate and delivery takes its offer back, then deposits what is left."""
    home = Home(500)
    begin_trading(home)
    late = begin(K + 9)
    (rescind,) = (one for one in home.wake(Phase.GATE, late) if isinstance(one, Submit))
    assert isinstance(rescind.intent.call, RescindOffer)
    assert home.wake(Phase.DELIVERED, late) == [], "nothing new is signed while a transaction is under way"
    effects = home.mine(own=[rescind], now=late)
    assert [type(one.intent.call) for one in effects if isinstance(one, Submit)] == [DepositEnergyAsset]


def test_answers_that_come_late_are_taken() -> None:
    """A grant after the home slept through its timestep: the assets are deposited, not offered."""
    home = Home(500)
    grants = home.withdraw()
    home.wake(Phase.GATE, begin(K + 9))
    home.wake(Phase.DELIVERED, begin(K + 9))
    home.hear(WithdrawalGranted(request_id=home.plan.message_id))
    effects = home.mine(*grants, now=begin(K + 9))
    assert [type(one.intent.call) for one in effects if isinstance(one, Submit)] == [DepositEnergyAsset]


def test_a_silent_dso_is_asked_until_the_deadline_and_forgotten_a_day_later() -> None:
    """Its plan costs nothing for ever, and may be protested meanwhile."""
    home = Home(500)
    home.wake(Phase.FORECAST, begin(4))
    assert Resend(message_id=home.plan.message_id) in home.wake(Phase.RETRY, begin(5) - 20)
    late = begin(K + 1) + EMPTY_KEPT_SECONDS
    home.wake(Phase.FORECAST, late, 200)
    assert K in home.state.plans
    home.wake(Phase.FORECAST, late + 1, 201)
    assert K not in home.state.plans and home.pseudonyms[0] not in home.state.by_pseudonym


def test_ended_plans_are_forgotten_and_those_with_assets_are_not() -> None:
    """What stands on the ledger is ours until it is deposited, however long that takes."""
    refused, holding = Home(500), Home(500)
    refused.wake(Phase.FORECAST, begin(4))
    plan = refused.plan
    refused.hear(FailedWithdrawal(request_id=plan.message_id, anon_address=plan.pseudonym, reason="Collateral"))
    begin_trading(holding)
    late = begin(K + 1) + ENDED_KEPT_SECONDS + 1
    refused.wake(Phase.FORECAST, late, 100)
    holding.wake(Phase.FORECAST, late + 30 * EMPTY_KEPT_SECONDS, 9_000)
    assert K not in refused.state.plans
    assert holding.state.plans[K].stage is Stage.TRADING


@pytest.mark.parametrize(
    ("gap", "entries"),
    [(0, [300]), (3, [300, 300, 300, 300]), (96, [300]), (96 * 40 + 5, 6 * [300])],
)
def test_a_gap_in_the_measurements_keeps_the_time_of_day(gap: int, entries: list[int]) -> None:
    """A short gap is filled with what came after it; whole days are left out."""
    home = Home(500)
    measure(home, K - 1, 100)
    measure(home, K + gap, 300)
    measure(home, K + gap, 999)
    assert home.state.history == [100, *entries]
    assert home.state.known_until == K + gap


def test_a_home_without_measurements_forecasts_the_same_time_of_day() -> None:
    """However long its meter was silent, it asks its forecaster for no more than a day."""
    home = Home(500)
    steps: list[int] = []

    inner = home.state.forecaster

    def listening(history_watts: Sequence[int], count: int, steps_per_day: int) -> Forecast:
        steps.append(count)
        return inner(history_watts, count, steps_per_day)

    home.state.forecaster = cast("Forecaster", listening)
    for timestep in (K, 99, 10**9):
        home.wake(Phase.FORECAST, begin(4), timestep)
    assert steps == [2, 96, (10**9 - 3 - 1) % 96 + 1]
    assert request(home.wake(Phase.FORECAST, begin(4), 12)) is not None


def test_only_the_newest_bills_and_prices_are_kept() -> None:
    """A year of bills and of price changes does not fill the memory."""
    home = Home(500)
    for number in range(1, 40):
        message_id = number.to_bytes(16)
        home.hear(BillStatement(document=str(number).encode()), message_id=message_id)
        home.hear(replace(PRICES, from_timestep=number), message_id=(number + 100).to_bytes(16))
    assert [int(bill) for bill in home.state.bills] == list(range(40 - BILLS_KEPT, 40))
    home.hear(replace(PRICES, from_timestep=50), message_id=bytes(16))
    assert [one.from_timestep for one in home.state.schedules][-1] == 50
