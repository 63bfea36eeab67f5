"""Plays against a ledger: seeded, plausible steps of many actors, with a share of nonsense in between.

Decides who calls what, and when. It looks at the twin's state so that most calls could succeed, but knows no rule: what
comes of a call is for the twin and the contract to say. Same seed and terms, same steps (with the same twin).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from random import Random

from petra.domain import calls
from petra.domain.calls import Call
from petra.domain.quantities import INT64_MAX, UINT64_MAX
from petra.domain.terms import MARKET_LOCK, MAX_GRANTS, NO_ADDRESS, Address, Terms
from petra.ledger.state import NOT_ON_OFFER, Asset, LedgerState
from petra.wire.secp256k1 import checksum_address

GENESIS = 2_000_000_000
RECENT = 150  # ids that are still played with

DSO, ISSUER, MARKET, STRANGER = (checksum_address(bytes(19) + bytes([number])) for number in (0xD0, 0x15, 0xAA, 0x5A))

_BASE = Terms(dso=DSO, genesis=GENESIS, timestep_seconds=900, gate=1, max_length=96, max_price=10**9)
MODES: dict[str, Terms] = {
    "free": _BASE,
    "periods": replace(_BASE, price_period=4, issuer=ISSUER, gate=0),
    "indivisible": replace(_BASE, divisible=False),
    "market": replace(_BASE, market=MARKET),
    "extreme": replace(_BASE, timestep_seconds=3600, max_length=2**32 - 1, max_price=UINT64_MAX, gate=2**32 - 1),
}

_WEIGHTS = {
    "home": 14,
    "full batch": 0.2,
    "energy": 3,
    "money": 2,
    "post": 22,
    "accept": 40,
    "rescind": 3,
    "deposit": 4,
    "deposit_money": 3,
    "price": 1,
    "evidence": 1,
    "lock": 1,
    "unlock": 1,
    "settle": 1,
}
_MODE_WEIGHTS = {
    "periods": {"price": 8},
    "market": {"post": 2, "accept": 2, "lock": 26, "unlock": 4, "settle": 36},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One transaction of the play."""

    sender: Address
    call: Call
    timestamp: int


