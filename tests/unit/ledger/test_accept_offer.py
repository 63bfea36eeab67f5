import pytest

from petra.domain.calls import AcceptOffer, DepositEnergyAsset, RescindOffer
from petra.domain.events import AssetTransferred, EscrowReleased, OfferAccepted
from petra.domain.quantities import INT64_MAX, UINT64_MAX
from petra.domain.refusals import LedgerReason
from tests.unit.ledger.scene import ALICE, BOB, CAROL, EURO, FIRST, MARKET, NOW, Scene, T, refused


def test_accept_is_refused_where_the_market_trades() -> None:
    """A deployment with a market contract trades through it only."""
    assert Scene(market=MARKET).call(AcceptOffer(offer_id=1, asset_id=1), BOB) == refused(LedgerReason.MARKET_ONLY)


def test_unknown_and_closed_offers_are_refused() -> None:
    """An offer must have been posted and still be open."""
    scene = Scene()
    offer, bought = scene.post(scene.energy(ALICE, 100, 5, 8), 0), scene.energy(BOB, -100, 5, 8)
    for unknown in (0, 2):
        call = AcceptOffer(offer_id=unknown, asset_id=bought)
        assert scene.call(call, BOB) == refused(LedgerReason.UNKNOWN_OFFER, unknown)
    scene.done(RescindOffer(offer_id=offer), ALICE)
    call = AcceptOffer(offer_id=offer, asset_id=bought)
    assert scene.call(call, BOB) == refused(LedgerReason.OFFER_NOT_OPEN, offer)


def test_offer_that_a_race_took_is_refused() -> None:
    """Who comes second to the whole of an offer loses nothing but the transaction."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 100, 5, 8), 0)
    scene.accept(offer, scene.energy(BOB, -100, 5, 8))
    call = AcceptOffer(offer_id=offer, asset_id=scene.energy(CAROL, -100, 5, 8))
    assert scene.call(call, CAROL) == refused(LedgerReason.OFFER_NOT_OPEN, offer)


def test_own_offer_is_refused() -> None:
    """Nobody trades with the same address, whatever asset is named."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 100, 5, 8), 0)
    assert scene.call(AcceptOffer(offer_id=offer, asset_id=99), ALICE) == refused(LedgerReason.OWN_OFFER, offer)


def test_asset_that_cannot_be_given_is_refused() -> None:
    """The acceptor's asset exists, is its own, is not on offer and is not spent."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 100, 5, 8), 0)
    theirs, deposited = scene.energy(CAROL, -100, 5, 8), scene.energy(BOB, -100, 5, 8)
    scene.done(DepositEnergyAsset(asset_id=deposited), BOB)
    call = AcceptOffer(offer_id=offer, asset_id=deposited)
    assert scene.call(call, BOB) == refused(LedgerReason.UNKNOWN_ASSET, deposited)
    call = AcceptOffer(offer_id=offer, asset_id=theirs)
    assert scene.call(call, BOB) == refused(LedgerReason.NOT_OWNER, theirs, BOB)
    scene.post(theirs, 0)
    assert scene.call(call, CAROL) == refused(LedgerReason.ASSET_IS_LOCKED, theirs)


def test_spent_permit_buys_nothing() -> None:
    """A consumption asset that was bought uses no second permit up: it cannot be given on."""
    scene = Scene()
    permit = scene.energy(BOB, -100, 5, 8)
    scene.accept(scene.post(permit, 0), scene.energy(ALICE, 100, 5, 8))
    offer = scene.post(scene.energy(CAROL, 100, 5, 8), 0)
    call = AcceptOffer(offer_id=offer, asset_id=permit)
    assert scene.call(call, ALICE) == refused(LedgerReason.ASSET_IS_SPENT, permit)


@pytest.mark.parametrize("power", [100, -100])
def test_same_side_is_refused(power: int) -> None:
    """Two asks do not trade, nor do two bids."""
    scene = Scene()
    offered, provided = scene.energy(ALICE, power, 5, 8), scene.energy(BOB, power, 5, 8)
    call = AcceptOffer(offer_id=scene.post(offered, 0), asset_id=provided)
    assert scene.call(call, BOB) == refused(LedgerReason.SAME_SIDE, offered, provided)


@pytest.mark.parametrize(("power", "start", "end"), [(-99, 5, 8), (-100, 5, 7), (-100, 6, 8), (-100, 20, 21)])
def test_indivisible_assets_that_differ_are_refused(power: int, start: int, end: int) -> None:
    """Standard lots trade whole: power and interval must be equal."""
    scene = Scene(divisible=False)
    offered, provided = scene.energy(ALICE, 100, 5, 8), scene.energy(BOB, power, start, end)
    call = AcceptOffer(offer_id=scene.post(offered, 0), asset_id=provided)
    assert scene.call(call, BOB) == refused(LedgerReason.INDIVISIBLE, offered, provided)


def test_indivisible_assets_past_their_first_gate_are_refused() -> None:
    """A standard lot whose first timestep is past the gate is never traded in part."""
    scene = Scene(divisible=False)
    offer = scene.post(scene.energy(ALICE, 100, FIRST, 8), 0)
    call = AcceptOffer(offer_id=offer, asset_id=scene.energy(BOB, -100, FIRST, 8))
    assert scene.call(call, BOB, NOW + T) == refused(LedgerReason.GATE_CLOSED, FIRST, FIRST + 1)
    assert len(scene.done(call, BOB, NOW + T - 1)) == 3


def test_disjoint_intervals_are_refused() -> None:
    """Assets that share no timestep do not trade; neighbours share none."""
    scene = Scene()
    offered, provided = scene.energy(ALICE, 100, 5, 6), scene.energy(BOB, -100, 7, 8)
    call = AcceptOffer(offer_id=scene.post(offered, 0), asset_id=provided)
    assert scene.call(call, BOB) == refused(LedgerReason.INTERVALS_DISJOINT, offered, provided)


def test_common_part_past_the_gate_is_refused() -> None:
    """What both share must reach past the gate, whatever else each has."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 100, 0, 9), 0)
    call = AcceptOffer(offer_id=offer, asset_id=scene.energy(BOB, -100, 0, FIRST))
    assert scene.call(call, BOB, NOW + T) == refused(LedgerReason.GATE_CLOSED, FIRST, FIRST + 1)


