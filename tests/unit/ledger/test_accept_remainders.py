"""What is left of an asset of which a part was traded: ids, order, offers, escrow, the gate."""

from petra.domain.calls import AddAssets, DepositEnergyAsset, EnergyGrant, FinancialGrant
from petra.domain.events import AssetSplit, AssetTransferred, EscrowReleased, OfferAccepted, OfferPosted
from tests.unit.ledger.scene import ALICE, BOB, CAROL, DSO, EURO, FIRST, Scene, address


def test_power_left_inside_keeps_both_ids() -> None:
    """An ask of 100 W met by 40 W stays on offer with 60 W under its asset id and its offer id."""
    scene = Scene()
    ask, permit = scene.energy(ALICE, 100, 5, 8), scene.energy(BOB, -40, 5, 8)
    offer = scene.post(ask, 0)
    assert scene.accept(offer, permit) == (
        OfferAccepted(offer_id=offer, asset_id=permit, power=40, start=5, end=8, payment=0),
        AssetSplit(parent_id=ask, asset_id=3, owner=ALICE, power=40, start=5, end=8),
        AssetTransferred(asset_id=3, from_address=ALICE, to_address=BOB),
        AssetTransferred(asset_id=permit, from_address=BOB, to_address=ALICE),
    )
    assert scene.extent(ask) == (ALICE, 60, 5, 8)
    assert (scene.state.assets[ask].offer_id, scene.state.offers[offer].open) == (offer, True)


def test_piece_after_keeps_the_ids_where_nothing_is_left_inside() -> None:
    """At equal power the rest after the trade is still the same offer."""
    scene = Scene()
    ask = scene.energy(ALICE, 100, 5, 8)
    scene.accept(scene.post(ask, 0), scene.energy(BOB, -100, 5, 6))
    assert scene.extent(ask) == (ALICE, 100, 7, 8)
    assert scene.state.assets[ask].offer_id == 1


def test_live_piece_before_keeps_the_ids_where_it_is_all_that_remains() -> None:
    """At equal power and equal end the rest before the trade is still the same offer."""
    scene = Scene()
    ask = scene.energy(ALICE, 100, 5, 8)
    scene.accept(scene.post(ask, 0), scene.energy(BOB, -100, 7, 8))
    assert scene.extent(ask) == (ALICE, 100, 5, 6)
    assert scene.state.assets[ask].offer_id == 1


def test_three_pieces_stand_in_the_order_inside_after_before() -> None:
    """New ids go to the traded part, then after, then before; each live piece of an offer gets an offer of its own."""
    scene = Scene()
    ask, permit = scene.energy(ALICE, 100, 5, 10), scene.energy(BOB, -40, 7, 8)
    offer = scene.post(ask, 5)
    scene.money(BOB, EURO)
    told = scene.accept(offer, permit)
    assert told[1:4] == (
        AssetSplit(parent_id=ask, asset_id=3, owner=ALICE, power=40, start=7, end=8),
        AssetSplit(parent_id=ask, asset_id=4, owner=ALICE, power=100, start=9, end=10),
        AssetSplit(parent_id=ask, asset_id=5, owner=ALICE, power=100, start=5, end=6),
    )
    assert told[6:] == (
        OfferPosted(offer_id=2, asset_id=4, price=5, power=100, start=9, end=10),
        OfferPosted(offer_id=3, asset_id=5, price=5, power=100, start=5, end=6),
    )
    assert scene.extent(ask) == (ALICE, 60, 7, 8)


def test_acceptors_pieces_are_numbered_after_the_offered_ones_and_stay_free() -> None:
    """Of the acceptor's asset the first piece keeps its id; none of its pieces goes on offer."""
    scene = Scene()
    ask, permit = scene.energy(ALICE, 100, 6, 8), scene.energy(BOB, -200, 5, 7)
    told = scene.accept(scene.post(ask, 0), permit)
    assert [event for event in told if isinstance(event, AssetSplit)] == [
        AssetSplit(parent_id=ask, asset_id=3, owner=ALICE, power=100, start=6, end=7),
        AssetSplit(parent_id=permit, asset_id=4, owner=BOB, power=-100, start=6, end=7),
        AssetSplit(parent_id=permit, asset_id=5, owner=BOB, power=-200, start=5, end=5),
    ]
    assert (scene.extent(ask), scene.extent(permit)) == ((ALICE, 100, 8, 8), (BOB, -100, 6, 7))
    assert [scene.state.assets[piece].offer_id for piece in (permit, 4, 5)] == [0, 0, 0]
    assert [scene.state.assets[piece].spent for piece in (permit, 4, 5)] == [False, True, False]


