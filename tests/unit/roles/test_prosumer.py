"""A home's agent: what it withdraws, how it trades and returns, and its next step after every ordinary mishap."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from random import Random
from typing import Any

import pytest

from petra.domain.blocks import LedgerRecord, Outcome
from petra.domain.calls import (
    AcceptOffer,
    AddEnergyAsset,
    AddFinancialBalance,
    Call,
    DepositEnergyAsset,
    DepositFinancial,
    PostOffer,
    RescindOffer,
)
from petra.domain.messages import (
    BillStatement,
    Body,
    Envelope,
    FailedWithdrawal,
    MessageReceipt,
    WithdrawalGranted,
    WithdrawAssets,
)
from petra.domain.refusals import Refusal
from petra.domain.terms import Address
from petra.forecasting import Forecast
from petra.ledger import transition
from petra.ledger.fold import LedgerView
from petra.roles.effects import (
    Effect,
    LedgerAdvanced,
    Measured,
    MessageArrived,
    Note,
    Phase,
    Resend,
    Send,
    Submit,
    WakeAt,
    Woken,
)
from petra.roles.prosumer.agent import ROUNDING_RESERVE, step, withdrawable
from petra.roles.prosumer.state import Habits, Plan, ProsumerState, Stage
from petra.roles.prosumer.strategies import midpoint
from tests.unit.roles.desk import EUR, Desk, T, begin, ended
from tests.unit.settlement.strategies import CENT
from tests.unit.settlement.test_lines import PRICES

K = 5
HABITS = Habits(patience_seconds=60, retry_seconds=15, minimum_watts=10)


class Constant:
    """A forecaster that says the same of every timestep."""

    def __init__(self, low: int, median: int) -> None:
        """Keep low and median in watts; high is the median too."""
        self._low, self._median = low, median

    def __call__(self, history_watts: Sequence[int], steps: int, steps_per_day: int) -> Forecast:
        """Return so many equal steps."""
        return Forecast(low=(self._low,) * steps, median=(self._median,) * steps, high=(self._median,) * steps)


class Home:
    """A home with a constant forecast, and the ledger on which it and others trade."""

    def __init__(self, low: int, median: int | None = None, **habits: Any) -> None:
        """Let it forecast these net watts for every timestep; it knows the prices."""
        self.desk = Desk()
        median = low if median is None else median
        self.pseudonyms: list[Address] = []
        self.state = ProsumerState(
            name="home:1",
            address=self.desk.members["a"].address,
            dso=self.desk.dso,
            terms=self.desk.terms,
            habits=replace(HABITS, **habits),
            strategy=midpoint.decide,
            forecaster=Constant(low, median),
            new_pseudonym=self._new_pseudonym,
            view=LedgerView(self.desk.terms),
            history=[],
            known_until=K - 2,
            steps_per_day=96,
            deadline_margin_seconds=15,
            schedules=[PRICES],
        )
        self.rng = Random(1)
        self._hashes = count(1)

    def _new_pseudonym(self) -> Address:
        self.pseudonyms.append(self.desk.pseudonym("home"))
        return self.pseudonyms[-1]

    def wake(self, phase: Phase, now: int, timestep: int = K) -> list[Effect]:
        """Let a timer come."""
        return step(self.state, Woken(phase=phase, timestep=timestep), now, self.rng)

    def hear(self, body: Body, sender: Address | None = None, message_id: bytes = bytes(16)) -> list[Effect]:
        """Let a message come, from the DSO unless said otherwise."""
        envelope = self.desk.say(sender or self.desk.dso, body, message_id=message_id)
        return step(self.state, MessageArrived(envelope=envelope), begin(4), self.rng)

    def mine(self, *calls: tuple[Call, Address], own: Sequence[Effect] = (), now: int = begin(4) + 5) -> list[Effect]:
        """Make a block of others' calls, then of the home's own; what the ledger refuses is void."""
        records: list[LedgerRecord] = []
        outcomes: list[Outcome] = []
        intents = [effect.intent for effect in own if isinstance(effect, Submit)]
        for call, sender, intent_id in [
            *((call, sender, "") for call, sender in calls),
            *((intent.call, intent.sender, intent.intent_id) for intent in intents),
        ]:
            told = transition.apply(self.desk.ledger, call, sender, now)
            assert intent_id or not isinstance(told, Refusal), (call, told)
            if not isinstance(told, Refusal):
                self.state.view.observe(told)
                records.append(
                    LedgerRecord(
                        transaction_hash=next(self._hashes).to_bytes(32),
                        block_number=1,
                        transaction_index=0,
                        timestamp=now,
                        events=told,
                    )
                )
            if intent_id:
                outcomes.append(ended(intent_id, done=not isinstance(told, Refusal)))
        event = LedgerAdvanced(records=tuple(records), outcomes=tuple(outcomes), view=self.state.view)
        return step(self.state, event, now, self.rng)

    @property
    def plan(self) -> Plan:
        """The plan for timestep 5."""
        return self.state.plans[K]

    def withdraw(self) -> tuple[tuple[Call, Address], ...]:
        """Let it withdraw; return the calls by which the DSO grants."""
        self.wake(Phase.FORECAST, begin(4))
        plan = self.plan
        energy = AddEnergyAsset(anon_address=plan.pseudonym, power=plan.power, start=K, end=K)
        grants: list[tuple[Call, Address]] = [(energy, self.desk.dso)]
        if plan.amount:
            grants.append((AddFinancialBalance(anon_address=plan.pseudonym, amount=plan.amount), self.desk.dso))
        return tuple(grants)

    def neighbour(self, power: int, amount: int = 0) -> tuple[Address, int]:
        """Grant an asset for timestep 5 to somebody else; return the address and the asset's id."""
        address, asset_id = self.desk.pseudonym("neighbour"), self.desk.ledger.next_asset_id
        self.mine((AddEnergyAsset(anon_address=address, power=power, start=K, end=K), self.desk.dso))
        if amount:
            self.mine((AddFinancialBalance(anon_address=address, amount=amount), self.desk.dso))
        return address, asset_id

    def ask(self, power: int, price: int = 19 * CENT) -> None:
        """Let somebody else ask."""
        address, asset_id = self.neighbour(power)
        self.mine((PostOffer(asset_id=asset_id, price=price), address))


