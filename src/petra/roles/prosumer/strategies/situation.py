"""What a strategy sees and what it may want; nothing here decides."""

from collections.abc import Callable
from dataclasses import dataclass

from petra.domain.messages import PriceSchedule


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterOffer:
    """An open offer of the other side that covers the same timestep; power in watts > 0, price nano-units per kWh."""

    offer_id: int
    price: int
    power: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """One asset of ours and the market around it.

    Attributes:
        power: what is left of the asset, watts, signed as ever.
        own_offer: id of our open offer of it, 0 = none.
        counter_offers: of the other side, oldest first.
        spare_offers: how many offers to accept beyond those that would suffice, in case a race for one is lost.
        patient: True while a buyer would rather wait for asks than post a bid.
    """

    power: int
    own_offer: int
    counter_offers: tuple[CounterOffer, ...]
    prices: PriceSchedule
    spare_offers: int
    patient: bool

    @property
    def selling(self) -> bool:
        """Say whether the asset is production."""
        return self.power > 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Post:
    """Offer what is left at a price."""

    price: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TakeBack:
    """Rescind our own offer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Take:
    """Accept an offer with our asset."""

    offer_id: int


Action = Post | TakeBack | Take
Strategy = Callable[[Situation], list[Action]]
