"""The operator's emergency freeze: nothing more is withdrawn until it is lifted, or until a time (R84).

Decides: whether a freeze holds. What was granted before it stays: its assets are on their way to the ledger.
Invariant: while it holds no request is granted, whatever the other rules say.
"""

from petra.domain.refusals import GrantReason, Refusal
from petra.roles.dso.state import DsoState, Grant, Request
from petra.roles.effects import Effect, Frozen, Note


def frozen(state: DsoState, request: Request, now: int) -> Grant | Refusal:
    """Refuse everything while a freeze holds."""
    if state.freeze is not None and (state.freeze.until is None or now < state.freeze.until):
        return Refusal(reason=GrantReason.FROZEN)
    return Grant(request=request)


def freeze(state: DsoState, order: Frozen) -> list[Effect]:
    """Refuse withdrawals from now on; a later freeze replaces an earlier one."""
    state.freeze = order
    return [Note(kind="frozen", fields={"until": order.until})]


def unfreeze(state: DsoState) -> list[Effect]:
    """Lift a freeze."""
    state.freeze = None
    return [Note(kind="unfrozen", fields={})]