def calls(effects: Sequence[Effect]) -> list[Call]:
    """Return what is submitted."""
    return [effect.intent.call for effect in effects if isinstance(effect, Submit)]


def request(effects: Sequence[Effect]) -> Send | None:
    """Return the withdrawal that is sent."""
    return next((one for one in effects if isinstance(one, Send) and isinstance(one.body, WithdrawAssets)), None)


# ---- withdrawing


@pytest.mark.parametrize(
    ("low", "median", "power"), [(500, 800, 500), (0, 800, 0), (-100, 800, 0), (-800, -500, -500), (-500, 0, 0)]
)
def test_no_more_is_withdrawn_than_can_be_delivered_or_is_needed(low: int, median: int, power: int) -> None:
    """A surplus is sold at its low quantile only, a need bought at the median, and between the two nothing happens."""
    assert withdrawable(low, median) == power


@pytest.mark.parametrize(("forecast", "asked"), [(519, [500, 200, 100]), (-519, [-500, -200, -100]), (99, [])])
def test_home_asks_in_lots(forecast: int, asked: list[int]) -> None:
    """It never asks for more than it forecasts, nor for a part of a lot, the first time or after a refusal."""
    home = Home(forecast, lot_watts=100)
    sent = request(home.wake(Phase.FORECAST, begin(4)))
    powers = []
    while sent is not None:
        assert isinstance(sent.body, WithdrawAssets)
        powers.append(sent.body.assets[0].power)
        failed = FailedWithdrawal(request_id=sent.message_id, anon_address=home.plan.pseudonym, reason="Ramp")
        sent = request(home.hear(failed, message_id=len(powers).to_bytes(16)))
    assert powers == asked


