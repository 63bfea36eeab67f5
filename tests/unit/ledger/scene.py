"""A small ledger to act on: shared by the tests of the verbs.

Every call goes through `Scene.call`: a refusal must leave the state equal to a copy made before, and a success must
keep the nine invariants and a view of the logs that equals the state. So each test checks these beside its own point.
"""

from copy import deepcopy
from dataclasses import replace
from typing import Any

from petra.domain import calls
from petra.domain.calls import Call
from petra.domain.events import LedgerEvent
from petra.domain.refusals import LedgerReason, Refusal
from petra.domain.terms import Address, Terms
from petra.ledger.invariants import History, check_all
from petra.ledger.state import LedgerState
from petra.ledger.transition import apply, deploy


def address(number: int) -> Address:
    """Return an address for tests, the same for the same number."""
    return Address(f"0x{number:040x}")


DSO, ISSUER, MARKET, ALICE, BOB, CAROL = map(address, (0xD0, 0x15, 0xAA, 0xA1, 0xB0, 0xCA))
GENESIS = 1_000_000
T = 900  # seconds a timestep: 1000 W make 900,000 J = 0.25 kWh in each
NOW = GENESIS + 2 * T  # the current timestep is 2; with gate 1, timestep 4 is the first tradeable one
FIRST = 4
EURO = 10**9  # nano-units; as a price: 1 EUR per kWh
TERMS = Terms(dso=DSO, genesis=GENESIS, timestep_seconds=T, gate=1, max_length=96, max_price=2 * EURO)


class Scene:
    """A ledger at timestep 2, with the words that tests need to set it up."""

    def __init__(self, **terms: Any) -> None:
        """Deploy with TERMS, changed as said."""
        state = deploy(replace(TERMS, **terms))
        assert isinstance(state, LedgerState)
        self.state = state
        self.history = History(state.terms)

    def call(self, call: Call, sender: Address, at: int = NOW) -> tuple[LedgerEvent, ...] | Refusal:
        """Apply a call and check what must hold after every call."""
        before = deepcopy(self.state)
        result = apply(self.state, call, sender, at)
        if isinstance(result, Refusal):
            assert self.state == before, "a refusal leaves the state equal"
            return result
        self.history.observe(self.state, result, sender, at)
        assert check_all(self.state, self.history) == []
        view = self.history.view
        assert view.assets == self.state.assets
        assert view.open_offers == {i: offer for i, offer in self.state.offers.items() if offer.open}
        assert all(view.balance(holder) == self.state.balance(holder) for holder in self.state.holders)
        return result

    def done(self, call: Call, sender: Address, at: int = NOW) -> tuple[LedgerEvent, ...]:
        """Apply a call that must succeed and return its events."""
        result = self.call(call, sender, at)
        assert not isinstance(result, Refusal), result
        return result

    def energy(self, owner: Address, power: int, start: int, end: int) -> int:
        """Grant an asset and return its id."""
        self.done(calls.AddEnergyAsset(anon_address=owner, power=power, start=start, end=end), DSO)
        return self.state.next_asset_id - 1

    def money(self, owner: Address, amount: int) -> None:
        """Grant money."""
        self.done(calls.AddFinancialBalance(anon_address=owner, amount=amount), DSO)

    def post(self, asset_id: int, price: int, at: int = NOW) -> int:
        """Put an asset on offer and return the offer's id."""
        self.done(calls.PostOffer(asset_id=asset_id, price=price), self.state.assets[asset_id].owner, at)
        return self.state.next_offer_id - 1

    def accept(self, offer_id: int, asset_id: int, at: int = NOW) -> tuple[LedgerEvent, ...]:
        """Let an asset's owner accept an offer with it; return the events."""
        accept = calls.AcceptOffer(offer_id=offer_id, asset_id=asset_id)
        return self.done(accept, self.state.assets[asset_id].owner, at)

    def extent(self, asset_id: int) -> tuple[Address, int, int, int]:
        """Return an asset's owner, power, start and end."""
        asset = self.state.assets[asset_id]
        return asset.owner, asset.power, asset.start, asset.end


def refused(reason: LedgerReason, *arguments: int | Address) -> Refusal:
    """Return the refusal that a test expects."""
    return Refusal(reason=reason, arguments=arguments)
