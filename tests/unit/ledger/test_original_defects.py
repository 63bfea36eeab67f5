"""What the original system's contract got wrong (its PhaseI, 2017), each as a test that it would fail."""

from petra.domain.calls import AcceptOffer, AddEnergyAsset, PostOffer, RescindOffer
from petra.domain.quantities import INT64_MAX, UINT64_MAX, energy_of
from petra.domain.refusals import LedgerReason, Refusal
from tests.unit.ledger.scene import ALICE, BOB, CAROL, DSO, EURO, NOW, Scene, T, refused


def test_defect_1_bids_can_be_accepted() -> None:
    """The original demanded that an offered consumption asset be production, so no bid was ever accepted."""
    scene = Scene()
    bid = scene.energy(ALICE, -100, 5, 8)
    scene.money(ALICE, EURO)
    scene.accept(scene.post(bid, EURO), scene.energy(BOB, 100, 5, 8))
    assert scene.state.balance(BOB) == EURO // 10


def test_defect_2_adjacent_asset_takes_nothing_for_free() -> None:
    """The original's check of the overlap never fired: [5, 6] against [7, 8] cost 0 and swapped the assets."""
    scene = Scene()
    ask, worthless = scene.energy(ALICE, 100, 5, 6), scene.energy(BOB, -1, 7, 8)
    call = AcceptOffer(offer_id=scene.post(ask, EURO), asset_id=worthless)
    assert scene.call(call, BOB) == refused(LedgerReason.INTERVALS_DISJOINT, ask, worthless)


def test_defect_2_gap_does_not_pay_the_buyer() -> None:
    """With a wider gap the original's duration wrapped around, and the buyer was paid."""
    scene = Scene()
    ask, far = scene.energy(ALICE, 100, 5, 6), scene.energy(BOB, -100, 50, 60)
    call = AcceptOffer(offer_id=scene.post(ask, EURO), asset_id=far)
    assert scene.call(call, BOB) == refused(LedgerReason.INTERVALS_DISJOINT, ask, far)


def test_defect_3_power_split_destroys_no_energy() -> None:
    """An ask of 100 W over 5 .. 8 met by 40 W left 60 W over 8 .. 8 only: 180 of 400 units were destroyed."""
    scene = Scene()
    scene.accept(scene.post(scene.energy(ALICE, 100, 5, 8), 0), scene.energy(BOB, -40, 5, 8))
    live = [asset for asset in scene.state.assets.values() if asset.is_production]
    assert sum(energy_of(asset.power, asset.end - asset.start + 1, T) for asset in live) == 400 * T


def test_defect_4_unspent_escrow_returns() -> None:
    """The original never gave a bid's unspent escrow back, nor locked the rest of the bid again."""
    scene = Scene()
    bid = scene.energy(ALICE, -1000, 5, 8)
    scene.money(ALICE, EURO)
    offer = scene.post(bid, EURO)
    scene.accept(offer, scene.energy(BOB, 400, 5, 8))
    assert scene.state.assets[bid].offer_id == offer
    scene.done(RescindOffer(offer_id=offer), ALICE)
    assert scene.state.balance(ALICE) + scene.state.balance(BOB) == EURO


def test_defect_5_escrow_does_not_overflow() -> None:
    """Price * power * duration wrapped at 64 bits in the original; here it is exact, and refused if it is no money."""
    scene = Scene(max_price=UINT64_MAX)
    scene.money(ALICE, EURO)
    bid = scene.energy(ALICE, -INT64_MAX, 5, 8)
    result = scene.call(PostOffer(asset_id=bid, price=2**40), ALICE)
    assert isinstance(result, Refusal)
    assert result.reason is LedgerReason.AMOUNT_TOO_LARGE


def test_defect_5_backward_intervals_and_no_power_are_refused() -> None:
    """The original took start > end, and power 0 as a consumption asset."""
    backward = AddEnergyAsset(anon_address=ALICE, power=1, start=8, end=5)
    assert Scene().call(backward, DSO) == refused(LedgerReason.INTERVAL_OUT_OF_BOUNDS, 8, 5)
    powerless = AddEnergyAsset(anon_address=ALICE, power=0, start=5, end=8)
    assert Scene().call(powerless, DSO) == refused(LedgerReason.POWER_OUT_OF_BOUNDS, 0)


def test_defect_6_own_offer_is_refused() -> None:
    """The original let an address trade with itself."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 100, 5, 8), 0)
    assert scene.call(AcceptOffer(offer_id=offer, asset_id=1), ALICE) == refused(LedgerReason.OWN_OFFER, offer)


def test_defect_6_old_offers_cannot_be_accepted() -> None:
    """The original's offers never expired: offers of interval 57 were still open at 70."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 100, 57, 57), 0)
    call = AcceptOffer(offer_id=offer, asset_id=scene.energy(CAROL, -100, 57, 57))
    assert scene.call(call, CAROL, NOW + 68 * T) == refused(LedgerReason.GATE_CLOSED, 57, 72)
