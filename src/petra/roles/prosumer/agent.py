"""A home's trading agent: forecast, withdraw, offer, accept, deposit (paper 4.2, Fig. 2; R43, R44, R56-R73).

Decides: when to ask for what, and the next step after every ordinary mishap: where the grid or a rule has no room a
home asks for half, twice; any other refusal ends the plan; a lost race or a refused transaction means a new look at the
order book.
The strategy decides prices and partners.
Invariant: a plan with a transaction in flight signs nothing new, so an intent is never sent twice.
"""

from dataclasses import asdict
from random import Random

from petra.domain.blocks import Intent, LedgerRecord
from petra.domain.calls import AcceptOffer, Call, DepositEnergyAsset, DepositFinancial, PostOffer, RescindOffer
from petra.domain.events import AssetAdded, AssetSplit, AssetTransferred, FinancialAdded
from petra.domain.messages import (
    BillStatement,
    Curtailment,
    Envelope,
    FailedWithdrawal,
    PriceSchedule,
    RequestedAsset,
    WithdrawalGranted,
    WithdrawAssets,
)
from petra.domain.quantities import energy_of, payment_rounded_up
from petra.domain.refusals import GrantReason
from petra.domain.terms import NO_ADDRESS
from petra.ledger.fold import LedgerView
from petra.roles.effects import (
    Effect,
    Event,
    LedgerAdvanced,
    Measured,
    MessageArrived,
    Note,
    Phase,
    ProtestWanted,
    Resend,
    Send,
    Submit,
    SubmitProtest,
    WakeAt,
    Woken,
)
from petra.roles.prosumer.state import Plan, ProsumerState, Stage
from petra.roles.prosumer.strategies import Action, CounterOffer, Post, Situation, Take, TakeBack
from petra.roles.receipts import is_long_past
from petra.settlement.prices import in_force_from, schedule_in_force, schedule_problems

# Each accepted part rounds its payment up by less than one nano-unit: room for so many parts.
ROUNDING_RESERVE = 1_000
# How long a plan is remembered after its timestep: its answer may still come, or its operator may want to protest.
ENDED_KEPT_SECONDS = 3_600
EMPTY_KEPT_SECONDS = 86_400
BILLS_KEPT = 12
SMALLER_REQUESTS_MAX = 2  # after a refusal that a smaller request may escape
LESS_MAY_DO = frozenset(
    {
        GrantReason.NETWORK,
        GrantReason.QUOTA,
        GrantReason.PERIOD_ENERGY,
        GrantReason.RAMP,
        GrantReason.STANDING,
        GrantReason.CURTAILED,
    }
)


def step(state: ProsumerState, event: Event, now: int, rng: Random) -> list[Effect]:
    """Take one event; return what the home wants done."""
    match event:
        case Woken(phase=Phase.FORECAST, timestep=timestep):
            return _withdraw(state, timestep, now, rng)
        case Woken(phase=Phase.RETRY, timestep=timestep):
            return _ask_again(state, timestep, now)
        case Woken(phase=Phase.GATE, timestep=timestep):
            return _advance(state, timestep, Stage.CLOSED, now)
        case Woken(phase=Phase.DELIVERED, timestep=timestep):
            return _advance(state, timestep, Stage.RETURNING, now)
        case Woken(phase=Phase.LOOK, timestep=timestep):
            return _advance(state, timestep, Stage.ASKED, now)
        case MessageArrived(envelope=envelope):
            return _take_message(state, envelope, now, rng)
        case LedgerAdvanced():
            return _ledger(state, event, now)
        case ProtestWanted(message_id=message_id):
            return _protest(state, message_id, now)
        case Measured():
            _remember(state, event)
            return []
        case _:
            return []


def _withdraw(state: ProsumerState, timestep: int, now: int, rng: Random) -> list[Effect]:
    """Forecast a timestep; withdraw its surplus, or its need and the money for it, to a fresh pseudonym, once."""
    _forget(state, now)
    if timestep in state.plans:
        return []
    ahead = timestep - state.known_until
    if ahead > state.steps_per_day:  # a home whose meter was silent forecasts the same time of day
        ahead = (ahead - 1) % state.steps_per_day + 1
    forecast = state.forecaster(state.history, ahead, state.steps_per_day)
    low, median, high = forecast.low[-1], forecast.median[-1], forecast.high[-1]
    noted = Note(
        kind="forecast",
        fields={"home": state.name, "timestep": timestep, "low": low, "median": median, "high": high},
    )
    power = _in_lots(state, state.within_limits(timestep, withdrawable(low, median)))
    deadline = _trading_ends(state, timestep) - state.deadline_margin_seconds
    is_idle = not state.habits.participates or not state.schedules or abs(power) < state.habits.minimum_watts
    if is_idle or now >= deadline:
        return [noted]
    plan = Plan(
        timestep=timestep,
        power=power,
        amount=_money_for(state, timestep, power),
        pseudonym=state.new_pseudonym(),
        message_id=rng.randbytes(16),
        asked_at=now,
        deadline=deadline,
    )
    state.plans[timestep] = plan
    state.by_pseudonym[plan.pseudonym] = plan
    again = WakeAt(at=now + state.habits.retry_seconds, phase=Phase.RETRY, timestep=timestep)
    return [noted, *_ask(state, plan), again]


