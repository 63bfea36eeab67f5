"""lock, unlock and settle: what the market contract of the terms may do."""

import pytest

from petra.domain.calls import Call, DepositEnergyAsset, Lock, Settle, Unlock
from petra.domain.events import AssetSplit, AssetTransferred, MarketLocked, MarketSettled, MarketUnlocked
from petra.domain.refusals import LedgerReason
from petra.domain.terms import MARKET_LOCK
from tests.unit.ledger.scene import ALICE, BOB, DSO, EURO, MARKET, NOW, Scene, T, refused


def locked_pair(*, bid_power: int = -1000, ask_power: int = 1000, ask_money: int = 0) -> tuple[Scene, int, int]:
    """Return a scene with Alice's bid (5 .. 8, 1 EUR locked) and Bob's ask (5 .. 8) locked by the market."""
    scene = Scene(market=MARKET)
    bid, ask = scene.energy(ALICE, bid_power, 5, 8), scene.energy(BOB, ask_power, 5, 8)
    scene.money(ALICE, EURO)
    if ask_money:
        scene.money(BOB, ask_money)
    scene.done(Lock(owner=ALICE, asset_id=bid, money=EURO), MARKET)
    scene.done(Lock(owner=BOB, asset_id=ask, money=ask_money), MARKET)
    return scene, bid, ask


def settle(bid: int, ask: int, *, power: int = 1000, start: int = 5, end: int = 8, payment: int = EURO) -> Settle:
    """Return a call that settles, changed as said."""
    return Settle(bid_asset=bid, ask_asset=ask, power=power, start=start, end=end, payment=payment)


@pytest.mark.parametrize("call", [Lock(owner=ALICE, asset_id=1, money=0), Unlock(asset_id=1), settle(1, 2)])
def test_market_verbs_are_refused_to_all_others(call: Call) -> None:
    """Only the market contract of the terms locks, unlocks and settles; where there is none, nobody does."""
    for scene in (Scene(market=MARKET), Scene()):
        assert scene.call(call, DSO) == refused(LedgerReason.NOT_MARKET, DSO)


def test_lock_is_refused_for_what_the_owner_cannot_give() -> None:
    """The asset must exist, be the named owner's, and be free; its owner must have the money."""
    scene, bid, _ = locked_pair()
    free = scene.energy(DSO, -100, 5, 8)
    assert scene.call(Lock(owner=ALICE, asset_id=9, money=0), MARKET) == refused(LedgerReason.UNKNOWN_ASSET, 9)
    expected = refused(LedgerReason.NOT_OWNER, free, ALICE)
    assert scene.call(Lock(owner=ALICE, asset_id=free, money=0), MARKET) == expected
    assert scene.call(Lock(owner=ALICE, asset_id=bid, money=0), MARKET) == refused(LedgerReason.ASSET_IS_LOCKED, bid)
    expected = refused(LedgerReason.INSUFFICIENT_BALANCE, DSO, 0, 1)
    assert scene.call(Lock(owner=DSO, asset_id=free, money=1), MARKET) == expected


def test_lock_is_refused_for_a_spent_asset() -> None:
    """A bought permit is not traded on, by the market neither."""
    scene, bid, ask = locked_pair()
    scene.done(settle(bid, ask), MARKET)
    assert scene.call(Lock(owner=BOB, asset_id=bid, money=0), MARKET) == refused(LedgerReason.ASSET_IS_SPENT, bid)


def test_lock_takes_the_money_along() -> None:
    """The asset is locked under the market's mark, and its owner's money with it."""
    scene = Scene(market=MARKET)
    bid = scene.energy(ALICE, -100, 5, 8)
    scene.money(ALICE, EURO)
    told = scene.done(Lock(owner=ALICE, asset_id=bid, money=7), MARKET)
    assert told == (MarketLocked(asset_id=bid, money=7),)
    assert (scene.state.assets[bid].offer_id, scene.state.balance(ALICE)) == (MARKET_LOCK, EURO - 7)
    assert scene.call(DepositEnergyAsset(asset_id=bid), ALICE) == refused(LedgerReason.ASSET_IS_LOCKED, bid)


def test_unlock_is_refused_for_what_is_not_locked() -> None:
    """Unknown assets and free ones cannot be unlocked."""
    scene = Scene(market=MARKET)
    free = scene.energy(ALICE, -100, 5, 8)
    assert scene.call(Unlock(asset_id=9), MARKET) == refused(LedgerReason.UNKNOWN_ASSET, 9)
    assert scene.call(Unlock(asset_id=free), MARKET) == refused(LedgerReason.ASSET_NOT_LOCKED, free)


def test_unlock_returns_the_money() -> None:
    """The asset is free again, and its owner has the money back; a lock without money tells 0."""
    scene, bid, ask = locked_pair()
    assert scene.done(Unlock(asset_id=bid), MARKET) == (MarketUnlocked(asset_id=bid, money=EURO),)
    assert scene.done(Unlock(asset_id=ask), MARKET) == (MarketUnlocked(asset_id=ask, money=0),)
    assert (scene.state.balance(ALICE), scene.state.assets[bid].offer_id) == (EURO, 0)


