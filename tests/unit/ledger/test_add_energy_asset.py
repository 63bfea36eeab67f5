import pytest

from petra.domain.calls import AddEnergyAsset, DepositEnergyAsset
from petra.domain.events import AssetAdded
from petra.domain.quantities import INT64_MAX, UINT64_MAX
from petra.domain.refusals import LedgerReason
from petra.domain.terms import NO_ADDRESS, Address
from tests.unit.ledger.scene import ALICE, BOB, DSO, ISSUER, Scene, refused


def grant(owner: Address = ALICE, power: int = 100, start: int = 5, end: int = 8) -> AddEnergyAsset:
    """Return a call that grants, changed as said."""
    return AddEnergyAsset(anon_address=owner, power=power, start=start, end=end)


@pytest.mark.parametrize("sender", [ALICE, ISSUER, NO_ADDRESS])
def test_grant_is_refused_to_all_but_the_issuers(sender: Address) -> None:
    """Whoever is neither the DSO nor the terms' issuer creates nothing (no issuer: the address 0 is none)."""
    scene = Scene(issuer=BOB)
    assert scene.call(grant(), sender) == refused(LedgerReason.NOT_ISSUER, sender)


def test_grant_is_refused_to_address_zero() -> None:
    """Address 0 cannot hold assets."""
    assert Scene().call(grant(owner=NO_ADDRESS), DSO) == refused(LedgerReason.ZERO_ADDRESS)


def test_second_grant_is_refused() -> None:
    """An address is granted energy once, for ever, even after it has deposited the first."""
    scene = Scene()
    scene.done(DepositEnergyAsset(asset_id=scene.energy(ALICE, -100, 5, 8)), ALICE)
    assert scene.call(grant(), DSO) == refused(LedgerReason.ENERGY_ALREADY_GRANTED, ALICE)


@pytest.mark.parametrize("power", [0, -INT64_MAX - 1])
def test_grant_of_impossible_power_is_refused(power: int) -> None:
    """Power 0 is no asset, and the smallest int64 has no opposite."""
    assert Scene().call(grant(power=power), DSO) == refused(LedgerReason.POWER_OUT_OF_BOUNDS, power)


@pytest.mark.parametrize(("start", "end"), [(9, 8), (0, 96), (2**48 - 1, 2**48), (0, UINT64_MAX)])
def test_grant_of_impossible_interval_is_refused(start: int, end: int) -> None:
    """An interval runs forward, is at most max_length long, and ends before 2^48."""
    expected = refused(LedgerReason.INTERVAL_OUT_OF_BOUNDS, start, end)
    assert Scene().call(grant(start=start, end=end), DSO) == expected


def test_power_that_the_abi_cannot_encode_is_our_mistake() -> None:
    """What no transaction could carry is not refused but asserted."""
    with pytest.raises(AssertionError, match="int64"):
        Scene().call(grant(power=2**63), DSO)


@pytest.mark.parametrize(("start", "end"), [(0, 0), (0, 95), (2**48 - 96, 2**48 - 1)])
def test_grant_creates_an_asset(start: int, end: int) -> None:
    """The asset belongs to the address and is told as issued, up to the longest interval."""
    scene = Scene()
    told = scene.done(grant(power=-INT64_MAX, start=start, end=end), DSO)
    assert told == (AssetAdded(anon_address=ALICE, asset_id=1, power=-INT64_MAX, start=start, end=end),)
    assert scene.extent(1) == (ALICE, -INT64_MAX, start, end)


def test_past_may_be_granted() -> None:
    """The gate concerns trades: an asset that was issued late can still be deposited."""
    assert Scene().energy(ALICE, 100, 0, 1) == 1


def test_issuer_may_grant() -> None:
    """The issuer of the terms creates assets like the DSO."""
    scene = Scene(issuer=ISSUER)
    assert isinstance(scene.done(grant(), ISSUER)[0], AssetAdded)


def test_dso_is_granted_more_than_once() -> None:
    """The DSO trades from its own address, so it is exempt from `once`."""
    scene = Scene()
    assert [scene.energy(DSO, 100, 5, 8), scene.energy(DSO, 100, 5, 8)] == [1, 2]
