"""What the contract knows: assets, offers, holders and the terms, as plain values in plain dicts.

Decides nothing: `transition` decides. Knows no logs, no account at the DSO, no clock.
Invariant: values inside are frozen; the dicts are changed in place, only by `transition` and `trade`, and only after
every check has passed. What the contract computes instead of storing (escrow) is computed here too. Paper 4.1, R59-R73.
"""

from dataclasses import dataclass, field

from petra.domain.quantities import Joules, energy_of, payment_rounded_down
from petra.domain.terms import Address, Terms
from petra.domain.timeline import Timeline, Timestep

NOT_ON_OFFER = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """Power over an interval that belongs to an address.

    Attributes:
        power: watts, positive = production, negative = consumption, never 0.
        start, end: timesteps, both inclusive.
        offer_id: 0 = not on offer, MARKET_LOCK = locked by the market.
        spent: a consumption asset that has changed hands: it may only be deposited.
        locked_money: nano-units of its owner that the market locked with it.
    """

    owner: Address
    power: int
    start: int
    end: int
    offer_id: int = NOT_ON_OFFER
    spent: bool = False
    locked_money: int = 0

    @property
    def is_production(self) -> bool:
        """Say whether this is a production asset: offered, it is an ask."""
        return self.power > 0


def escrow_of(asset: Asset, price: int, timestep_seconds: int) -> int:
    """Return the nano-units that an asset on offer at this price holds: the floor for a bid, nothing for an ask."""
    if asset.is_production:
        return 0
    return payment_rounded_down(energy_of(asset.power, asset.end - asset.start + 1, timestep_seconds), price)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An asset at a price (nano-units per kWh); closed for ever once it is accepted whole or rescinded."""

    asset_id: int
    price: int
    open: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """What an address has beside its assets: free money, and whether the DSO has granted to it."""

    balance: int = 0
    energy_granted: bool = False
    money_granted: bool = False


NOBODY = Holder()


@dataclass(slots=True, kw_only=True)
class LedgerState:
    """The whole storage of the contract.

    Attributes:
        assets: by id; a deposited asset is not here.
        offers: by id, the closed ones too.
        money_on_ledger: nano-units, issued less deposited.
        period_prices: nano-units per kWh, by period.
        timeline: the time grid of the terms.
    """

    terms: Terms
    assets: dict[int, Asset] = field(default_factory=dict)
    offers: dict[int, Offer] = field(default_factory=dict)
    holders: dict[Address, Holder] = field(default_factory=dict)
    next_asset_id: int = 1
    next_offer_id: int = 1
    money_on_ledger: int = 0
    period_prices: dict[int, int] = field(default_factory=dict)
    timeline: Timeline = field(init=False)

    def __post_init__(self) -> None:
        """Keep the time grid: most calls ask for it."""
        self.timeline = self.terms.timeline

    def holder(self, address: Address) -> Holder:
        """Return what an address has; an address never heard of has nothing."""
        return self.holders.get(address, NOBODY)

    def balance(self, address: Address) -> int:
        """Return an address's free money in nano-units."""
        return self.holder(address).balance

    def credit(self, address: Address, amount: int) -> None:
        """Add to an address's free money; a negative amount takes from it."""
        before = self.holder(address)
        after = before.balance + amount
        assert after >= 0, "an amount is checked before it is taken"
        self.holders[address] = Holder(
            balance=after, energy_granted=before.energy_granted, money_granted=before.money_granted
        )

    def take_asset_id(self) -> int:
        """Return an asset id that was never used."""
        self.next_asset_id += 1
        return self.next_asset_id - 1

    def take_offer_id(self) -> int:
        """Return an offer id that was never used."""
        self.next_offer_id += 1
        return self.next_offer_id - 1

    def energy(self, power: int, start: int, end: int) -> Joules:
        """Return the energy of |power| over an interval, in joules."""
        return energy_of(power, end - start + 1, self.terms.timestep_seconds)

    def escrow(self, asset: Asset, price: int) -> int:
        """Return the nano-units that an asset on offer at this price holds."""
        return escrow_of(asset, price, self.terms.timestep_seconds)

    def first_tradeable(self, timestamp: int) -> Timestep:
        """Return the first timestep that may still be traded in a block of this unix second."""
        return self.timeline.first_tradeable(timestamp)
