"""Each invariant finds its violation: a ledger is broken by hand, and exactly that is named."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from petra.domain import events
from petra.domain.events import LedgerEvent
from petra.domain.terms import Address
from petra.ledger.invariants import EnergyAccount, Moment, check_all, trades_move_equal_energy
from petra.ledger.state import Holder, Offer
from tests.unit.ledger.scene import ALICE, BOB, DSO, EURO, NOW, Scene, T


def scene_with_a_bid() -> Scene:
    """Return a scene with Alice's bid (asset 1, offer 1), Bob's ask (asset 2) and his bought permit (asset 3)."""
    scene = Scene()
    scene.money(ALICE, EURO)
    scene.post(scene.energy(ALICE, -1000, 5, 8), EURO // 2)
    scene.energy(BOB, 1000, 5, 8)
    permit = scene.energy(DSO, -10, 5, 8)
    scene.accept(scene.post(permit, 0), 2)
    return scene


def lose_power(scene: Scene) -> None:
    """Shorten an asset."""
    scene.state.assets[2] = replace(scene.state.assets[2], end=7)


def make_money(scene: Scene) -> None:
    """Credit out of nothing."""
    scene.state.credit(BOB, 1)


def forget_offer(scene: Scene) -> None:
    """Free an asset whose offer stays open."""
    scene.state.assets[1] = replace(scene.state.assets[1], offer_id=0)


def offer_twice(scene: Scene) -> None:
    """Open a second offer of an asset for no money."""
    scene.state.offers[9] = Offer(asset_id=2, price=0)


def unspend(scene: Scene) -> None:
    """Let a bought permit be used again."""
    scene.state.assets[3] = replace(scene.state.assets[3], spent=False)


@pytest.mark.parametrize(
    ("breach", "number"),
    [(lose_power, "1"), (make_money, "3"), (forget_offer, "4"), (offer_twice, "4"), (unspend, "9")],
)
def test_broken_state_is_found(breach: Callable[[Scene], None], number: str) -> None:
    """A state that breaks an invariant is named by the invariant's number; before, all was well."""
    scene = scene_with_a_bid()
    assert check_all(scene.state, scene.history) == []
    breach(scene)
    assert number in {violation[0] for violation in check_all(scene.state, scene.history)}


@pytest.mark.parametrize(
    ("event", "sender", "at", "number"),
    [
        (events.AssetAdded(anon_address=BOB, asset_id=6, power=5, start=5, end=5), ALICE, NOW, "6"),
        (events.AssetAdded(anon_address=ALICE, asset_id=6, power=5, start=5, end=5), DSO, NOW, "6"),
        (events.FinancialAdded(anon_address=ALICE, amount=5), DSO, NOW, "6"),
        (events.AssetAdded(anon_address=DSO, asset_id=2, power=5, start=5, end=5), DSO, NOW, "5"),
        (events.OfferPosted(offer_id=1, asset_id=2, price=0, power=990, start=5, end=8), BOB, NOW, "5"),
        (events.OfferPosted(offer_id=3, asset_id=2, price=0, power=990, start=5, end=8), BOB, NOW + 9 * T, "7"),
        (events.PriceSet(period=0, price=1), DSO, NOW, "7"),
        (events.OfferPosted(offer_id=3, asset_id=3, price=0, power=-10, start=5, end=8), BOB, NOW, "9"),
    ],
)
def test_broken_moment_is_found(event: LedgerEvent, sender: Address, at: int, number: str) -> None:
    """An event that should never have been is named by the number of the invariant that it breaks."""
    scene = scene_with_a_bid()
    assert scene.history.violations == []
    scene.history.observe(scene.state, [event], sender, at)
    assert number in {violation[0] for violation in scene.history.violations}


def test_unequal_exchange_is_found() -> None:
    """Two transferred assets that are not the same power over the same interval are named."""
    scene = scene_with_a_bid()
    moved = [
        events.AssetTransferred(asset_id=1, from_address=BOB, to_address=ALICE),
        events.AssetTransferred(asset_id=2, from_address=ALICE, to_address=BOB),
    ]
    moment = Moment(state=scene.state, told=moved, sender=ALICE, timestamp=NOW)
    assert len(trades_move_equal_energy(moment, scene.history)) == 1


def test_blocked_money_is_found() -> None:
    """Money that nobody can deposit breaks the promise that everybody can leave."""
    scene = scene_with_a_bid()
    scene.state.holders[ALICE] = Holder(balance=0)
    assert any(violation.startswith("8") for violation in check_all(scene.state, scene.history))


def test_long_interval_costs_two_entries() -> None:
    """The energy account is as small for 2^47 timesteps as for one, and forgets what cancels out."""
    scene = Scene(max_length=2**32 - 1)
    asset = scene.state.assets[scene.energy(DSO, 5, 0, 2**32 - 2)]
    account = EnergyAccount()
    account.add([asset])
    assert account.steps == {(True, 0): 5, (True, 2**32 - 1): -5}
    account.add([replace(asset, start=2**32 - 1, end=2**32 - 1)])
    assert account.steps == {(True, 0): 5, (True, 2**32): -5}