def test_settle_is_refused_for_what_is_not_locked() -> None:
    """Both assets must exist and be locked; the bid is looked at first."""
    scene, bid, ask = locked_pair()
    assert scene.call(settle(9, 10), MARKET) == refused(LedgerReason.UNKNOWN_ASSET, 9)
    assert scene.call(settle(bid, 10), MARKET) == refused(LedgerReason.UNKNOWN_ASSET, 10)
    scene.done(Unlock(asset_id=ask), MARKET)
    assert scene.call(settle(bid, ask), MARKET) == refused(LedgerReason.ASSET_NOT_LOCKED, ask)
    scene.done(Unlock(asset_id=bid), MARKET)
    assert scene.call(settle(bid, ask), MARKET) == refused(LedgerReason.ASSET_NOT_LOCKED, bid)


def test_settle_is_refused_for_other_sides() -> None:
    """The first asset consumes, the second produces: neither twice the same nor the wrong way round."""
    scene, bid, ask = locked_pair()
    for first, second in ((ask, bid), (bid, bid), (ask, ask)):
        assert scene.call(settle(first, second), MARKET) == refused(LedgerReason.SAME_SIDE, first, second)


@pytest.mark.parametrize("power", [0, -1, 401, 1000])
def test_settle_is_refused_for_power_that_is_not_there(power: int) -> None:
    """Power is positive and at most what either asset has."""
    scene, bid, ask = locked_pair(ask_power=400)
    assert scene.call(settle(bid, ask, power=power), MARKET) == refused(LedgerReason.POWER_OUT_OF_BOUNDS, power)


@pytest.mark.parametrize(("start", "end"), [(4, 8), (5, 9), (8, 7)])
def test_settle_is_refused_outside_an_asset(start: int, end: int) -> None:
    """The interval runs forward and lies inside both assets."""
    scene, bid, ask = locked_pair()
    expected = refused(LedgerReason.INTERVAL_OUT_OF_BOUNDS, start, end)
    assert scene.call(settle(bid, ask, start=start, end=end), MARKET) == expected


def test_settle_is_refused_beyond_the_locked_money() -> None:
    """The payment comes from the money that was locked with the bid, and from nothing else."""
    scene, bid, ask = locked_pair()
    expected = refused(LedgerReason.INSUFFICIENT_BALANCE, ALICE, EURO, EURO + 1)
    assert scene.call(settle(bid, ask, payment=EURO + 1), MARKET) == expected


def test_whole_assets_are_settled() -> None:
    """Equal assets change hands unlocked, and the money that the price did not need returns to the buyer."""
    scene, bid, ask = locked_pair()
    assert scene.done(settle(bid, ask, payment=EURO - 7), MARKET) == (
        MarketSettled(bid_asset_id=bid, ask_asset_id=ask, power=1000, start=5, end=8, payment=EURO - 7),
        AssetTransferred(asset_id=bid, from_address=ALICE, to_address=BOB),
        AssetTransferred(asset_id=ask, from_address=BOB, to_address=ALICE),
        MarketUnlocked(asset_id=bid, money=7),
    )
    assert (scene.state.balance(ALICE), scene.state.balance(BOB)) == (7, EURO - 7)
    assert {scene.state.assets[asset].offer_id for asset in (bid, ask)} == {0}


def test_kept_piece_stays_locked_with_the_rest_of_the_money() -> None:
    """What is left inside stays with the market, other pieces are free."""
    scene, bid, ask = locked_pair(ask_power=400)
    told = scene.done(settle(bid, ask, power=400, start=6, end=7, payment=EURO // 5), MARKET)
    assert [event for event in told if isinstance(event, AssetSplit)] == [
        AssetSplit(parent_id=bid, asset_id=3, owner=ALICE, power=-400, start=6, end=7),
        AssetSplit(parent_id=bid, asset_id=4, owner=ALICE, power=-1000, start=8, end=8),
        AssetSplit(parent_id=bid, asset_id=5, owner=ALICE, power=-1000, start=5, end=5),
        AssetSplit(parent_id=ask, asset_id=6, owner=BOB, power=400, start=6, end=7),
        AssetSplit(parent_id=ask, asset_id=7, owner=BOB, power=400, start=5, end=5),
    ]
    kept = scene.state.assets[bid]
    assert (kept.power, kept.offer_id, kept.locked_money) == (-600, MARKET_LOCK, EURO * 4 // 5)
    assert scene.extent(ask) == (BOB, 400, 8, 8)
    assert [scene.state.assets[piece].offer_id for piece in (3, 4, 5, 6, 7)] == [0] * 5


def test_money_locked_with_an_ask_returns_when_it_is_settled_whole() -> None:
    """A market may lock money with an ask too; none of it is lost."""
    scene, bid, ask = locked_pair(ask_money=5)
    told = scene.done(settle(bid, ask), MARKET)
    assert told[-1] == MarketUnlocked(asset_id=ask, money=5)
    assert scene.state.balance(BOB) == EURO + 5


def test_market_settles_past_the_gate() -> None:
    """The market answers for when it settles: a clearing that was computed in time may be written late."""
    scene, bid, ask = locked_pair()
    scene.done(settle(bid, ask), MARKET, NOW + 100 * T)
    assert scene.state.assets[ask].owner == ALICE
