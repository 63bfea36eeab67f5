"""The double entry: whatever is posted, everything sums to zero."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.settlement.books import Books, Entry

ACCOUNTS = st.sampled_from(["owner", "ledger", "utility", "grid", "bulk", "0xa", "0xb"])
ENTRIES = st.lists(
    st.builds(
        Entry,
        at=st.just(0),
        from_account=ACCOUNTS,
        to_account=ACCOUNTS,
        amount=st.integers(0, 2**64),
        memo=st.just("memo"),
    )
)


def test_negative_amount_is_our_own_mistake() -> None:
    """An entry that would move money backwards is no entry: nothing is booked."""
    books = Books()
    with pytest.raises(AssertionError):
        books.post(Entry(at=0, from_account="a", to_account="b", amount=-1, memo="wrong"))
    assert books == Books()


@given(ENTRIES)
def test_balances_always_sum_to_zero(entries: list[Entry]) -> None:
    """After every single entry, also one from an account to itself, and each balance is what its entries say."""
    books = Books()
    for entry in entries:
        books.post(entry)
        assert sum(books.balances.values()) == 0
    assert books.problems() == []
    assert books.entries == [entry for entry in entries if entry.amount]


def test_balance_that_was_tampered_with_is_told() -> None:
    """A balance that its entries do not explain is named, and so is the sum."""
    books = Books()
    books.post(Entry(at=0, from_account="a", to_account="b", amount=5, memo="memo"))
    books.balances["b"] = 6
    assert books.problems() == ["account b says 6, its entries say 5", "all balances sum to 1, not 0"]


def test_balance_that_was_lost_is_told() -> None:
    """An account with entries and without a balance is named too."""
    books = Books()
    books.post(Entry(at=0, from_account="a", to_account="b", amount=5, memo="memo"))
    del books.balances["b"]
    assert "account b says 0, its entries say 5" in books.problems()
