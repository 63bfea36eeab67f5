"""Bills: a statement for every home at the end of each billing period, and what may be forgotten then (R41, DESIGN 10).

Decides: when a period is closed, and that nothing of it is needed any more. `settling` decides the amounts.
Invariants: each settled timestep stands on one bill of each home; a bill opens where the one before it closed;
what is forgotten is final, billed, and past every window in which somebody could ask for it.
"""

import json
from dataclasses import replace
from random import Random

from petra.domain.messages import BillStatement
from petra.domain.terms import Address
from petra.roles.dso.curtailing import forget_curtailments
from petra.roles.dso.fine_rules import timesteps_remembered
from petra.roles.dso.metering import chain_breaks
from petra.roles.dso.pricing import tell
from petra.roles.dso.standing import forget_conduct
from petra.roles.dso.state import DsoState, Member
from petra.roles.effects import Effect, Note, Phase, WakeAt
from petra.roles.receipts import is_long_past
from petra.settlement.bills import Bill, as_document
from petra.settlement.prices import in_force_from


def first_timers(state: DsoState) -> list[Effect]:
    """Return the timers of the first bill of a period, and of the last bill of all."""
    return [*_next_bill(state), _final_at(state, state.last_timestep, Phase.CLOSE)]


def bill_period(state: DsoState, through: int, now: int, rng: Random) -> list[Effect]:
    """Bill everybody up to a timestep as soon as that is final, forget what is billed, and plan the next bill."""
    if wait := _wait(state, through, now, Phase.BILL):
        return wait
    effects = _bills(state, through, now, rng)
    _forget(state, through, now)
    return [*effects, *_next_bill(state)]


def close(state: DsoState, now: int, rng: Random) -> list[Effect]:
    """Bill what no bill has, at the end of the run."""
    if wait := _wait(state, state.last_timestep, now, Phase.CLOSE):
        return wait
    return _bills(state, state.next_to_settle - 1, now, rng)


def bill_of(
    state: DsoState, member: Member, through: int | None = None, on_ledger: dict[Address, int] | None = None
) -> Bill:
    """Return a member's statement from its last bill up to a settled timestep, the last one unless named.

    What was settled beyond that timestep is on the account already and is left out of the closing balance.
    """
    account, through = member.address, state.next_to_settle - 1 if through is None else through
    on_ledger = money_on_ledger(state) if on_ledger is None else on_ledger
    own = state.statements[account]
    settled = [(timestep, of_all[account]) for timestep, of_all in sorted(state.settled.items()) if account in of_all]
    return Bill(
        home=member.name,
        first_timestep=max(state.first_of(member), state.billed_through + 1),
        last_timestep=through,
        opening=own.opening,
        withdrawn=own.withdrawn,
        deposited=own.deposited,
        on_ledger_opening=own.on_ledger,
        on_ledger=on_ledger.get(account, 0),
        closing=state.books.balance(account) - sum(one.amount for timestep, one in settled if timestep > through),
        trades=tuple(state.trades.get(account, ())),
        timesteps=tuple(one for timestep, one in settled if timestep <= through),
    )


def money_on_ledger(state: DsoState) -> dict[Address, int]:
    """Return what stands at the pseudonyms of each account, free or in escrow, or is on its way there."""
    standing: dict[Address, int] = {}

    def add(account: Address, amount: int) -> None:
        standing[account] = standing.get(account, 0) + amount

    for address, amount in state.view.balances.items():
        add(state.account_of(address), amount)
    for offer_id, offer in state.view.open_offers.items():
        add(state.account_of(state.view.assets[offer.asset_id].owner), state.view.escrow(offer_id))
    for account, statement in state.statements.items():
        add(account, statement.on_its_way)
    return standing


def _bills(state: DsoState, through: int, now: int, rng: Random) -> list[Effect]:
    """Sign and send every home's bill; say whose readings leave gaps, and whether the books close."""
    effects: list[Effect] = []
    standing = money_on_ledger(state)
    for member in state.members.values():
        bill = bill_of(state, member, through, standing)
        if state.policy.billing_timesteps and not bill.timesteps and (bill.first_timestep > through or bill.is_empty):
            continue  # it came after the period, or went before it
        for problem in bill.problems():
            state.alarm(problem)
        document = json.dumps(as_document(bill), sort_keys=True).encode()
        effects += tell(state, member.address, BillStatement(document=document), now, rng)
        if breaks := chain_breaks(state, member):
            effects.append(Note(kind="readings-missing", fields={"home": member.name, "before": breaks}))
        if state.policy.billing_timesteps:
            _carry_forward(state, bill, member.address)
    for problem in state.books.problems():
        state.alarm(problem)
    balances = dict(sorted(state.books.balances.items()))
    return [*effects, Note(kind="books", fields={"balances": balances, "problems": list(state.alarms)})]


def _carry_forward(state: DsoState, bill: Bill, account: Address) -> None:
    own = state.statements[account]
    own.opening, own.on_ledger, own.withdrawn, own.deposited = bill.closing, bill.on_ledger, 0, 0
    state.trades.pop(account, None)


def _forget(state: DsoState, through: int, now: int) -> None:
    """Drop what nobody can ask for any more. Pseudonyms stay: their owners may deposit for ever."""
    state.billed_through = through
    first = through + 1
    state.settled = {timestep: one for timestep, one in state.settled.items() if timestep >= first}
    state.settled_at = {timestep: at for timestep, at in state.settled_at.items() if timestep >= first}
    for own in state.granted.values():
        for timestep in [timestep for timestep in own if timestep < first - timesteps_remembered(state)]:
            del own[timestep]
    forget_conduct(state, through)
    forget_curtailments(state, through)
    for readings in state.readings.values():
        readings.forget(through)
    for account in [account for account in state.trades if account not in state.members]:
        del state.trades[account]
    state.policy = replace(state.policy, schedules=in_force_from(state.policy.schedules, first))
    state.answers = {key: one for key, one in state.answers.items() if not is_long_past(one.deadline, now)}
    state.asked = {
        digest: (sender, key)
        for digest, (sender, key) in state.asked.items()
        if key in state.answers or (sender, key) in state.queue
    }
    state.tokens = {key: one for key, one in state.tokens.items() if not is_long_past(one.expires, now)}
    state.receipts.forget(now)
    state.view.deposited.clear()


def _next_bill(state: DsoState) -> list[Effect]:
    period = state.policy.billing_timesteps
    through = state.billed_through + period
    return [_final_at(state, through, Phase.BILL)] if period and through < state.last_timestep else []


def _final_at(state: DsoState, timestep: int, phase: Phase) -> WakeAt:
    at = state.cut_off(timestep) + state.policy.dispute_window_seconds + 1
    return WakeAt(at=at, phase=phase, timestep=timestep)


def _wait(state: DsoState, through: int, now: int, phase: Phase) -> list[Effect]:
    """Return a timer if the dispute window of a timestep is not over: a DSO that was away settles late.

    Without a window, settlement and bill are due in the same second, in either order.
    """
    is_settled = through < state.next_to_settle
    final_at = state.settled_at.get(through, 0 if is_settled else now) + state.policy.dispute_window_seconds
    if is_settled and final_at <= now:
        return []
    return [WakeAt(at=max(final_at, now + 1), phase=phase, timestep=through)]
