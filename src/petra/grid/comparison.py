"""Other rules for the same question, to compare the safety ledger with (R26, R39); none of them is safe.

Decides: what the plain linear check, the paper's limit per prosumer, a total at the transformer, and no rule at all
would have granted. Invariant: each keeps book like the safety ledger, so that the same requests can be put to all.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence

from petra.grid.coefficients import ReactivePower, plain_coefficients
from petra.grid.feeder import Feeder
from petra.grid.ledger import DEFAULT_REACTIVE, SafetyLedger
from petra.grid.reservations import Box, Change, Envelope, Reservations, Step

Test = Callable[[Reservations, str, Sequence[Step]], bool]


class BookRule:
    """A rule that looks at boxes only, never at the feeder's branches.

    Attributes:
        reservations: what it granted.
    """

    def __init__(self, envelopes: Mapping[str, Envelope], allows: Test) -> None:
        """Start with nothing granted; `allows` says whether an account may take all the steps."""
        self.reservations = Reservations(envelopes)
        self._allows = allows

    def check(self, account: str, changes: Iterable[Change]) -> bool:
        """Say whether all the changes together would be granted; nothing is changed."""
        return self._allows(self.reservations, account, self.reservations.steps(account, changes))

    def grant(self, account: str, changes: Iterable[Change]) -> bool:
        """Grant all the changes together, or change nothing and return False."""
        steps = self.reservations.steps(account, changes)
        if not self._allows(self.reservations, account, steps):
            return False
        self.reservations.write(account, steps)
        return True

    def release(self, account: str, changes: Iterable[Change]) -> None:
        """Take back what was granted."""
        self.reservations.write(account, self.reservations.steps(account, changes, sign=-1))

    def expire(self, before: int) -> None:
        """Forget the timesteps below `before`."""
        self.reservations.expire(before)


def plain_linear_ledger(
    feeder: Feeder, envelopes: Mapping[str, Envelope], *, reactive: ReactivePower = DEFAULT_REACTIVE
) -> SafetyLedger:
    """Return the ledger without losses, shunts and low-voltage currents: what the safety ledger's proof costs."""
    return SafetyLedger(feeder, envelopes, reactive=reactive, derive=plain_coefficients)


def prosumer_limits(envelopes: Mapping[str, Envelope], limits: Mapping[str, Box]) -> BookRule:
    """Return the paper's rule: each prosumer has a limit of its own for import and export, in watts."""

    def allows(_: Reservations, account: str, steps: Sequence[Step]) -> bool:
        limit = limits[account]
        return all(
            step.after.import_watts <= limit.import_watts and step.after.export_watts <= limit.export_watts
            for step in steps
        )

    return BookRule(envelopes, allows)


def transformer_total(feeder: Feeder, envelopes: Mapping[str, Envelope]) -> BookRule:
    """Return the rule that all imports together, and all exports together, stay within the transformer's rating."""
    rating = feeder.transformer.rated_power_va

    def allows(book: Reservations, account: str, steps: Sequence[Step]) -> bool:
        for step in steps:
            boxes = book.boxes(step.timestep) | {account: step.after}
            if step.after.import_watts > step.before.import_watts and sum(b[0] for b in boxes.values()) > rating:
                return False
            if step.after.export_watts > step.before.export_watts and sum(b[1] for b in boxes.values()) > rating:
                return False
        return True

    return BookRule(envelopes, allows)


def no_rule(envelopes: Mapping[str, Envelope]) -> BookRule:
    """Return the rule that grants everything."""
    return BookRule(envelopes, lambda _book, _account, _steps: True)
