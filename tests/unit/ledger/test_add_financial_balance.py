from petra.domain.calls import AddFinancialBalance, DepositFinancial
from petra.domain.events import FinancialAdded
from petra.domain.quantities import UINT64_MAX
from petra.domain.refusals import LedgerReason
from petra.domain.terms import NO_ADDRESS, Address
from tests.unit.ledger.scene import ALICE, BOB, DSO, ISSUER, Scene, refused


def grant(owner: Address = ALICE, amount: int = 500) -> AddFinancialBalance:
    """Return a call that grants, changed as said."""
    return AddFinancialBalance(anon_address=owner, amount=amount)


def test_money_is_refused_to_all_but_the_issuers() -> None:
    """Nobody creates money but the DSO and the issuer."""
    assert Scene().call(grant(), ALICE) == refused(LedgerReason.NOT_ISSUER, ALICE)


def test_money_is_refused_to_address_zero() -> None:
    """Address 0 cannot hold money."""
    assert Scene().call(grant(owner=NO_ADDRESS), DSO) == refused(LedgerReason.ZERO_ADDRESS)


def test_second_money_grant_is_refused() -> None:
    """An address is granted money once, for ever."""
    scene = Scene()
    scene.money(ALICE, 1)
    scene.done(DepositFinancial(amount=1), ALICE)
    assert scene.call(grant(), DSO) == refused(LedgerReason.MONEY_ALREADY_GRANTED, ALICE)


def test_no_money_is_refused() -> None:
    """An amount must be positive, and a refusal uses no grant up."""
    scene = Scene()
    assert scene.call(grant(amount=0), DSO) == refused(LedgerReason.AMOUNT_ZERO)
    assert isinstance(scene.done(grant(), DSO)[0], FinancialAdded)


def test_money_beyond_64_bits_is_refused() -> None:
    """All money on the ledger together fits 64 bits, so that no sum can overflow later."""
    scene = Scene()
    scene.money(ALICE, UINT64_MAX)
    assert scene.call(grant(owner=BOB, amount=1), DSO) == refused(LedgerReason.AMOUNT_TOO_LARGE, 1)


def test_deposited_money_makes_room() -> None:
    """What was deposited is not on the ledger any more."""
    scene = Scene()
    scene.money(ALICE, UINT64_MAX)
    scene.done(DepositFinancial(amount=500), ALICE)
    scene.done(grant(owner=BOB, amount=500), DSO)
    assert scene.state.money_on_ledger == UINT64_MAX


def test_money_is_credited() -> None:
    """The amount becomes the address' free balance; energy may be granted beside it."""
    scene = Scene(issuer=ISSUER)
    scene.energy(ALICE, -100, 5, 8)
    assert scene.done(grant(), ISSUER) == (FinancialAdded(anon_address=ALICE, amount=500),)
    assert scene.state.balance(ALICE) == 500


def test_dso_gets_money_more_than_once() -> None:
    """The DSO's own address is exempt from `once`."""
    scene = Scene()
    scene.money(DSO, 1)
    scene.money(DSO, 2)
    assert scene.state.balance(DSO) == 3