@pytest.mark.parametrize(
    ("home", "schedules"),
    [(Home(500, participates=False), 1), (Home(9), 1), (Home(-9), 1), (Home(0), 1), (Home(500), 0)],
)
def test_home_stays_out(home: Home, schedules: int) -> None:
    """Who sits out, has nothing worth it, or knows no prices forecasts and asks for nothing."""
    del home.state.schedules[schedules:]
    effects = home.wake(Phase.FORECAST, begin(4))
    assert [effect.kind for effect in effects if isinstance(effect, Note)] == ["forecast"]
    assert request(effects) is None and home.pseudonyms == []
    assert home.wake(Phase.GATE, begin(5)) == home.wake(Phase.DELIVERED, begin(6)) == []


def test_seller_withdraws_production_and_no_money() -> None:
    """One asset at a fresh pseudonym, until the gate less the time that trading takes."""
    home = Home(500, 800)
    sent = request(home.wake(Phase.FORECAST, begin(4)))
    assert sent is not None and isinstance(sent.body, WithdrawAssets)
    (asset,) = sent.body.assets
    assert (asset.power, asset.start, asset.end, asset.amount) == (500, K, K, 0)
    assert [asset.anon_address] == home.pseudonyms
    assert sent.deadline == begin(5) - 15


def test_buyer_withdraws_the_money_that_it_may_need() -> None:
    """Its whole need at the retail price, and room for the rounding of each part."""
    home = Home(-1_000)
    home.wake(Phase.FORECAST, begin(4))
    assert home.plan.amount == 1_000 * T * PRICES.retail // 3_600_000 + ROUNDING_RESERVE


def test_each_asset_has_a_pseudonym_and_a_message_of_its_own() -> None:
    """Nothing is ever used twice."""
    home = Home(500)
    for timestep in (5, 6, 7):
        home.wake(Phase.FORECAST, begin(4), timestep)
    plans = home.state.plans.values()
    assert len({plan.pseudonym for plan in plans}) == len({plan.message_id for plan in plans}) == 3


def test_unanswered_withdrawal_is_sent_again_as_it_was() -> None:
    """The same message id after the same wait, until an answer or the deadline."""
    home = Home(500)
    home.wake(Phase.FORECAST, begin(4))
    again = home.wake(Phase.RETRY, begin(4) + 15)
    assert again == [
        Resend(message_id=home.plan.message_id),
        WakeAt(at=begin(4) + 30, phase=Phase.RETRY, timestep=K),
    ]
    assert home.wake(Phase.RETRY, home.plan.deadline) == []
    home.hear(WithdrawalGranted(request_id=home.plan.message_id))
    assert home.wake(Phase.RETRY, begin(4) + 30) == []


def test_refused_withdrawal_ends_the_plan() -> None:
    """Nothing is retried, offered or deposited, and another timestep is another plan."""
    home = Home(500)
    home.wake(Phase.FORECAST, begin(4))
    failed = FailedWithdrawal(request_id=home.plan.message_id, anon_address=home.plan.pseudonym, reason="Collateral")
    assert home.hear(failed) == []
    assert home.plan.stage is Stage.ENDED
    assert home.wake(Phase.RETRY, begin(4) + 15) == home.wake(Phase.GATE, begin(5)) == []
    assert request(home.wake(Phase.FORECAST, begin(5), 6)) is not None


def test_home_asks_twice_for_half_where_the_grid_has_no_room() -> None:
    """Half, and half of that, each by a message of its own; then never again. An old refusal changes nothing."""
    home = Home(-1_000)
    home.wake(Phase.FORECAST, begin(4))
    pseudonym, money = home.plan.pseudonym, home.plan.amount
    asked = []
    for _ in range(3):
        failed = FailedWithdrawal(request_id=home.plan.message_id, anon_address=pseudonym, reason="Network")
        again = request(home.hear(failed))
        assert home.hear(failed) == []
        asked.append(again.body.assets[0].power if again is not None and isinstance(again.body, WithdrawAssets) else 0)
    assert asked == [-500, -250, 0]
    assert home.plan.stage is Stage.ENDED and home.plan.amount < money // 3


