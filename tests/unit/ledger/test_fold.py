from petra.domain import events
from petra.domain.calls import AcceptOffer, DepositEnergyAsset
from petra.ledger.fold import LedgerView
from tests.unit.ledger.scene import ALICE, BOB, CAROL, EURO, TERMS, Scene


def test_lineage_follows_splits_and_transfers() -> None:
    """Pieces of pieces lead to the asset that the DSO granted, and to the address of that grant."""
    scene = Scene()
    ask = scene.energy(ALICE, 100, 5, 8)
    scene.accept(scene.post(ask, 0), scene.energy(BOB, -60, 5, 8))
    bought = scene.state.next_asset_id - 1
    scene.accept(scene.post(bought, 0), scene.energy(CAROL, -20, 6, 6))
    view = scene.history.view
    production = [asset_id for asset_id, asset in view.assets.items() if asset.is_production]
    assert len(production) == 5
    assert {view.lineage(asset_id) for asset_id in production} == {ask}
    assert {view.granted_to(asset_id) for asset_id in production} == {ALICE}


def test_deposited_asset_still_leads_to_its_grant() -> None:
    """The DSO credits the deposit of a piece to the account behind the address that it granted to."""
    scene = Scene()
    permit = scene.energy(BOB, -60, 5, 8)
    scene.accept(scene.post(scene.energy(ALICE, 100, 5, 8), 0), permit)
    scene.done(DepositEnergyAsset(asset_id=permit), ALICE)
    view = scene.history.view
    assert (view.granted_to(permit), view.deposited[permit].owner) == (BOB, ALICE)


def test_two_trades_in_one_transaction_are_told_apart() -> None:
    """A contract may make several calls in one transaction; their events stand behind one another."""
    scene, view = Scene(), LedgerView(TERMS)
    scene.money(ALICE, EURO)
    told: list[events.LedgerEvent] = []
    bid = scene.energy(ALICE, -1000, 5, 8)
    givers = [scene.energy(BOB, 300, 6, 7), scene.energy(CAROL, 500, 5, 8)]
    view.observe(
        [
            events.FinancialAdded(anon_address=ALICE, amount=EURO),
            events.AssetAdded(anon_address=ALICE, asset_id=bid, power=-1000, start=5, end=8),
            events.AssetAdded(anon_address=BOB, asset_id=givers[0], power=300, start=6, end=7),
            events.AssetAdded(anon_address=CAROL, asset_id=givers[1], power=500, start=5, end=8),
        ]
    )
    scene.post(bid, EURO)
    told.append(events.OfferPosted(offer_id=1, asset_id=bid, price=EURO, power=-1000, start=5, end=8))
    for giver in givers:
        told += scene.done(AcceptOffer(offer_id=1, asset_id=giver), scene.state.assets[giver].owner)
    view.observe(told)
    assert view.assets == scene.state.assets
    assert {holder: view.balance(holder) for holder in scene.state.holders} == {
        holder: scene.state.balance(holder) for holder in scene.state.holders
    }


def test_view_knows_open_offers_and_their_escrow() -> None:
    """An order book shows what can be accepted; an open bid shows the money that it holds."""
    scene = Scene()
    scene.money(ALICE, EURO)
    bid = scene.post(scene.energy(ALICE, -1000, 5, 8), EURO // 2)
    ask = scene.post(scene.energy(BOB, 1000, 5, 8), EURO)
    view = scene.history.view
    assert set(view.open_offers) == {bid, ask}
    assert (view.escrow(bid), view.escrow(ask)) == (EURO // 2, 0)
