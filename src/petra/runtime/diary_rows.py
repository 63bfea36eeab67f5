"""What a diary says of an event: the event itself, or the name of what another table or the chain holds.

Decides: in which words each event stands in the diary. Knows no database and no role.
Invariant: what is read back is equal to what was written.
"""

from dataclasses import dataclass
from typing import Any, cast

from petra.domain.blocks import Checkpoint, Outcome
from petra.domain.terms import Address
from petra.errors import StoreError
from petra.roles.effects import Measured, Order, Woken
from petra.store.codec import decode, encode


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageName:
    """A message that arrived; the message store holds it."""

    sender: Address
    message_id: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerNews:
    """The last block that became final, whose records the chain holds, and how transactions of ours ended."""

    through: Checkpoint
    outcomes: tuple[Outcome, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Boundary:
    """What the calendar brought when a timestep began."""

    timestep: int
    event: Woken | Measured


Named = MessageName | LedgerNews | Boundary | Woken | Order


def kind_of(named: Named) -> str:
    """Return the word for an event."""
    return type(named).__name__


def to_payload(named: Named) -> str:
    """Return an event as one line of JSON."""
    return encode(Named, named)


def from_payload(payload: str) -> Named:
    """Return the event that a row holds; StoreError where this version knows none like it."""
    try:
        return cast("Named", decode(cast("Any", Named), payload))
    except StoreError as error:
        raise StoreError(
            f"the diary holds an event that this version of petra does not know ({error}): start the one that wrote it"
        ) from error