def test_payment_beyond_64_bits_is_refused() -> None:
    """The payment is computed exactly; one that is no amount of money is refused with its true figure."""
    scene = Scene(max_price=UINT64_MAX)
    offer = scene.post(scene.energy(ALICE, INT64_MAX, 5, 8), UINT64_MAX)
    exact = -(-INT64_MAX * 4 * T * UINT64_MAX // 3_600_000)
    call = AcceptOffer(offer_id=offer, asset_id=scene.energy(BOB, -INT64_MAX, 5, 8))
    assert scene.call(call, BOB) == refused(LedgerReason.AMOUNT_TOO_LARGE, exact)


def test_ask_is_not_accepted_without_money() -> None:
    """The acceptor of an ask pays from its balance."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 1000, 5, 8), EURO)
    scene.money(BOB, EURO - 1)
    call = AcceptOffer(offer_id=offer, asset_id=scene.energy(BOB, -1000, 5, 8))
    assert scene.call(call, BOB) == refused(LedgerReason.INSUFFICIENT_BALANCE, BOB, EURO - 1, EURO)


def test_accepted_ask_swaps_whole_assets() -> None:
    """Equal assets change hands under their own ids, the buyer pays, the offer closes, the bought permit is spent."""
    scene = Scene()
    ask, permit = scene.energy(ALICE, 1000, 5, 8), scene.energy(BOB, -1000, 5, 8)
    scene.money(BOB, EURO)
    assert scene.accept(scene.post(ask, EURO), permit) == (
        OfferAccepted(offer_id=1, asset_id=permit, power=1000, start=5, end=8, payment=EURO),
        AssetTransferred(asset_id=ask, from_address=ALICE, to_address=BOB),
        AssetTransferred(asset_id=permit, from_address=BOB, to_address=ALICE),
    )
    assert (scene.state.balance(ALICE), scene.state.balance(BOB)) == (EURO, 0)
    assert (scene.state.assets[ask].spent, scene.state.assets[permit].spent) == (False, True)


def test_accepted_bid_is_paid_from_its_escrow() -> None:
    """The seller who accepts a bid needs no money; the buyer's balance was charged when the bid was posted."""
    scene = Scene()
    bid, given = scene.energy(ALICE, -1000, 5, 8), scene.energy(BOB, 1000, 5, 8)
    scene.money(ALICE, EURO)
    assert scene.accept(scene.post(bid, EURO), given) == (
        OfferAccepted(offer_id=1, asset_id=given, power=-1000, start=5, end=8, payment=EURO),
        AssetTransferred(asset_id=bid, from_address=ALICE, to_address=BOB),
        AssetTransferred(asset_id=given, from_address=BOB, to_address=ALICE),
    )
    assert (scene.state.balance(ALICE), scene.state.balance(BOB)) == (0, EURO)


def test_acceptor_of_an_ask_pays_the_ceiling() -> None:
    """The acceptor chooses the split, so it bears the rounding: 1 W for a quarter at 1 nano-unit per kWh costs 1."""
    scene = Scene()
    scene.money(BOB, 1)
    scene.accept(scene.post(scene.energy(ALICE, 1, 5, 5), 1), scene.energy(BOB, -1, 5, 5))
    assert (scene.state.balance(ALICE), scene.state.balance(BOB)) == (1, 0)


def test_acceptor_of_a_bid_receives_the_floor() -> None:
    """1 W for a quarter at 3999 is 0.99975 nano-units: the seller who takes one of two parts receives nothing for it.

    Two such parts together are 1.9995: the escrow was 1, and what no part needs goes back at once.
    """
    scene = Scene()
    bid, given = scene.energy(ALICE, -2, 5, 5), scene.energy(BOB, 1, 5, 5)
    scene.money(ALICE, 1)
    told = scene.accept(scene.post(bid, 3999), given)
    assert told[-1] == EscrowReleased(offer_id=1, amount=1)
    assert (scene.state.balance(ALICE), scene.state.balance(BOB)) == (1, 0)


def test_production_may_be_resold() -> None:
    """What was bought as production is offered again by its buyer and sold under a permit of the next one."""
    scene = Scene()
    ask = scene.energy(ALICE, 100, 5, 8)
    scene.accept(scene.post(ask, 0), scene.energy(BOB, -100, 5, 8))
    scene.accept(scene.post(ask, 0), scene.energy(CAROL, -100, 5, 8))
    assert scene.state.assets[ask].owner == CAROL
