from petra.domain.calls import RescindOffer
from petra.domain.events import EscrowReleased, OfferRescinded
from petra.domain.refusals import LedgerReason
from tests.unit.ledger.scene import ALICE, BOB, DSO, EURO, NOW, Scene, T, refused


def test_unknown_offer_cannot_be_rescinded() -> None:
    """An id that was never given is unknown."""
    for unknown in (0, 1):
        assert Scene().call(RescindOffer(offer_id=unknown), ALICE) == refused(LedgerReason.UNKNOWN_OFFER, unknown)


def test_offer_is_rescinded_once() -> None:
    """A rescinded offer stays closed, and its money comes back once."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 100, 5, 8), 1)
    scene.done(RescindOffer(offer_id=offer), ALICE)
    assert scene.call(RescindOffer(offer_id=offer), ALICE) == refused(LedgerReason.OFFER_NOT_OPEN, offer)


def test_accepted_offer_cannot_be_rescinded() -> None:
    """An offer that was accepted whole is closed."""
    scene = Scene()
    offer = scene.post(scene.energy(ALICE, 100, 5, 8), 0)
    scene.accept(offer, scene.energy(BOB, -100, 5, 8))
    assert scene.call(RescindOffer(offer_id=offer), ALICE) == refused(LedgerReason.OFFER_NOT_OPEN, offer)


def test_another_posters_offer_cannot_be_rescinded() -> None:
    """Only its poster takes an offer back; not even the DSO."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 5, 8)
    offer = scene.post(asset, 1)
    assert scene.call(RescindOffer(offer_id=offer), DSO) == refused(LedgerReason.NOT_OWNER, asset, DSO)


def test_rescinded_bid_returns_its_escrow() -> None:
    """The whole escrow comes back and is told."""
    scene = Scene()
    bid = scene.energy(ALICE, -1000, 5, 8)
    scene.money(ALICE, EURO)
    offer = scene.post(bid, EURO)
    assert scene.done(RescindOffer(offer_id=offer), ALICE) == (
        OfferRescinded(offer_id=offer),
        EscrowReleased(offer_id=offer, amount=EURO),
    )
    assert scene.state.balance(ALICE) == EURO


def test_rescinded_ask_releases_nothing() -> None:
    """An ask holds no money, so none is told; its asset may be offered again under a new id."""
    scene = Scene()
    ask = scene.energy(ALICE, 100, 5, 8)
    offer = scene.post(ask, 1)
    assert scene.done(RescindOffer(offer_id=offer), ALICE) == (OfferRescinded(offer_id=offer),)
    assert scene.post(ask, 2) == offer + 1


def test_rescind_is_never_too_late() -> None:
    """Long after the gate an offer can still be taken back: nothing gets stuck."""
    scene = Scene()
    bid = scene.energy(ALICE, -1000, 5, 8)
    scene.money(ALICE, EURO)
    offer = scene.post(bid, EURO)
    scene.done(RescindOffer(offer_id=offer), ALICE, NOW + 10**6 * T)
    assert scene.state.balance(ALICE) == EURO
