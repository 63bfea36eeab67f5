import pytest

from petra.domain.calls import AddAssets, EnergyGrant, FinancialGrant
from petra.domain.events import AssetAdded, FinancialAdded
from petra.domain.quantities import UINT64_MAX
from petra.domain.refusals import LedgerReason
from petra.domain.terms import MAX_GRANTS, Address
from tests.unit.ledger.scene import ALICE, BOB, DSO, Scene, address, refused


def energy(owner: Address, power: int = 100) -> EnergyGrant:
    """Return a grant of energy."""
    return EnergyGrant(anon_address=owner, power=power, start=5, end=8)


def money(owner: Address, amount: int = 500) -> FinancialGrant:
    """Return a grant of money."""
    return FinancialGrant(anon_address=owner, amount=amount)


def test_batch_is_refused_to_all_but_the_issuers() -> None:
    """A batch needs the same role as a single grant."""
    assert Scene().call(AddAssets(energy=(energy(ALICE),)), ALICE) == refused(LedgerReason.NOT_ISSUER, ALICE)


@pytest.mark.parametrize("count", [0, MAX_GRANTS + 1])
def test_empty_and_oversized_batches_are_refused(count: int) -> None:
    """A batch holds 1 .. 200 grants, energy and money together."""
    half = tuple(money(address(number)) for number in range(1, count // 2 + 1))
    batch = AddAssets(energy=tuple(energy(address(number)) for number in range(1, count - len(half) + 1)), money=half)
    assert Scene().call(batch, DSO) == refused(LedgerReason.BATCH_OUT_OF_BOUNDS, count)


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        (AddAssets(energy=(energy(ALICE), energy(ALICE))), refused(LedgerReason.ENERGY_ALREADY_GRANTED, ALICE)),
        (AddAssets(money=(money(ALICE), money(ALICE))), refused(LedgerReason.MONEY_ALREADY_GRANTED, ALICE)),
        (AddAssets(energy=(energy(ALICE), energy(BOB, 0))), refused(LedgerReason.POWER_OUT_OF_BOUNDS, 0)),
        (AddAssets(energy=(energy(ALICE),), money=(money(BOB, 0),)), refused(LedgerReason.AMOUNT_ZERO)),
        (AddAssets(money=(money(ALICE, UINT64_MAX), money(BOB, 7))), refused(LedgerReason.AMOUNT_TOO_LARGE, 7)),
    ],
)
def test_one_bad_entry_refuses_the_batch(batch: AddAssets, expected: object) -> None:
    """An entry is judged as if the earlier ones were issued; a refusal leaves nothing of them."""
    assert Scene().call(batch, DSO) == expected


def test_batch_issues_energy_then_money() -> None:
    """All entries are issued in order, energy first; the DSO's own address may stand twice."""
    scene = Scene()
    told = scene.done(AddAssets(energy=(energy(DSO), energy(BOB), energy(DSO)), money=(money(BOB), money(DSO))), DSO)
    assert [(type(event), event.anon_address) for event in told if isinstance(event, AssetAdded | FinancialAdded)] == [
        (AssetAdded, DSO),
        (AssetAdded, BOB),
        (AssetAdded, DSO),
        (FinancialAdded, BOB),
        (FinancialAdded, DSO),
    ]
    assert scene.state.balance(BOB) == 500


def test_batch_of_the_largest_size_is_issued() -> None:
    """200 grants fit one transaction."""
    owners = [address(number) for number in range(1, MAX_GRANTS // 2 + 1)]
    told = Scene().done(AddAssets(energy=tuple(map(energy, owners)), money=tuple(map(money, owners))), DSO)
    assert len(told) == MAX_GRANTS
