"""Messages that must arrive: sent again until a receipt comes, and taken once however often they arrive (R80).

Decides: when the same bytes are sent again, and whether a message is new. It does not know what a message says.
Invariants: a message is taken once and every copy of it gets the same receipt, so a lost receipt costs one more copy;
nothing is sent again after its deadline. A withdrawal needs none of this: its answer is its receipt.
"""

from dataclasses import dataclass, field

from petra.domain.messages import Envelope, MessageReceipt
from petra.domain.terms import Address
from petra.roles.effects import Effect, Phase, Resend, Send, WakeAt
from petra.wire.envelope import envelope_hash
from petra.wire.keccak import keccak256

FIRST_WAIT_SECONDS = 15
LONGEST_WAIT_SECONDS = 900
KEPT_SECONDS = 7 * 86_400  # so long after its deadline a message is known; later copies of it are not looked at


@dataclass(slots=True, kw_only=True)
class Awaited:
    """A message whose receipt has not come; `due` is when it is sent again, `wait` how long it waited for that."""

    message_id: bytes
    recipient: Address
    deadline: int
    due: int
    wait: int = FIRST_WAIT_SECONDS


@dataclass(slots=True)
class Receipts:
    """What one role still waits for, and which receipts it gave, with the message's deadline; by the receipt's id."""

    awaited: dict[bytes, Awaited] = field(default_factory=dict)
    given: dict[bytes, int] = field(default_factory=dict)

    def send(self, message: Send, now: int) -> list[Effect]:
        """Send a message and wait for its receipt."""
        due = now + FIRST_WAIT_SECONDS
        self.awaited[receipt_id(message.sender, message.message_id)] = Awaited(
            message_id=message.message_id, recipient=message.recipient, deadline=message.deadline, due=due
        )
        return [message, WakeAt(at=due, phase=Phase.RESEND, timestep=0)]

    def send_again(self, now: int) -> list[Effect]:
        """Send again what is due, after ever longer waits; give up what is past its deadline."""
        effects: list[Effect] = []
        self.awaited = {key: one for key, one in self.awaited.items() if now < one.deadline}
        for one in self.awaited.values():
            if one.due <= now:
                one.wait = min(2 * one.wait, LONGEST_WAIT_SECONDS)
                one.due = now + one.wait
                effects += [Resend(message_id=one.message_id), WakeAt(at=one.due, phase=Phase.RESEND, timestep=0)]
        return effects

    def take_receipt(self, envelope: Envelope) -> None:
        """Stop waiting for the message that this receipt is for, if it comes from whom the message went to."""
        one = self.awaited.get(envelope.message_id)
        if one is not None and one.recipient == envelope.sender:
            del self.awaited[envelope.message_id]

    def is_new(self, envelope: Envelope) -> bool:
        """Say whether no receipt was given for this message yet."""
        return receipt_id(envelope.sender, envelope.message_id) not in self.given

    def forget(self, now: int) -> None:
        """Drop what is long past its deadline: no copy of it is looked at any more."""
        self.given = {key: deadline for key, deadline in self.given.items() if not is_long_past(deadline, now)}

    def give(self, envelope: Envelope) -> Effect:
        """Give the receipt for a message, the same bytes for each copy of it."""
        own = receipt_id(envelope.sender, envelope.message_id)
        if own in self.given:
            return Resend(message_id=own)
        self.given[own] = envelope.deadline
        return Send(
            message_id=own,
            sender=envelope.recipient,
            recipient=envelope.sender,
            deadline=envelope.deadline,
            body=MessageReceipt(envelope_hash=envelope_hash(envelope.raw)),
        )


def is_long_past(deadline: int, now: int) -> bool:
    """Say whether a message is so old that nobody remembers whether it came before; it must be ignored."""
    return now > deadline + KEPT_SECONDS


def receipt_id(sender: Address, message_id: bytes) -> bytes:
    """Return the message id of the receipt for a message: its sender knows it without the sealed bytes."""
    return keccak256(b"PETra receipt 1" + sender.encode() + message_id)[:16]
