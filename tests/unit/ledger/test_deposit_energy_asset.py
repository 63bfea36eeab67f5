from petra.domain.calls import DepositEnergyAsset
from petra.domain.events import AssetDeposited
from petra.domain.refusals import LedgerReason
from tests.unit.ledger.scene import ALICE, BOB, DSO, NOW, Scene, T, refused


def test_unknown_and_deposited_assets_are_refused() -> None:
    """An asset is deposited once."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 5, 8)
    assert scene.call(DepositEnergyAsset(asset_id=2), ALICE) == refused(LedgerReason.UNKNOWN_ASSET, 2)
    scene.done(DepositEnergyAsset(asset_id=asset), ALICE)
    assert scene.call(DepositEnergyAsset(asset_id=asset), ALICE) == refused(LedgerReason.UNKNOWN_ASSET, asset)


def test_another_owners_asset_is_refused() -> None:
    """Only its owner deposits an asset; not even the DSO."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 5, 8)
    assert scene.call(DepositEnergyAsset(asset_id=asset), DSO) == refused(LedgerReason.NOT_OWNER, asset, DSO)


def test_asset_on_offer_is_refused() -> None:
    """What is on offer is rescinded first."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 5, 8)
    scene.post(asset, 0)
    assert scene.call(DepositEnergyAsset(asset_id=asset), ALICE) == refused(LedgerReason.ASSET_IS_LOCKED, asset)


def test_deposit_removes_the_asset() -> None:
    """The asset is gone from the ledger; the logs still tell what it was."""
    scene = Scene()
    asset = scene.energy(ALICE, 100, 5, 8)
    before = scene.state.assets[asset]
    assert scene.done(DepositEnergyAsset(asset_id=asset), ALICE) == (
        AssetDeposited(anon_address=ALICE, asset_id=asset),
    )
    assert asset not in scene.state.assets
    assert scene.history.view.deposited == {asset: before}


def test_deposit_is_never_too_late() -> None:
    """An asset of long ago, and a spent one, can be deposited: nothing gets stuck."""
    scene = Scene()
    permit = scene.energy(ALICE, -100, 5, 8)
    scene.accept(scene.post(permit, 0), scene.energy(BOB, 100, 5, 8))
    scene.done(DepositEnergyAsset(asset_id=permit), BOB, NOW + 10**6 * T)
    assert permit not in scene.state.assets