def _ask(state: ProsumerState, plan: Plan) -> list[Effect]:
    asset = RequestedAsset(
        anon_address=plan.pseudonym, power=plan.power, start=plan.timestep, end=plan.timestep, amount=plan.amount
    )
    fields = {
        "home": state.name,
        "timestep": plan.timestep,
        "request": plan.message_id.hex(),
        "pseudonym": plan.pseudonym,
        "power": plan.power,
        "amount": plan.amount,
        "deadline": plan.deadline,
    }
    return [
        Note(kind="withdraw", fields=fields),
        Send(
            message_id=plan.message_id,
            sender=state.address,
            recipient=state.dso,
            deadline=plan.deadline,
            body=WithdrawAssets(assets=(asset,)),
        ),
    ]


def _refused(state: ProsumerState, plan: Plan, reason: str, *, now: int, rng: Random) -> list[Effect]:
    """End a plan that was refused, or ask for less; what stands on the ledger is ours, whatever a message says."""
    plan.answered = True
    if plan.asset_id or plan.funded or plan.stage is Stage.ENDED:
        return []
    if reason in LESS_MAY_DO:
        return _ask_for_less(state, plan, now, rng)
    plan.stage = Stage.ENDED
    return []


def _ask_for_less(state: ProsumerState, plan: Plan, now: int, rng: Random) -> list[Effect]:
    """Ask for half of what the grid had no room for; the answers to the smaller request are waited for like the first.

    The pseudonym stays: nothing was granted to it, and only the DSO has seen it.
    """
    half = _in_lots(state, state.within_limits(plan.timestep, (abs(plan.power) // 2) * (1 if plan.power > 0 else -1)))
    over = plan.smaller >= SMALLER_REQUESTS_MAX or plan.stage is not Stage.ASKED
    if over or abs(half) < state.habits.minimum_watts or now >= plan.deadline:
        plan.stage = Stage.ENDED
        return []
    plan.power, plan.amount = half, _money_for(state, plan.timestep, half)
    plan.message_id, plan.asked_at, plan.answered = rng.randbytes(16), now, False
    plan.smaller += 1
    # The timer that asks again where no answer comes still runs since the first request.
    return _ask(state, plan)


def _in_lots(state: ProsumerState, power: int) -> int:
    """Return the largest multiple of the home's portion that is no larger than a power."""
    portion = state.habits.lot_watts
    return (abs(power) // portion) * portion * (1 if power > 0 else -1)


def withdrawable(low: int, median: int) -> int:
    """Return the power to withdraw for a forecast of net power: what can surely be delivered, or what is needed.

    A surplus is sold no further than the low quantile, since a shortfall costs the imbalance price. A need is bought at
    the median: buying too much and too little cost the same when the price is the middle of feed-in and retail.
    """
    return low if low > 0 else min(0, median)


def _money_for(state: ProsumerState, timestep: int, power: int) -> int:
    if power > 0:
        return 0
    retail = schedule_in_force(state.schedules, timestep).retail
    return payment_rounded_up(energy_of(power, 1, state.terms.timestep_seconds), retail) + ROUNDING_RESERVE


def _trading_ends(state: ProsumerState, timestep: int) -> int:
    return state.terms.timeline.begin(timestep - state.terms.gate)


def _ask_again(state: ProsumerState, timestep: int, now: int) -> list[Effect]:
    """Send the same withdrawal once more where no answer has come; the DSO answers a message id once."""
    plan = state.plans.get(timestep)
    if plan is None or plan.answered or now >= plan.deadline:
        return []
    again = WakeAt(at=now + state.habits.retry_seconds, phase=Phase.RETRY, timestep=timestep)
    return [Resend(message_id=plan.message_id), again]


def _protest(state: ProsumerState, message_id: bytes, now: int) -> list[Effect]:
    """Put the hash of a withdrawal on the ledger that has had no answer for half of its time, and send it once more.

    The address that sends it is fresh, so the ledger does not learn whose protest it is.
    """
    plan = next(iter(_plans_of(state, message_id)), None)
    if plan is None or plan.answered or plan.protested or now < (plan.asked_at + plan.deadline) // 2:
        return [Note(kind="protest-refused", fields={"home": state.name, "request": message_id.hex()})]
    plan.protested = True
    pseudonym = state.new_pseudonym()
    fields = {"home": state.name, "request": message_id.hex(), "pseudonym": pseudonym}
    return [
        Resend(message_id=message_id),
        SubmitProtest(intent_id=f"{state.name}:protest:{message_id.hex()}", sender=pseudonym, message_id=message_id),
        Note(kind="protest", fields=fields),
    ]


def _take_message(state: ProsumerState, envelope: Envelope, now: int, rng: Random) -> list[Effect]:
    if envelope.sender != state.dso or is_long_past(envelope.deadline, now):
        return []
    match envelope.body:
        case PriceSchedule() as schedule:
            if state.receipts.is_new(envelope):
                _take_schedule(state, schedule, now)
            # What is published to everybody is nobody's to confirm.
            return [state.receipts.give(envelope)] if envelope.recipient != NO_ADDRESS else []
        case BillStatement(document=document):
            if state.receipts.is_new(envelope):
                state.bills = [*state.bills, document][-BILLS_KEPT:]
                state.receipts.forget(now)
            return [state.receipts.give(envelope)]
        case Curtailment() as curtailment:
            effects = _take_curtailment(state, curtailment, now) if state.receipts.is_new(envelope) else []
            return [state.receipts.give(envelope), *effects]
        case WithdrawalGranted(request_id=request_id):
            for plan in _plans_of(state, request_id):
                plan.answered = True
        case FailedWithdrawal(request_id=request_id, reason=reason):
            plans = _plans_of(state, request_id)
            return [effect for plan in plans for effect in _refused(state, plan, reason, now=now, rng=rng)]
        case _:
            pass
    return []


def _take_schedule(state: ProsumerState, schedule: PriceSchedule, now: int) -> None:
    """Believe prices that keep the rules and change none that were told before; drop what is over."""
    told = {one.from_timestep for one in state.schedules}
    if schedule.from_timestep not in told and not schedule_problems(schedule):
        current = state.terms.timeline.current(now)
        state.schedules = list(in_force_from([*state.schedules, schedule], current))


def _take_curtailment(state: ProsumerState, curtailment: Curtailment, now: int) -> list[Effect]:
    """Obey the DSO: trade no further where more was withdrawn than may flow; what was sold before stays sold."""
    if curtailment.start > curtailment.end:
        return []
    state.curtailments.append(curtailment)
    effects: list[Effect] = [Note(kind="curtailed", fields={"home": state.name, **asdict(curtailment)})]
    for timestep, plan in list(state.plans.items()):
        if plan.stage is not Stage.ENDED and state.within_limits(timestep, plan.power) != plan.power:
            effects += _advance(state, timestep, Stage.CLOSED, now)
    return effects


def _remember(state: ProsumerState, event: Measured) -> None:
    """Keep a measurement; a gap before it is filled with its power, but for whole days, so that days stay days."""
    if event.timestep <= state.known_until:
        return
    power = (event.produced - event.consumed) // state.terms.timestep_seconds
    missed = event.timestep - state.known_until - 1
    if missed >= state.steps_per_day:
        missed %= state.steps_per_day
    state.history += [power] * (missed + 1)
    state.known_until = event.timestep


def _forget(state: ProsumerState, now: int) -> None:
    """Drop plans that have long ended, and those whose assets never came."""
    timeline = state.terms.timeline
    state.curtailments = [one for one in state.curtailments if one.end >= timeline.current(now - ENDED_KEPT_SECONDS)]
    for timestep, plan in list(state.plans.items()):
        empty = not plan.asset_id and not plan.funded and not plan.in_flight
        kept = ENDED_KEPT_SECONDS if plan.stage is Stage.ENDED else EMPTY_KEPT_SECONDS
        if now > timeline.end(timestep) + kept and (empty or plan.stage is Stage.ENDED):
            del state.plans[timestep], state.by_pseudonym[plan.pseudonym]


def _plans_of(state: ProsumerState, request_id: bytes) -> list[Plan]:
    return [plan for plan in state.plans.values() if plan.message_id == request_id]


def _ledger(state: ProsumerState, event: LedgerAdvanced, now: int) -> list[Effect]:
    """Learn what became ours and how our transactions ended, then take each plan's next step."""
    for record in event.records:
        _learn(state, record)
    for outcome in event.outcomes:
        timestep = outcome.intent_id.rsplit(":", 2)[1]  # a name may hold colons
        if timestep.isdecimal() and (plan := state.plans.get(int(timestep))):
            plan.in_flight.discard(outcome.intent_id)
    state.view = event.view
    return [effect for plan in _open_plans(state) for effect in _next(state, plan, now)]


def _open_plans(state: ProsumerState) -> list[Plan]:
    return [plan for plan in state.plans.values() if plan.stage is not Stage.ENDED]


def _learn(state: ProsumerState, record: LedgerRecord) -> None:
    for event in record.events:
        match event:
            case AssetAdded(anon_address=address) if plan := state.by_pseudonym.get(address):
                plan.asset_id, plan.answered = event.asset_id, True
                plan.assets.add(event.asset_id)
            case FinancialAdded(anon_address=address) if plan := state.by_pseudonym.get(address):
                plan.funded = True
            case AssetSplit(owner=address) | AssetTransferred(to_address=address) if plan := state.by_pseudonym.get(
                address
            ):
                plan.assets.add(event.asset_id)
            case _:
                pass


def _advance(state: ProsumerState, timestep: int, stage: Stage, now: int) -> list[Effect]:
    plan = state.plans.get(timestep)
    if plan is None or plan.stage is Stage.ENDED:
        return []
    if plan.stage.value < stage.value:
        plan.stage = stage
    return _next(state, plan, now)


def _next(state: ProsumerState, plan: Plan, now: int) -> list[Effect]:
    """Take a plan's next step, if it may sign."""
    if plan.in_flight:
        return []
    match plan.stage:
        case Stage.ASKED:
            return _begin_trading(state, plan, now)
        case Stage.TRADING:
            return _trade(state, plan, now)
        case Stage.CLOSED:
            return _take_back(state, plan)
        case Stage.RETURNING:
            return _take_back(state, plan) or _deposit(state, plan)
        case Stage.ENDED:
            return []


def _begin_trading(state: ProsumerState, plan: Plan, now: int) -> list[Effect]:
    if not plan.asset_id or (plan.amount and not plan.funded):
        return []
    plan.stage, plan.traded_since = Stage.TRADING, now
    patience_ends = now + state.habits.patience_seconds
    return [
        *_trade(state, plan, now),
        WakeAt(at=patience_ends, phase=Phase.LOOK, timestep=plan.timestep),
    ]


def _trade(state: ProsumerState, plan: Plan, now: int) -> list[Effect]:
    """Ask the strategy what to do with what is left of the asset, until the gate closes."""
    left = state.view.assets.get(plan.asset_id)
    if left is None or left.owner != plan.pseudonym or left.spent or now >= _trading_ends(state, plan.timestep):
        return []
    situation = Situation(
        power=left.power,
        own_offer=left.offer_id,
        counter_offers=_counter_offers(state.view, plan),
        prices=schedule_in_force(state.schedules, plan.timestep),
        spare_offers=state.habits.spare_offers,
        patient=now < plan.traded_since + state.habits.patience_seconds,
    )
    return [_submit(state, plan, _call(action, plan, situation.own_offer)) for action in state.strategy(situation)]


def _counter_offers(view: LedgerView, plan: Plan) -> tuple[CounterOffer, ...]:
    return tuple(
        CounterOffer(offer_id=offer_id, price=offer.price, power=abs(asset.power))
        for offer_id, offer in view.open_offers.items()
        for asset in (view.assets[offer.asset_id],)
        if asset.start <= plan.timestep <= asset.end and (asset.power > 0) != (plan.power > 0)
    )


def _call(action: Action, plan: Plan, own_offer: int) -> Call:
    match action:
        case Post(price=price):
            return PostOffer(asset_id=plan.asset_id, price=price)
        case TakeBack():
            return RescindOffer(offer_id=own_offer)
        case Take(offer_id=offer_id):
            return AcceptOffer(offer_id=offer_id, asset_id=plan.asset_id)


def _take_back(state: ProsumerState, plan: Plan) -> list[Effect]:
    asset = state.view.assets.get(plan.asset_id)
    if asset is None or asset.owner != plan.pseudonym or not asset.offer_id:
        return []
    return [_submit(state, plan, RescindOffer(offer_id=asset.offer_id))]


def _deposit(state: ProsumerState, plan: Plan) -> list[Effect]:
    """Return everything that stands at the plan's pseudonym; the plan ends when all has come and nothing is left."""
    view = state.view
    ours = [
        asset_id for asset_id in sorted(plan.assets) if (a := view.assets.get(asset_id)) and a.owner == plan.pseudonym
    ]
    money = view.balance(plan.pseudonym)
    all_came = plan.asset_id and (plan.funded or not plan.amount)
    if not state.habits.deposits or (all_came and not ours and not money):
        plan.stage = Stage.ENDED
        return []
    calls: list[Call] = [DepositEnergyAsset(asset_id=asset_id) for asset_id in ours]
    if money:
        calls.append(DepositFinancial(amount=money))
    return [_submit(state, plan, call) for call in calls]


def _submit(state: ProsumerState, plan: Plan, call: Call) -> Submit:
    plan.intents += 1
    intent_id = f"{state.name}:{plan.timestep}:{plan.intents}"
    plan.in_flight.add(intent_id)
    return Submit(intent=Intent(intent_id=intent_id, sender=plan.pseudonym, call=call))
