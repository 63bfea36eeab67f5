from petra.domain.calls import DepositFinancial
from petra.domain.events import FinancialDeposited
from petra.domain.refusals import LedgerReason
from tests.unit.ledger.scene import ALICE, EURO, Scene, refused


def test_nothing_is_refused() -> None:
    """An amount must be positive, whoever asks."""
    assert Scene().call(DepositFinancial(amount=0), ALICE) == refused(LedgerReason.AMOUNT_ZERO)


def test_more_than_the_free_balance_is_refused() -> None:
    """Money in escrow is not free."""
    scene = Scene()
    scene.money(ALICE, EURO)
    scene.post(scene.energy(ALICE, -1000, 5, 5), EURO)
    free = EURO - EURO // 4
    expected = refused(LedgerReason.INSUFFICIENT_BALANCE, ALICE, free, free + 1)
    assert scene.call(DepositFinancial(amount=free + 1), ALICE) == expected


def test_money_leaves_the_ledger() -> None:
    """The amount leaves the balance and the ledger."""
    scene = Scene()
    scene.money(ALICE, EURO)
    assert scene.done(DepositFinancial(amount=EURO), ALICE) == (FinancialDeposited(anon_address=ALICE, amount=EURO),)
    assert (scene.state.balance(ALICE), scene.state.money_on_ledger) == (0, 0)
