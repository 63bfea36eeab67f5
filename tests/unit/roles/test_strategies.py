"""Trading at the middle of feed-in and retail: a table of situations and what is done in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.messages import PriceSchedule
from petra.roles.prosumer.strategies import Action, CounterOffer, Post, Situation, Take, TakeBack, midpoint
from tests.unit.settlement.strategies import CENT, price_schedules
from tests.unit.settlement.test_lines import PRICES

MIDDLE = 19 * CENT
OWN = 99

# Counter-offers are (id, ct per kWh, watts); then: power, own offer, patient -> actions.
TABLE: dict[str, tuple[list[tuple[int, int, int]], int, int, bool, list[Action]]] = {
    "seller without bids asks the middle": ([], 500, 0, True, [Post(price=MIDDLE)]),
    "patient buyer without asks waits": ([], -500, 0, True, []),
    "impatient buyer without asks bids the middle": ([], -500, 0, False, [Post(price=MIDDLE)]),
    "buyer takes the cheapest ask first": (
        [(1, 20, 300), (2, 10, 300), (3, 15, 300)],
        -500,
        0,
        True,
        [Take(offer_id=2), Take(offer_id=3)],
    ),
    "seller takes the dearest bid first": (
        [(1, 10, 300), (2, 20, 300), (3, 15, 300)],
        500,
        0,
        True,
        [Take(offer_id=2), Take(offer_id=3)],
    ),
    "oldest first at equal price": (
        [(4, 19, 100), (2, 19, 100), (3, 19, 100)],
        -150,
        0,
        True,
        [Take(offer_id=2), Take(offer_id=3)],
    ),
    "need is cut over all asks": ([(1, 19, 100), (2, 19, 100)], -500, 0, True, [Take(offer_id=1), Take(offer_id=2)]),
    "one ask that covers it is enough": ([(1, 19, 500), (2, 19, 500)], -500, 0, True, [Take(offer_id=1)]),
    "buyer takes its bid back when an ask appears": ([(1, 19, 100)], -500, OWN, False, [TakeBack(), Take(offer_id=1)]),
    "buyer leaves its bid where no ask is": ([], -500, OWN, False, []),
    "seller leaves its ask where a bid appears": ([(1, 30, 500)], 500, OWN, False, []),
    "ask dearer than the utility is not taken": ([(1, 31, 500)], -500, 0, True, []),
    "ask as dear as the utility is": ([(1, 30, 500)], -500, 0, True, [Take(offer_id=1)]),
    "bid below the utility is not taken": ([(1, 7, 500)], 500, 0, True, [Post(price=MIDDLE)]),
    "bid as low as the utility is": ([(1, 8, 500)], 500, 0, True, [Take(offer_id=1)]),
}


@pytest.mark.parametrize("case", TABLE)
def test_table(case: str) -> None:
    """Each situation has the actions of its line, in the order in which they shall stand on the ledger."""
    offers, power, own_offer, patient, actions = TABLE[case]
    situation = Situation(
        power=power,
        own_offer=own_offer,
        counter_offers=tuple(CounterOffer(offer_id=i, price=price * CENT, power=watts) for i, price, watts in offers),
        prices=PRICES,
        spare_offers=0,
        patient=patient,
    )
    assert midpoint.decide(situation) == actions


@pytest.mark.parametrize(("spare_offers", "taken"), [(0, [1]), (1, [1, 2]), (2, [1, 2, 3]), (9, [1, 2, 3])])
def test_spare_offers_are_taken_beyond_the_need(spare_offers: int, taken: list[int]) -> None:
    """A buyer takes as many offers more than it needs as it is told, if there are so many."""
    situation = Situation(
        power=-100,
        own_offer=0,
        counter_offers=tuple(CounterOffer(offer_id=i, price=19 * CENT, power=500) for i in (3, 1, 2)),
        prices=PRICES,
        spare_offers=spare_offers,
        patient=True,
    )
    assert midpoint.decide(situation) == [Take(offer_id=offer_id) for offer_id in taken]


OFFERS = st.lists(
    st.builds(CounterOffer, offer_id=st.integers(1, 90), price=st.integers(0, 100 * CENT), power=st.integers(1, 5_000)),
    unique_by=lambda offer: offer.offer_id,
)


@given(OFFERS, st.integers(-5_000, 5_000).filter(bool), st.sampled_from([0, OWN]), st.booleans(), price_schedules())
def test_no_trade_is_worse_than_the_utility(
    offers: list[CounterOffer], power: int, own_offer: int, patient: bool, prices: PriceSchedule
) -> None:
    """What is taken or posted lies between feed-in and retail, on the right side, and is no more than is needed."""
    situation = Situation(
        power=power,
        own_offer=own_offer,
        counter_offers=tuple(offers),
        prices=prices,
        spare_offers=0,
        patient=patient,
    )
    actions = midpoint.decide(situation)
    by_id = {offer.offer_id: offer for offer in offers}
    taken = [by_id[action.offer_id] for action in actions if isinstance(action, Take)]
    assert all(one.price >= prices.feed_in if power > 0 else one.price <= prices.retail for one in taken)
    assert sum(one.power for one in taken[:-1]) < abs(power)
    assert all(prices.feed_in <= one.price <= prices.retail for one in actions if isinstance(one, Post))
    if own_offer and actions:
        assert actions[0] == TakeBack() and len(actions) > 1