def test_trade_is_cut_at_the_gate() -> None:
    """Two assets over 2 .. 6 trade 4 .. 6 only; what is before is dead and returns to each owner under a new id."""
    scene = Scene()
    ask, permit = scene.energy(ALICE, 100, 2, 6), scene.energy(BOB, -100, 2, 6)
    offer = scene.post(ask, 0)
    assert scene.accept(offer, permit) == (
        OfferAccepted(offer_id=offer, asset_id=permit, power=100, start=FIRST, end=6, payment=0),
        AssetSplit(parent_id=ask, asset_id=3, owner=ALICE, power=100, start=2, end=3),
        AssetSplit(parent_id=permit, asset_id=4, owner=BOB, power=-100, start=2, end=3),
        AssetTransferred(asset_id=ask, from_address=ALICE, to_address=BOB),
        AssetTransferred(asset_id=permit, from_address=BOB, to_address=ALICE),
    )
    assert not scene.state.offers[offer].open
    assert scene.extent(ask) == (BOB, 100, FIRST, 6)
    assert scene.done(DepositEnergyAsset(asset_id=3), ALICE)


def test_dead_piece_never_keeps_the_id() -> None:
    """Where power is left inside, that keeps the id, and the dead piece before gets the last new one."""
    scene = Scene()
    ask = scene.energy(ALICE, 100, 2, 6)
    scene.accept(scene.post(ask, 0), scene.energy(BOB, -40, 2, 6))
    assert (scene.extent(ask), scene.extent(4)) == ((ALICE, 60, FIRST, 6), (ALICE, 100, 2, 3))
    assert (scene.state.assets[ask].offer_id, scene.state.assets[4].offer_id) == (1, 0)


def test_piece_that_is_dead_in_part_lives() -> None:
    """A piece before the trade that reaches past the gate stays whole and on offer."""
    scene = Scene()
    ask = scene.energy(ALICE, 100, 2, 8)
    scene.accept(scene.post(ask, 0), scene.energy(BOB, -100, 5, 8))
    assert scene.extent(ask) == (ALICE, 100, 2, FIRST)
    assert scene.state.assets[ask].offer_id == 1


def test_dead_piece_of_a_bid_returns_its_escrow() -> None:
    """A bid over 2 .. 5 of 1 kW at 1 EUR holds 1 EUR; the dead half comes back when the other half is traded."""
    scene = Scene()
    bid, given = scene.energy(ALICE, -1000, 2, 5), scene.energy(BOB, 1000, 2, 5)
    scene.money(ALICE, EURO)
    told = scene.accept(scene.post(bid, EURO), given)
    assert told[-1] == EscrowReleased(offer_id=1, amount=EURO // 2)
    assert (scene.state.balance(ALICE), scene.state.balance(BOB)) == (EURO // 2, EURO // 2)


def test_rest_of_a_bid_keeps_its_escrow() -> None:
    """A bid of 1 kW over 4 quarters at 1 EUR, met by 400 W over the last two, pays 0.2 EUR and still holds 0.8 EUR."""
    scene = Scene()
    bid, given = scene.energy(ALICE, -1000, 5, 8), scene.energy(BOB, 400, 7, 8)
    scene.money(ALICE, EURO)
    told = scene.accept(scene.post(bid, EURO), given)
    assert not any(isinstance(event, EscrowReleased) for event in told)
    assert (scene.state.balance(ALICE), scene.state.balance(BOB)) == (0, EURO // 5)
    assert scene.history.view.escrow(1) + scene.history.view.escrow(2) == EURO * 4 // 5


def test_many_buyers_take_parts_of_one_offer_in_one_block() -> None:
    """Fifty buyers who name the same offer are all served: the rest keeps the offer's id."""
    scene = Scene()
    buyers = [address(number) for number in range(1, 51)]
    scene.done(
        AddAssets(
            energy=tuple(EnergyGrant(anon_address=buyer, power=-20, start=5, end=8) for buyer in buyers),
            money=tuple(FinancialGrant(anon_address=buyer, amount=EURO) for buyer in buyers),
        ),
        DSO,
    )
    offer = scene.post(scene.energy(ALICE, 1000, 5, 8), EURO // 4)
    for permit in range(1, 51):
        scene.accept(offer, permit)
    assert not scene.state.offers[offer].open
    assert scene.state.balance(ALICE) == EURO // 4


def test_one_buyer_sends_several_accepts_of_one_asset() -> None:
    """A need is cut over several asks without knowing the ids that the trades before will give."""
    scene = Scene()
    need = scene.energy(ALICE, -100, 5, 8)
    first = scene.post(scene.energy(BOB, 30, 5, 8), 0)
    second = scene.post(scene.energy(CAROL, 70, 5, 8), 0)
    scene.accept(first, need)
    scene.accept(second, need)
    assert scene.extent(need) == (CAROL, -70, 5, 8)


def test_race_makes_a_smaller_fill_at_the_same_price() -> None:
    """Who comes second to an offer gets what is left of it."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 100, 5, 8), 0)
    first, second = scene.energy(BOB, -60, 5, 8), scene.energy(CAROL, -60, 5, 8)
    scene.accept(offer, first)
    told = scene.accept(offer, second)
    assert told[0] == OfferAccepted(offer_id=offer, asset_id=second, power=40, start=5, end=8, payment=0)
