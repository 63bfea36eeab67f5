import pytest

from petra.domain.calls import DepositEnergyAsset, PostOffer, SetPrice
from petra.domain.events import OfferPosted
from petra.domain.quantities import INT64_MAX, UINT64_MAX
from petra.domain.refusals import LedgerReason
from tests.unit.ledger.scene import ALICE, BOB, DSO, EURO, FIRST, GENESIS, MARKET, NOW, Scene, T, refused


def test_offer_is_refused_where_the_market_trades() -> None:
    """A deployment with a market contract trades through it only."""
    scene = Scene(market=MARKET)
    asset = scene.energy(ALICE, 100, 5, 8)
    assert scene.call(PostOffer(asset_id=asset, price=1), ALICE) == refused(LedgerReason.MARKET_ONLY)


def test_offer_of_an_unknown_asset_is_refused() -> None:
    """What never was, and what was deposited, is unknown."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 5, 8)
    scene.done(DepositEnergyAsset(asset_id=asset), ALICE)
    for unknown in (0, asset, 99):
        call = PostOffer(asset_id=unknown, price=1)
        assert scene.call(call, ALICE) == refused(LedgerReason.UNKNOWN_ASSET, unknown)


def test_offer_of_another_owners_asset_is_refused() -> None:
    """Only its owner offers an asset; not even the DSO."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 5, 8)
    assert scene.call(PostOffer(asset_id=asset, price=1), DSO) == refused(LedgerReason.NOT_OWNER, asset, DSO)


def test_offer_of_an_offered_asset_is_refused() -> None:
    """An asset is in one open offer only."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 5, 8)
    scene.post(asset, 1)
    assert scene.call(PostOffer(asset_id=asset, price=1), ALICE) == refused(LedgerReason.ASSET_IS_LOCKED, asset)


def test_offer_of_a_spent_asset_is_refused() -> None:
    """A consumption asset that was bought may only be deposited."""
    scene = Scene()
    bid = scene.energy(ALICE, -100, 5, 8)
    scene.accept(scene.post(bid, 0), scene.energy(BOB, 100, 5, 8))
    assert scene.call(PostOffer(asset_id=bid, price=0), BOB) == refused(LedgerReason.ASSET_IS_SPENT, bid)


def test_offer_past_the_gate_is_refused() -> None:
    """An asset that has nothing tradeable left is not offered; one timestep is enough."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 0, FIRST)
    late = NOW + T
    assert scene.call(PostOffer(asset_id=asset, price=1), ALICE, late) == refused(
        LedgerReason.GATE_CLOSED, FIRST, FIRST + 1
    )
    assert scene.post(asset, 1, at=late - 1) == 1


def test_indivisible_offer_that_has_begun_to_close_is_refused() -> None:
    """Whole assets are traded whole, so the first timestep must still be tradeable."""
    scene = Scene(divisible=False)
    asset = scene.energy(ALICE, 100, FIRST - 1, FIRST + 5)
    assert scene.call(PostOffer(asset_id=asset, price=1), ALICE) == refused(LedgerReason.GATE_CLOSED, FIRST - 1, FIRST)


def test_gate_counts_from_timestep_zero_before_genesis() -> None:
    """Before genesis the current timestep is 0."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 0, 1)
    call = PostOffer(asset_id=asset, price=1)
    assert scene.call(call, ALICE, GENESIS - 10**6) == refused(LedgerReason.GATE_CLOSED, 1, 2)


def test_price_above_the_maximum_is_refused() -> None:
    """Prices are free up to max_price."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 5, 8)
    assert scene.call(PostOffer(asset_id=asset, price=2 * EURO + 1), ALICE) == refused(
        LedgerReason.PRICE_TOO_HIGH, 2 * EURO + 1
    )
    assert scene.post(asset, 2 * EURO) == 1


def test_set_prices_bind_offers() -> None:
    """Where the DSO sets prices, an offer lies inside one period and has exactly its price."""
    scene = Scene(price_period=4)
    across = scene.energy(DSO, 100, 7, 8)
    inside = scene.energy(DSO, 100, 8, 11)
    assert scene.call(PostOffer(asset_id=across, price=5), DSO) == refused(LedgerReason.OUTSIDE_PRICE_PERIOD, across)
    assert scene.call(PostOffer(asset_id=inside, price=5), DSO) == refused(LedgerReason.PRICE_NOT_SET, 2)
    scene.done(SetPrice(period=2, price=0), DSO)
    assert scene.call(PostOffer(asset_id=inside, price=5), DSO) == refused(LedgerReason.PRICE_MISMATCH, 5, 0)
    assert scene.post(inside, 0) == 1


def test_escrow_beyond_64_bits_is_refused() -> None:
    """The escrow of a bid is computed exactly; one that is no amount of money is refused with its true figure."""
    scene = Scene(max_price=UINT64_MAX)
    bid = scene.energy(ALICE, -INT64_MAX, 5, 5)
    exact = INT64_MAX * T * UINT64_MAX // 3_600_000
    assert scene.call(PostOffer(asset_id=bid, price=UINT64_MAX), ALICE) == refused(LedgerReason.AMOUNT_TOO_LARGE, exact)


def test_bid_without_money_is_refused() -> None:
    """A bid needs its whole escrow: 1 kW over 4 quarters is 1 kWh."""
    scene = Scene()
    bid = scene.energy(ALICE, -1000, 5, 8)
    scene.money(ALICE, EURO - 1)
    assert scene.call(PostOffer(asset_id=bid, price=EURO), ALICE) == refused(
        LedgerReason.INSUFFICIENT_BALANCE, ALICE, EURO - 1, EURO
    )


def test_ask_is_posted_without_money() -> None:
    """An ask locks its asset and needs no money."""
    scene = Scene()
    ask = scene.energy(ALICE, 100, 5, 8)
    assert scene.done(PostOffer(asset_id=ask, price=EURO), ALICE) == (
        OfferPosted(offer_id=1, asset_id=ask, price=EURO, power=100, start=5, end=8),
    )
    assert scene.state.assets[ask].offer_id == 1


def test_bid_puts_its_escrow_aside() -> None:
    """The escrow is the floor of energy times price: 1 W for a quarter at 3 EUR/7 per kWh is 107,142.857 nano-units."""
    scene = Scene()
    bid = scene.energy(ALICE, -1, 5, 5)
    scene.money(ALICE, EURO)
    scene.post(bid, 3 * EURO // 7)
    assert scene.state.balance(ALICE) == EURO - 107_142


@pytest.mark.parametrize(("power", "money"), [(100, 0), (-100, 1)])
def test_price_zero_is_legal(power: int, money: int) -> None:
    """Energy may be given away, and asked for as a gift."""
    scene = Scene()
    asset = scene.energy(ALICE, power, 5, 8)
    scene.post(asset, 0)
    assert scene.state.offers[1].open