def test_home_asks_no_more_when_its_time_is_over() -> None:
    """A refusal that comes after the deadline ends the plan: no asset could be traded any more."""
    home = Home(500)
    home.wake(Phase.FORECAST, begin(4))
    failed = FailedWithdrawal(request_id=home.plan.message_id, anon_address=home.plan.pseudonym, reason="Network")
    envelope = home.desk.say(home.desk.dso, failed)
    assert step(home.state, MessageArrived(envelope=envelope), home.plan.deadline, home.rng) == []
    assert home.plan.stage is Stage.ENDED


def test_message_of_somebody_else_changes_nothing() -> None:
    """Only the DSO refuses, sets prices and bills."""
    home = Home(500)
    home.wake(Phase.FORECAST, begin(4))
    stranger = home.desk.members["b"].address
    failed = FailedWithdrawal(request_id=home.plan.message_id, anon_address=home.plan.pseudonym, reason="Network")
    for body in (failed, replace(PRICES, from_timestep=5), BillStatement(document=b"{}")):
        assert home.hear(body, sender=stranger) == []
    assert home.plan.stage is Stage.ASKED
    assert home.state.schedules == [PRICES] and home.state.bills == []


def test_refusal_of_what_already_stands_on_the_ledger_loses_nothing() -> None:
    """The ledger is the truth: a late or false refusal does not make a home forget its assets."""
    home = Home(500)
    home.mine(*home.withdraw())
    home.hear(FailedWithdrawal(request_id=home.plan.message_id, anon_address=home.plan.pseudonym, reason="Network"))
    assert home.plan.stage is Stage.TRADING


# ---- prices and bills


def test_schedule_that_breaks_the_rules_is_not_used() -> None:
    """It gets its receipt, which is evidence, and is forgotten."""
    home = Home(500)
    (receipt,) = home.hear(replace(PRICES, from_timestep=5, imbalance=0))
    assert isinstance(receipt, Send) and isinstance(receipt.body, MessageReceipt)
    assert home.state.schedules == [PRICES]


def test_schedules_and_bills_are_taken_once_and_receipted_each_time() -> None:
    """A copy is answered by the same receipt and changes nothing."""
    home = Home(500)
    bodies: list[Body] = [replace(PRICES, from_timestep=6), BillStatement(document=b"{}")]
    for number, body in enumerate(bodies, start=1):
        (receipt,) = home.hear(body, message_id=bytes([number]) * 16)
        assert isinstance(receipt, Send) and receipt.recipient == home.desk.dso
        assert home.hear(body, message_id=bytes([number]) * 16) == [Resend(message_id=receipt.message_id)]
    assert len(home.state.schedules) == 2 and home.state.bills == [b"{}"]


# ---- trading


def test_seller_asks_as_soon_as_its_asset_stands() -> None:
    """And not before: without the asset there is nothing to sign."""
    home = Home(500)
    grants = home.withdraw()
    assert calls(home.mine()) == []
    assert calls(home.mine(*grants)) == [PostOffer(asset_id=1, price=19 * CENT)]


def test_buyer_waits_for_its_money() -> None:
    """An asset without the money to pay is no use yet."""
    home = Home(-500)
    energy, money = home.withdraw()
    home.mine(energy)
    stages = [home.plan.stage]
    home.mine(money)
    assert [*stages, home.plan.stage] == [Stage.ASKED, Stage.TRADING]


def test_buyer_cuts_its_need_over_several_asks() -> None:
    """All in one go, signed by the one pseudonym in the order of preference; both are served."""
    home = Home(-500)
    home.ask(300)
    home.ask(300, price=18 * CENT)
    effects = home.mine(*home.withdraw())
    assert calls(effects) == [AcceptOffer(offer_id=2, asset_id=3), AcceptOffer(offer_id=1, asset_id=3)]
    assert {effect.intent.sender for effect in effects if isinstance(effect, Submit)} == {home.plan.pseudonym}
    home.mine(own=effects)
    owned = [asset for asset in home.desk.ledger.assets.values() if asset.owner == home.plan.pseudonym]
    assert sorted(asset.power for asset in owned) == [200, 300]


