"""Trade at the middle of feed-in and retail: both sides gain the same, whoever comes first (R12, R16).

Decides: accept what is there, best price first and oldest at equal price, cutting a need over several offers; else
post. A buyer whose bid is open takes it back when asks appear; a seller leaves its ask standing, so the two never wait
for one another. Knows no identity and no history.
"""

from petra.roles.prosumer.strategies.situation import Action, CounterOffer, Post, Situation, Take, TakeBack


def decide(situation: Situation) -> list[Action]:
    """Return what to do now, in the order in which it shall stand on the ledger."""
    if situation.selling and situation.own_offer:
        return []
    takes: list[Action] = [Take(offer_id=offer.offer_id) for offer in _enough(situation)]
    if takes:
        return [TakeBack(), *takes] if situation.own_offer else takes
    if situation.own_offer or (situation.patient and not situation.selling):
        return []
    return [Post(price=midpoint(situation))]


def midpoint(situation: Situation) -> int:
    """Return the middle of feed-in and retail, nano-units per kWh, rounded down."""
    return (situation.prices.feed_in + situation.prices.retail) // 2


def _enough(situation: Situation) -> list[CounterOffer]:
    """Choose offers, best first, until they cover what is left, and some to spare: others may be faster.

    An accept that is not needed any more is refused by the contract; none is worse than dealing with the utility.
    """
    if situation.selling:
        acceptable = [offer for offer in situation.counter_offers if offer.price >= situation.prices.feed_in]
        best_first = sorted(acceptable, key=lambda offer: (-offer.price, offer.offer_id))
    else:
        acceptable = [offer for offer in situation.counter_offers if offer.price <= situation.prices.retail]
        best_first = sorted(acceptable, key=lambda offer: (offer.price, offer.offer_id))
    enough, missing = 0, abs(situation.power)
    for offer in best_first:
        if missing <= 0:
            break
        enough += 1
        missing -= offer.power
    return best_first[: enough + situation.spare_offers]