class Generator:
    """Makes the next step from the state that the steps before left."""

    def __init__(self, mode: str, state: LedgerState, random: Random) -> None:
        """Play on this state, which the caller changes by each step."""
        self._state, self._random = state, random
        self._terms = state.terms
        weights = _WEIGHTS | _MODE_WEIGHTS.get(mode, {})
        self._verbs, self._weights = list(weights), list(weights.values())
        self._makers: dict[str, Callable[[], tuple[Address, Call]]] = {
            "home": self._home,
            "full batch": self._full_batch,
            "energy": self._energy,
            "money": self._money,
            "post": self._post,
            "accept": self._accept,
            "rescind": self._rescind,
            "deposit": self._deposit,
            "deposit_money": self._deposit_money,
            "price": self._price,
            "evidence": self._evidence,
            "lock": self._lock,
            "unlock": self._unlock,
            "settle": self._settle,
        }
        self._extreme = mode == "extreme"
        self._addresses = [DSO]
        self.timestamp = GENESIS - 900  # the first steps come before genesis

    def advance(self) -> None:
        """Go on to the next block."""
        step = self._terms.timestep_seconds
        self.timestamp += self._random.choice((1, 12, step // 2, step, step, 2 * step))

    def step(self) -> Step:
        """Return the next transaction of the current block."""
        (verb,) = self._random.choices(self._verbs, self._weights)
        sender, call = self._makers[verb]()
        if self._happens(0.05):
            call = self._garbled(call)
        if self._happens(0.03):
            sender = self._random.choice((STRANGER, DSO, self._someone()))
        return Step(sender=sender, call=call, timestamp=self.timestamp)

    # Issue

    def _home(self) -> tuple[Address, Call]:
        """Grant energy and money to some fresh addresses at once; now and then to none, to known ones, to one twice."""
        homes = [
            self._fresh() if self._happens(0.97) else self._someone()
            for _ in range(self._random.choices((1, 2, 3, 0), (60, 20, 20, 1))[0])
        ]
        if self._happens(0.04):
            homes += self._random.choice(([DSO, DSO], homes[:1]))
        return self._issuer(), calls.AddAssets(
            energy=tuple(self._energy_grant(home) for home in homes),
            money=tuple(calls.FinancialGrant(anon_address=home, amount=self._amount()) for home in homes),
        )

    def _full_batch(self) -> tuple[Address, Call]:
        """Grant as much as a batch holds, or one more; or money that is too much with the last entry only."""
        homes = [self._fresh() for _ in range(MAX_GRANTS // 2)]
        start = self._first_tradeable
        grants = [calls.EnergyGrant(anon_address=home, power=-9, start=start, end=start) for home in homes]
        money = [calls.FinancialGrant(anon_address=home, amount=10**6) for home in homes]
        if self._happens(0.3):
            money.append(calls.FinancialGrant(anon_address=self._fresh(), amount=1))
        elif self._happens(0.4):
            room = UINT64_MAX - self._state.money_on_ledger
            grants, money = [], [replace(money[0], amount=room), money[1]]
        return DSO, calls.AddAssets(energy=tuple(grants), money=tuple(money))

    def _energy(self) -> tuple[Address, Call]:
        grant = self._energy_grant(self._fresh() if self._happens(0.8) else self._someone())
        return self._issuer(), calls.AddEnergyAsset(
            anon_address=grant.anon_address, power=grant.power, start=grant.start, end=grant.end
        )

    def _money(self) -> tuple[Address, Call]:
        address = self._fresh() if self._happens(0.5) else self._someone()
        return self._issuer(), calls.AddFinancialBalance(anon_address=address, amount=self._amount())

    def _energy_grant(self, address: Address) -> calls.EnergyGrant:
        power = self._random.choice((1, 7, 50, 50, 100, 100, 230, 1000))
        start = max(0, self._first_tradeable + self._random.randint(-3, 12))
        end = start + self._random.choice((0, 0, 1, 2, 4, 7))
        if self._happens(0.05):  # the longest interval, and one timestep more
            end = start + self._terms.max_length - self._random.choice((0, 1, 1))
        period = self._terms.price_period
        if period and self._happens(0.8):
            end = min(end, start - start % period + period - 1)
        if self._extreme and self._happens(0.3):
            power = self._random.choice((2**40, 2**62, INT64_MAX))
            end = start + self._random.choice((0, 2**20, 2**32 - 2))
        return calls.EnergyGrant(anon_address=address, power=power * self._random.choice((1, -1)), start=start, end=end)

    def _matching_home(self, asset: Asset) -> tuple[Address, Call]:
        """Grant to a fresh address what could be traded against an asset: equal, larger or smaller at either side."""
        power, start, end = -asset.power, asset.start, asset.end
        if self._terms.divisible:
            power = self._random.choice((power, power, power // 2 or power, power * 2))
            start = max(0, self._random.choice((start, start, start - 2, start + 1)))
            end = max(start, self._random.choice((end, end, end + 2, end - 1)))
        power = max(-INT64_MAX, min(INT64_MAX, power))
        home = self._fresh()
        return self._issuer(), calls.AddAssets(
            energy=(calls.EnergyGrant(anon_address=home, power=power, start=start, end=end),),
            money=(calls.FinancialGrant(anon_address=home, amount=self._amount()),),
        )

    # Trade

    def _post(self) -> tuple[Address, Call]:
        asset_id = self._find_asset(lambda asset: _is_free(asset) and asset.end >= self._first_tradeable)
        if self._happens(0.1):
            asset_id = self._find_asset(lambda asset: True)
        if asset_id is None:
            return self._home()
        asset = self._state.assets[asset_id]
        price = self._random.choice((0, 1, 7, 250_000_000, 250_000_000, 300_000_007, self._terms.max_price))
        period_price = self._state.period_prices.get(asset.start // (self._terms.price_period or 1))
        if period_price is not None and self._happens(0.95):
            price = period_price
        return asset.owner, calls.PostOffer(asset_id=asset_id, price=price)

    def _rescind(self) -> tuple[Address, Call]:
        offer_id = self._find_offer()
        if offer_id is None:
            return self._post()
        return self._state.assets[self._state.offers[offer_id].asset_id].owner, calls.RescindOffer(offer_id=offer_id)

    def _accept(self) -> tuple[Address, Call]:
        offer_id = self._find_offer()
        if self._happens(0.06):
            return self._someone(), calls.AcceptOffer(
                offer_id=self._any_id(self._state.next_offer_id), asset_id=self._any_id(self._state.next_asset_id)
            )
        if offer_id is None:
            return self._post()
        offer = self._state.offers[offer_id]
        offered = self._state.assets[offer.asset_id]

        def matches(asset: Asset) -> bool:
            if not _is_free(asset) or asset.owner == offered.owner or asset.is_production == offered.is_production:
                return False
            if not self._terms.divisible:
                return (asset.power, asset.start, asset.end) == (-offered.power, offered.start, offered.end)
            if offered.is_production and self._state.balance(asset.owner) < 10**6:
                return False
            return max(asset.start, offered.start, self._first_tradeable) <= min(asset.end, offered.end)

        asset_id = self._find_asset(matches if self._happens(0.85) else lambda asset: True)
        if asset_id is None:
            return self._matching_home(offered)
        return self._state.assets[asset_id].owner, calls.AcceptOffer(offer_id=offer_id, asset_id=asset_id)

    # Deposit

    def _deposit(self) -> tuple[Address, Call]:
        asset_id = self._find_asset(lambda asset: asset.offer_id == NOT_ON_OFFER or self._happens(0.03))
        if asset_id is None:
            return self._home()
        return self._state.assets[asset_id].owner, calls.DepositEnergyAsset(asset_id=asset_id)

    def _deposit_money(self) -> tuple[Address, Call]:
        someone = self._someone()
        balance = self._state.balance(someone)
        return someone, calls.DepositFinancial(
            amount=self._random.choice((balance, balance // 2, min(balance + 1, UINT64_MAX)))
        )

    # Prices, evidence

    def _price(self) -> tuple[Address, Call]:
        period = self._first_tradeable // (self._terms.price_period or 1) + self._random.randint(-1, 5)
        return DSO, calls.SetPrice(
            period=max(0, period), price=self._random.choice((0, 200_000_000, 250_000_000, 10**9, 10**9 + 1))
        )

    def _evidence(self) -> tuple[Address, Call]:
        digest = self._random.randbytes(32)
        if self._happens(0.5):
            return DSO, calls.RecordSchedule(from_timestep=self._first_tradeable, digest=digest)
        return self._someone(), calls.Protest(digest=digest)

    # Market

    def _lock(self) -> tuple[Address, Call]:
        asset_id = self._find_asset(_is_free if self._happens(0.9) else lambda asset: True)
        if asset_id is None:
            return self._home()
        owner = self._state.assets[asset_id].owner
        balance = self._state.balance(owner)
        return self._market(), calls.Lock(
            owner=owner,
            asset_id=asset_id,
            money=self._random.choice((0, balance, balance // 2, balance // 3, min(balance + 1, UINT64_MAX))),
        )

    def _unlock(self) -> tuple[Address, Call]:
        asset_id = self._find_asset(lambda asset: asset.offer_id == MARKET_LOCK or self._happens(0.03))
        return self._market(), calls.Unlock(asset_id=asset_id or self._any_id(self._state.next_asset_id))

    def _settle(self) -> tuple[Address, Call]:
        bid_id = self._find_asset(lambda asset: asset.offer_id == MARKET_LOCK and asset.power < 0)
        if bid_id is None:
            return self._lock()
        bid = self._state.assets[bid_id]
        ask_id = self._find_asset(
            lambda asset: (
                asset.offer_id == MARKET_LOCK
                and asset.power > 0
                and max(asset.start, bid.start) <= min(asset.end, bid.end)
            )
        )
        if ask_id is None:
            return self._lock()
        ask = self._state.assets[ask_id]
        start, end = max(bid.start, ask.start), min(bid.end, ask.end)
        if self._happens(0.3):
            start = self._random.randint(start, end)
        if self._happens(0.3):
            end = self._random.randint(start, end)
        power = min(-bid.power, ask.power)
        return self._market(), calls.Settle(
            bid_asset=bid_id,
            ask_asset=ask_id,
            power=power if self._happens(0.6) else self._random.randint(1, power),
            start=start,
            end=end,
            payment=self._random.choice((0, bid.locked_money, bid.locked_money // 2, bid.locked_money // 3)),
        )

    # Whom and what to choose

    @property
    def _first_tradeable(self) -> int:
        return self._state.first_tradeable(self.timestamp)

    def _happens(self, probability: float) -> bool:
        return self._random.random() < probability

    def _fresh(self) -> Address:
        self._addresses.append(checksum_address(self._random.randbytes(20)))
        return self._addresses[-1]

    def _someone(self) -> Address:
        if self._happens(0.1):
            return self._random.choice((DSO, NO_ADDRESS))
        return self._random.choice(self._addresses[-RECENT:])

    def _issuer(self) -> Address:
        return ISSUER if self._happens(0.1) else DSO

    def _market(self) -> Address:
        return MARKET if self._happens(0.97) else self._someone()

    def _amount(self) -> int:
        if self._extreme and self._happens(0.1):
            return self._random.choice((2**62, UINT64_MAX))
        return self._random.choice((10**6, 10**8, 10**9, 10**9, 10**10, 333_333_333))

    def _any_id(self, next_id: int) -> int:
        return self._random.randint(max(0, next_id - RECENT), next_id)

    def _candidates(self, next_id: int) -> Iterator[int]:
        """Some recent ids, often the newest first."""
        if self._happens(0.5):
            yield from range(next_id - 1, max(0, next_id - 9), -1)
        for _ in range(40):
            yield self._any_id(next_id)

    def _find_asset(self, suits: Callable[[Asset], bool]) -> int | None:
        for asset_id in self._candidates(self._state.next_asset_id):
            asset = self._state.assets.get(asset_id)
            if asset is not None and suits(asset):
                return asset_id
        return None

    def _find_offer(self) -> int | None:
        for offer_id in self._candidates(self._state.next_offer_id):
            offer = self._state.offers.get(offer_id)
            if offer is not None and offer.open:
                if self._state.assets[offer.asset_id].end >= self._first_tradeable or self._happens(0.05):
                    return offer_id
        return None

    def _garbled(self, call: Call) -> Call:
        """Replace one number of a call by an edge of its type."""
        names = [field.name for field in fields(call) if isinstance(getattr(call, field.name), int)]
        if not names:
            return call
        name = self._random.choice(names)
        edges = (0, 1, 2**48 - 1, 2**48, UINT64_MAX) if name != "power" else (0, 1, -1, INT64_MAX, -INT64_MAX - 1)
        near = min(getattr(call, name) + 1, INT64_MAX)
        changed: Call = replace(call, **{name: self._random.choice((*edges, near, near))})  # type: ignore[arg-type]
        return changed


def _is_free(asset: Asset) -> bool:
    return asset.offer_id == NOT_ON_OFFER and not asset.spent