def test_nothing_is_signed_while_a_transaction_is_in_flight() -> None:
    """Neither at a new block, nor at the gate, nor after delivery; the next step follows the outcome."""
    home = Home(500)
    effects = home.mine(*home.withdraw())
    assert len(home.plan.in_flight) == 1
    assert home.mine() == home.wake(Phase.LOOK, begin(4) + 60) == home.wake(Phase.GATE, begin(5)) == []
    assert home.wake(Phase.DELIVERED, begin(6)) == []
    assert calls(home.mine(own=effects, now=begin(4) + 10)) == [RescindOffer(offer_id=1)]


def test_lost_race_means_looking_again() -> None:
    """The ask was taken by another in the same block: void, and the next one is taken a block later."""
    home = Home(-500)
    home.ask(500)
    effects = home.mine(*home.withdraw())
    rival, bid = home.neighbour(-500, amount=EUR)
    address, asset_id = home.neighbour(500)
    post = (PostOffer(asset_id=asset_id, price=19 * CENT), address)
    again = home.mine((AcceptOffer(offer_id=1, asset_id=bid), rival), post, own=effects)
    assert calls(again) == [AcceptOffer(offer_id=2, asset_id=home.plan.asset_id)]
    assert len({one.intent.intent_id for one in [*effects, *again] if isinstance(one, Submit)}) == 2


def test_smaller_fill_is_followed_by_the_rest() -> None:
    """An ask that was partly gone leaves a need; the next ask serves it with the same asset."""
    home = Home(-500)
    home.ask(500)
    effects = home.mine(*home.withdraw())
    rival, bid = home.neighbour(-300, amount=EUR)
    address, asset_id = home.neighbour(500)
    post = (PostOffer(asset_id=asset_id, price=19 * CENT), address)
    again = home.mine((AcceptOffer(offer_id=1, asset_id=bid), rival), post, own=effects)
    home.mine(own=again)
    assert home.desk.ledger.assets[asset_id].power == 500 - 300


def test_impatient_buyer_bids_and_takes_its_bid_back_for_an_ask() -> None:
    """After its patience the buyer bids; when an ask comes it rescinds and accepts in one block."""
    home = Home(-500)
    assert calls(home.mine(*home.withdraw())) == []
    bid = home.wake(Phase.LOOK, begin(4) + 65)
    assert calls(bid) == [PostOffer(asset_id=1, price=19 * CENT)]
    home.mine(own=bid, now=begin(4) + 70)
    address, asset_id = home.neighbour(500)
    effects = home.mine((PostOffer(asset_id=asset_id, price=18 * CENT), address), now=begin(4) + 75)
    assert calls(effects) == [RescindOffer(offer_id=1), AcceptOffer(offer_id=2, asset_id=1)]
    home.mine(own=effects, now=begin(4) + 80)
    assert home.desk.ledger.assets[asset_id].owner == home.plan.pseudonym


def test_trading_ends_when_the_gate_closes() -> None:
    """From the second on at which the timestep may not be traded any more nothing is offered or accepted."""
    for late in (0, 1):
        home = Home(500)
        assert len(calls(home.mine(*home.withdraw(), now=begin(5) - 1 + late))) == 1 - late


# ---- returning


def test_gate_takes_offers_back() -> None:
    """An ask that nobody wanted is rescinded; the permit to feed in stays until delivery is over."""
    home = Home(500)
    home.mine(own=home.mine(*home.withdraw()))
    effects = home.wake(Phase.GATE, begin(5))
    assert calls(effects) == [RescindOffer(offer_id=1)]
    assert home.mine(own=effects, now=begin(5) + 5) == []
    assert home.plan.stage is Stage.CLOSED
    assert calls(home.wake(Phase.DELIVERED, begin(6))) == [DepositEnergyAsset(asset_id=1)]


