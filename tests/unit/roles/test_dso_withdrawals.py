"""Withdrawals at the DSO: what is refused, that all or nothing is granted, that a request is answered once."""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from petra.domain.calls import AddEnergyAsset, AddFinancialBalance
from petra.domain.messages import FailedWithdrawal, WithdrawAssets
from petra.domain.refusals import GrantReason
from petra.domain.terms import NO_ADDRESS
from petra.roles.dso.rules import held, rules_of
from petra.roles.dso.state import DsoState
from petra.roles.effects import Effect, MessageArrived, Note, Phase, Resend, Send, Submit, WakeAt, Woken
from petra.settlement.books import LEDGER
from tests.unit.roles.desk import EUR, LAST, NOW, Desk, T, begin, reason
from tests.unit.settlement.test_lines import KWH, PRICES


def known(state: DsoState) -> tuple[Any, ...]:
    """Return a copy of everything that a refusal must leave as it is: all but the answer itself."""
    return deepcopy(
        (state.books, state.pseudonyms, state.granted, state.open_grants, state.trades, state.queue, state.view.assets)
    )


# ---- the rules: each refuses the very first request beyond it, and grants its neighbour


Figures = dict[str, Any]
FIRST_BEYOND: dict[GrantReason, tuple[Figures, Figures, Figures, Figures]] = {
    GrantReason.GATE_CLOSED: ({}, {}, {"power": 100, "start": 4}, {"power": 100, "start": 5}),
    GrantReason.OUTSIDE_HORIZON: ({}, {}, {"power": 100, "end": 9}, {"power": 100, "end": 8}),
    GrantReason.PRODUCTION_CAPACITY: ({}, {}, {"power": 5_001}, {"power": 5_000}),
    GrantReason.CONSUMPTION_CAPACITY: ({}, {}, {"power": -4_001}, {"power": -4_000}),
    # 1 kW of each of the three homes is firm: 2 kW more may be granted to import.
    GrantReason.NETWORK: ({"import_limit_watts": 5_000}, {}, {"power": -3_001}, {"power": -3_000}),
    GrantReason.INSUFFICIENT_FUNDS: ({}, {}, {"amount": 10 * EUR + 1}, {"amount": 10 * EUR}),
    # 2 kW for a quarter of an hour at 40 ct/kWh may cost 0.20 EUR.
    GrantReason.COLLATERAL: ({}, {"opening_balance": EUR // 5}, {"power": 2_001}, {"power": 2_000}),
}


@pytest.mark.parametrize("word", FIRST_BEYOND)
def test_very_first_request_beyond_a_limit_is_refused(word: GrantReason) -> None:
    """Each rule refuses one watt, timestep or nano-unit too much though nothing was withdrawn before, and not less."""
    policy, member, beyond, within = FIRST_BEYOND[word]
    desk = Desk(member=member, **policy)
    before = known(desk.state)
    assert reason(desk.ask("a", desk.asset(**beyond))) is word
    assert known(desk.state) == before
    assert reason(desk.ask("a", desk.asset(**within))) is None


def test_export_beyond_the_connection_is_refused() -> None:
    """Half a kilowatt of each home is firm; what all may feed in together is limited like what they may draw."""
    desk = Desk(export_limit_watts=2_000)
    assert reason(desk.ask("a", desk.asset(power=1_001))) is GrantReason.NETWORK
    assert reason(desk.ask("a", desk.asset(power=1_000))) is None


def test_first_granted_watts_are_the_firm_ones() -> None:
    """On a connection that is full already, what a home may use anyhow is granted and nothing else."""
    desk = Desk(import_limit_watts=3_000, export_limit_watts=1_500)
    assert reason(desk.ask("a", desk.asset(power=-1_000))) is None
    assert reason(desk.ask("b", desk.asset(power=500))) is None
    assert reason(desk.ask("a", desk.asset(power=-1))) is GrantReason.NETWORK
    assert reason(desk.ask("b", desk.asset(power=1))) is GrantReason.NETWORK


def test_grants_of_neighbours_use_up_the_connection() -> None:
    """What was granted to one home is gone for the others, in its timesteps and in no other."""
    desk = Desk(import_limit_watts=5_000)
    assert reason(desk.ask("a", desk.asset(power=-3_000, start=5, end=6))) is None
    assert reason(desk.ask("b", desk.asset(power=-1_001, start=6, end=7))) is GrantReason.NETWORK
    assert reason(desk.ask("b", desk.asset(power=-3_000, start=7))) is None


def test_network_refusal_tells_nothing_of_the_neighbours() -> None:
    """Neither the answer nor its reason carries a figure."""
    desk = Desk(import_limit_watts=5_000)
    effects = desk.ask("a", desk.asset(power=-4_000))
    (failed,) = (effect.body for effect in effects if isinstance(effect, Send))
    assert isinstance(failed, FailedWithdrawal) and failed.reason == "Network"
    (note,) = (effect for effect in effects if isinstance(effect, Note))
    assert note.fields["detail"] == "Network()"


def test_money_that_open_promises_hold_cannot_leave() -> None:
    """Sell, cash out, default: 5 kW for an hour hold 2 EUR of 10 until they are settled."""
    desk = Desk()
    assert reason(desk.ask("a", desk.asset(power=5_000, end=8))) is None
    assert held(desk.state, desk.members["a"]) == 2 * EUR
    assert reason(desk.ask("a", desk.asset(amount=8 * EUR + 1))) is GrantReason.INSUFFICIENT_FUNDS
    assert reason(desk.ask("a", desk.asset(amount=8 * EUR))) is None


def test_money_of_the_same_request_is_no_collateral() -> None:
    """Who takes its money and promises production with it, promises on what is left."""
    desk = Desk()
    both = [desk.asset(power=5_000, end=8), desk.asset(amount=8 * EUR + 1)]
    assert reason(desk.ask("a", *both)) is GrantReason.COLLATERAL
    both[1] = replace(both[1], amount=8 * EUR)
    assert reason(desk.ask("a", *both)) is None


def test_credit_covers_promises_and_no_money() -> None:
    """A credit limit stands for collateral, but is never paid out."""
    desk = Desk(member={"opening_balance": 0, "credit_limit": EUR})
    assert reason(desk.ask("a", desk.asset(amount=1))) is GrantReason.INSUFFICIENT_FUNDS
    assert reason(desk.ask("a", desk.asset(power=2_501, end=8))) is GrantReason.COLLATERAL
    assert reason(desk.ask("a", desk.asset(power=2_500, end=8))) is None


def test_timesteps_outside_the_run_are_refused() -> None:
    """Nothing is granted that nobody would settle."""
    desk = Desk(horizon_timesteps=96)
    assert reason(desk.ask("a", desk.asset(power=100, start=LAST, end=LAST + 1))) is GrantReason.OUTSIDE_HORIZON
    assert reason(desk.ask("a", desk.asset(power=100, start=1), now=begin(0))) is GrantReason.OUTSIDE_HORIZON


ASSETS = st.tuples(st.integers(-4_500, 5_500), st.integers(4, 8), st.integers(0, 3), st.integers(0, 5 * EUR))
REQUESTS = st.lists(st.tuples(st.sampled_from("abc"), st.lists(ASSETS, min_size=1, max_size=3)), max_size=12)


@settings(max_examples=60)
@given(REQUESTS)
def test_no_accepted_sequence_exceeds_any_limit(requests: list[tuple[str, list[tuple[int, int, int, int]]]]) -> None:
    """Whatever is asked in whatever order, what was granted stays within every limit, recomputed from nothing."""
    poor = {"opening_balance": EUR, "credit_limit": EUR}
    desk = Desk(import_limit_watts=7_000, export_limit_watts=6_500, member=poor)
    granted: dict[tuple[str, int], list[int]] = {}
    money = dict.fromkeys("abc", EUR)
    for asker, assets in requests:
        wanted = [desk.asset(power, start, start + more, amount) for power, start, more, amount in assets]
        if reason(desk.ask(asker, *wanted)) is not None:
            continue
        for asset in wanted:
            money[asker] -= asset.amount
            for timestep in range(asset.start, asset.end + 1) if asset.power else ():
                granted.setdefault((asker, timestep), []).append(asset.power)
        for timestep in {timestep for _, timestep in granted}:
            assert 5 <= timestep <= 8
            powers = [granted.get((name, timestep), []) for name in "abc"]
            production = [sum(power for power in one if power > 0) for one in powers]
            consumption = [-sum(power for power in one if power < 0) for one in powers]
            assert max(production) <= 5_000 and max(consumption) <= 4_000
            assert sum(max(one, 500) for one in production) <= 6_500
            assert sum(max(one, 1_000) for one in consumption) <= 7_000
        for name in "abc":
            own = [power for (home, _), powers in granted.items() if home == name for power in powers]
            promised = sum(power for power in own if power > 0)
            assert 0 <= money[name] == desk.balance(name)
            assert promised * T * PRICES.imbalance <= (money[name] + EUR) * KWH


# ---- authentic, new, well formed


@pytest.mark.parametrize(
    "bad",
    [
        {"power": -(2**63)},
        {"power": 100, "start": 5, "end": 5 + 96},
        {"amount": 2**64},
        {"amount": -1},
        {},
    ],
)
def test_what_the_contract_could_not_hold_is_malformed(bad: Figures) -> None:
    """Powers, intervals and amounts out of bounds, and an asset of nothing, are refused before any rule is asked."""
    desk = Desk()
    before = known(desk.state)
    asset = desk.asset(**bad)
    envelope = desk.request("a")
    body = WithdrawAssets(assets=(asset,))
    assert reason(desk.hear(replace(envelope, body=body))) is GrantReason.MALFORMED
    assert known(desk.state) == before


@pytest.mark.parametrize("number", [0, 33])
def test_request_of_nothing_or_of_too_much_is_malformed(number: int) -> None:
    """A request names 1 to 32 assets."""
    desk = Desk()
    assert reason(desk.ask("a", *(desk.asset(amount=1) for _ in range(number)))) is GrantReason.MALFORMED
    assert reason(desk.ask("a", *(desk.asset(amount=1) for _ in range(32)))) is None


def test_nobodys_and_the_dsos_address_are_malformed() -> None:
    """Assets go to a pseudonym: not to the zero address, not to the DSO's own."""
    desk = Desk()
    for to in (NO_ADDRESS, desk.dso):
        asset = replace(desk.asset(amount=1, to=to), proof=bytes(65))
        assert reason(desk.ask("a", asset)) is GrantReason.MALFORMED


def test_stranger_is_refused() -> None:
    """Who is not enrolled gets an answer and nothing else, even with a proven address; so does a meter."""
    desk = Desk()
    for sender in (desk.keys.new("stranger"), desk.members["a"].meter):
        envelope = desk.say(sender, WithdrawAssets(assets=(desk.asset(amount=1),)))
        assert reason(desk.hear(envelope)) is GrantReason.NOT_ENROLLED


def test_late_request_is_refused() -> None:
    """A request counts up to the second of its deadline and not after it (R57)."""
    desk = Desk()
    early, late = (desk.request("a", desk.asset(amount=1), until=until) for until in (NOW, NOW - 1))
    assert reason(desk.hear(late)) is GrantReason.EXPIRED
    assert reason(desk.hear(early)) is None


def test_address_of_somebody_else_is_refused() -> None:
    """A proof by another key, for another request, by another sender, or no signature at all proves nothing."""
    desk = Desk()
    proven = desk.request("a", desk.asset(amount=1)).body
    assert isinstance(proven, WithdrawAssets)
    (asset,) = proven.assets
    for home, one in (
        ("a", replace(asset, anon_address=desk.pseudonym())),
        ("a", asset),
        ("b", asset),
        ("a", replace(asset, proof=bytes(65))),
    ):
        assert reason(desk.ask(home, one)) is GrantReason.ADDRESS_NOT_PROVEN


def test_used_pseudonym_is_refused() -> None:
    """An address belongs to one withdrawal for ever: of this request, of this home, of another one, granted or void."""
    desk = Desk()
    to, other = desk.pseudonym(), desk.pseudonym()
    twice = [desk.asset(amount=1, to=to), desk.asset(power=100, to=to)]
    assert reason(desk.ask("a", *twice)) is GrantReason.ADDRESS_ALREADY_USED
    desk.void(desk.ask("a", desk.asset(amount=1, to=to)))
    desk.mine_grants(desk.ask("a", desk.asset(amount=1, to=other)))
    for home in "ab":
        for used in (to, other):
            assert reason(desk.ask(home, desk.asset(amount=1, to=used))) is GrantReason.ADDRESS_ALREADY_USED


def test_request_is_granted_whole_or_not_at_all() -> None:
    """One asset too much refuses the others of its request, and leaves no trace of them."""
    desk = Desk()
    before = known(desk.state)
    assets = [desk.asset(power=100), desk.asset(amount=EUR), desk.asset(power=100, start=99)]
    assert reason(desk.ask("a", *assets)) is GrantReason.OUTSIDE_HORIZON
    assert known(desk.state) == before
    effects = desk.ask("a", *assets[:2])
    assert [type(one.intent.call) for one in effects if isinstance(one, Submit)] == [
        AddEnergyAsset,
        AddFinancialBalance,
    ]
    assert desk.balance("a") == 9 * EUR


# ---- once


@pytest.mark.parametrize("amount", [EUR, 11 * EUR])
def test_repeated_request_gets_the_same_answer(amount: int) -> None:
    """Granted or refused, the answer that was given is sent again, even when the rules would now say otherwise."""
    desk = Desk()
    request = desk.request("a", desk.asset(amount=amount), until=NOW + 1)
    first = desk.hear(request)
    (sent,) = (effect for effect in first if isinstance(effect, Send))
    before = known(desk.state)
    assert desk.hear(request, now=NOW + 100) == [Resend(message_id=sent.message_id)]
    assert known(desk.state) == before


def test_copies_that_wait_together_are_answered_once() -> None:
    """While the answer is being thought about, a second copy of the request is not queued."""
    desk = Desk(delay_seconds_max=60)
    desk.rng.seed(2)
    request = desk.request("a", desk.asset(amount=EUR))
    (wake,) = desk.hear(request)
    assert isinstance(wake, WakeAt) and wake.at > NOW
    assert desk.hear(request, now=NOW + 1) == []
    assert desk.give(Woken(phase=Phase.SERVE, timestep=0), wake.at - 1) == []
    assert reason(desk.give(Woken(phase=Phase.SERVE, timestep=0), wake.at)) is None
    assert desk.balance("a") == 9 * EUR


def test_deadline_counts_when_the_answer_is_given() -> None:
    """A request that waits past its deadline is refused, however early it came."""
    desk = Desk(delay_seconds_max=60)
    desk.rng.seed(2)
    (wake,) = desk.hear(desk.request("a", desk.asset(amount=EUR), until=NOW))
    assert isinstance(wake, WakeAt)
    assert reason(desk.give(Woken(phase=Phase.SERVE, timestep=0), wake.at)) is GrantReason.EXPIRED


def test_void_grant_gives_money_and_room_back() -> None:
    """A transaction that failed undoes the debit and the count, once; the books never gape."""
    desk = Desk(member={"production_capacity_watts": 3_000})
    before = known(desk.state)
    granted = desk.ask("a", desk.asset(power=3_000, end=8), desk.asset(amount=EUR))
    assert desk.state.books.balance(LEDGER) == EUR
    notes = desk.void(granted)
    assert [note.kind for note in notes if isinstance(note, Note)] == ["void-grant", "void-grant"]
    assert desk.void(granted) == []
    assert desk.balance("a") == 10 * EUR and desk.state.books.balance(LEDGER) == 0
    assert held(desk.state, desk.members["a"]) == 0
    assert desk.state.open_grants == before[3] == {}
    assert reason(desk.ask("a", desk.asset(power=3_000, end=8))) is None


def test_rules_are_asked_in_the_order_of_their_reasons() -> None:
    """What breaks every rule is refused by the gate: nobody learns of the network what the time already forbids."""
    desk = Desk(import_limit_watts=0)
    assert reason(desk.ask("a", desk.asset(power=-(10**9), start=0, end=90, amount=10**15))) is GrantReason.GATE_CLOSED
    names = ["frozen", "gate", "horizon", "curtailed", "capacity", "firm_envelope", "funds", "collateral"]
    assert [getattr(rule, "__name__", "") for rule in rules_of(desk.state.policy)] == names


def test_what_the_dso_does_not_understand_changes_nothing() -> None:
    """An answer, a timer of somebody else's, a reading of an unknown meter: no effect, no change."""
    desk = Desk()
    before = known(desk.state)
    answer = FailedWithdrawal(request_id=bytes(16), anon_address=desk.dso, reason="Network")
    stray: list[list[Effect]] = [
        desk.hear(desk.say(desk.members["a"].address, answer)),
        desk.give(Woken(phase=Phase.FORECAST, timestep=5)),
        desk.give(MessageArrived(envelope=replace(desk.reading("a", 3, 0, 0), sender=desk.dso))),
    ]
    assert stray == [[], [], []]
    assert known(desk.state) == before
