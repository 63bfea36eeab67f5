"""The DSO's double entry: append-only, integers, every entry moves money from one account to another.

Decides: what a balance is. Knows no reason for a payment but its memo.
Invariant: all balances sum to zero, always.
"""

from dataclasses import dataclass, field

# Accounts that are no home's. Homes use their account address.
OWNER = "owner"  # what homes brought in from outside: opening balances
LEDGER = "ledger"  # money that stands at pseudonyms on the chain
UTILITY = "utility"  # the DSO's own result: residual energy, penalties
GRID = "grid"  # grid fees
BULK = "bulk"  # the bulk market on which the DSO covers the residual


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """`amount` nano-units (> 0) go from one account to another; reference = what proves it."""

    at: int
    from_account: str
    to_account: str
    amount: int
    memo: str
    reference: str = ""


@dataclass(slots=True)
class Books:
    """The entries and the balances that follow from them.

    Attributes:
        entries: in order, from the beginning or from the last `carry_forward` on.
        carried: the balances that the entries before them come to.
    """

    entries: list[Entry] = field(default_factory=list)
    balances: dict[str, int] = field(default_factory=dict)
    carried: dict[str, int] = field(default_factory=dict)

    def post(self, entry: Entry) -> None:
        """Append an entry; an amount of zero is left out, a negative one is our error."""
        assert entry.amount >= 0, entry
        if entry.amount == 0:
            return
        self.entries.append(entry)
        self.balances[entry.from_account] = self.balances.get(entry.from_account, 0) - entry.amount
        self.balances[entry.to_account] = self.balances.get(entry.to_account, 0) + entry.amount

    def balance(self, account: str) -> int:
        """Return an account's balance in nano-units."""
        return self.balances.get(account, 0)

    def carry_forward(self) -> list[Entry]:
        """Hand the entries over to who keeps them for ever; the balances stay, and go on from there."""
        entries, self.entries = self.entries, []
        self.carried = dict(self.balances)
        return entries

    def problems(self) -> list[str]:
        """Return what does not close: the sum of all balances, and each balance against its entries."""
        recomputed = dict(self.carried)
        for entry in self.entries:
            recomputed[entry.from_account] = recomputed.get(entry.from_account, 0) - entry.amount
            recomputed[entry.to_account] = recomputed.get(entry.to_account, 0) + entry.amount
        problems = [
            f"account {account} says {self.balance(account)}, its entries say {recomputed.get(account, 0)}"
            for account in self.balances | recomputed
            if recomputed.get(account, 0) != self.balance(account)
        ]
        if total := sum(self.balances.values()):
            problems.append(f"all balances sum to {total}, not 0")
        return problems