def test_after_delivery_everything_is_deposited() -> None:
    """The rest of the need, what was bought, and the money that is left: the pseudonym ends empty, and so the plan."""
    home = Home(-500)
    home.ask(300)
    home.mine(own=home.mine(*home.withdraw()))
    home.wake(Phase.GATE, begin(5))
    effects = home.wake(Phase.DELIVERED, begin(6))
    left = home.desk.ledger.balance(home.plan.pseudonym)
    assert calls(effects) == [
        DepositEnergyAsset(asset_id=1),
        DepositEnergyAsset(asset_id=2),
        DepositFinancial(amount=left),
    ]
    home.mine(own=effects, now=begin(6) + 5)
    assert home.plan.stage is Stage.ENDED
    assert home.desk.ledger.balance(home.plan.pseudonym) == 0
    assert not any(asset.owner == home.plan.pseudonym for asset in home.desk.ledger.assets.values())


def test_seller_deposits_what_it_earned_and_the_permit_that_it_got() -> None:
    """It ends holding the buyer's spent consumption asset, which may only be deposited (A14)."""
    home = Home(500)
    home.mine(own=home.mine(*home.withdraw()))
    rival, bid = home.neighbour(-500, amount=EUR)
    home.mine((AcceptOffer(offer_id=1, asset_id=bid), rival))
    home.wake(Phase.GATE, begin(5))
    assert calls(home.wake(Phase.DELIVERED, begin(6))) == [
        DepositEnergyAsset(asset_id=bid),
        DepositFinancial(amount=500 * T * 19 * CENT // 3_600_000),
    ]


def test_home_that_never_deposits_ends_its_plan() -> None:
    """It holds on to what it has; settlement does not need it."""
    home = Home(500, deposits=False)
    home.mine(own=home.mine(*home.withdraw()))
    home.mine(own=home.wake(Phase.GATE, begin(5)), now=begin(5) + 5)
    assert home.wake(Phase.DELIVERED, begin(6)) == []
    assert home.plan.stage is Stage.ENDED


def test_grant_that_comes_after_delivery_is_returned() -> None:
    """The chain was slow: what comes at last is deposited, and no money stays behind."""
    home = Home(-500)
    grants = home.withdraw()
    for phase, at in ((Phase.GATE, begin(5)), (Phase.DELIVERED, begin(6))):
        assert home.wake(phase, at) == []
    effects = home.mine(*grants, now=begin(6) + 5)
    assert calls(effects) == [DepositEnergyAsset(asset_id=1), DepositFinancial(amount=home.plan.amount)]
    home.mine(own=effects, now=begin(6) + 10)
    assert home.plan.stage is Stage.ENDED


def test_grant_of_which_half_is_void_is_returned() -> None:
    """Energy without money, or money without energy, cannot trade; what came goes back."""
    for index, call in ((0, DepositEnergyAsset), (1, DepositFinancial)):
        home = Home(-500)
        assert home.mine(home.withdraw()[index]) == []
        home.wake(Phase.GATE, begin(5))
        (deposit,) = calls(home.wake(Phase.DELIVERED, begin(6)))
        assert isinstance(deposit, call)


def test_history_grows_with_what_was_measured() -> None:
    """Net watts, oldest first; the forecast then reaches one step less far."""
    home = Home(500)
    for timestep, net in ((4, 100), (5, -200)):
        energy = Measured(timestep=timestep, produced=max(net, 0) * T, consumed=max(-net, 0) * T)
        assert step(home.state, energy, begin(timestep + 1), home.rng) == []
    assert (home.state.history, home.state.known_until) == ([100, -200], 5)


def test_envelope_of_the_fabric_is_what_arrives() -> None:
    """A receipt that somebody sends to a home means nothing to it."""
    home = Home(500)
    envelope = home.desk.say(home.desk.dso, MessageReceipt(envelope_hash=bytes(32)))
    assert isinstance(envelope, Envelope)
    assert step(home.state, MessageArrived(envelope=envelope), begin(4), home.rng) == []
