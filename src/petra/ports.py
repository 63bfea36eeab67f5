"""What drivers offer to the roles' effects: chain, fabric, keys, outbox, journal (DESIGN 2).

Each port has an adapter that we ship and that needs nothing but memory; it passes the same tests as the others.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from petra.domain.blocks import Block, Log, Receipt
from petra.domain.messages import Envelope
from petra.domain.refusals import Refusal
from petra.domain.terms import Address


class Chain(Protocol):
    """An Ethereum chain, as far as PETra needs one."""

    @property
    def chain_id(self) -> int:
        """The chain's id, part of every signature."""
        ...

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Hand over signed bytes, in order; return their hashes. Sending the same bytes again is harmless."""
        ...

    def receipts(self, hashes: Sequence[bytes]) -> list[Receipt | None]:
        """Return what became of each transaction; None while it is not mined."""
        ...

    def head(self) -> Block:
        """Return the newest block."""
        ...

    def block(self, number: int) -> Block:
        """Return a block by number; ChainError where there is none."""
        ...

    def logs(self, contract: Address, first_block: int, last_block: int) -> list[Log]:
        """Return every log of the contract in these blocks (inclusive), in order."""
        ...

    def code(self, address: Address) -> bytes:
        """Return the code that stands at an address, empty where there is none."""
        ...

    def transaction_counts(self, senders: Sequence[Address]) -> list[int]:
        """Return how many transactions of each sender are mined: the first nonce that the chain has not seen."""
        ...

    def dry_run(self, contract: Address, calls: Sequence[tuple[Address, bytes]]) -> list[Refusal | None]:
        """Return for each sender and its calldata why the contract would refuse it after the newest block, or None.

        Each is tried by itself, nothing is kept. ChainError where one fails without a word of the contract's.
        """
        ...

    def refusal(self, transaction_hash: bytes) -> Refusal | None:
        """Return why the contract refused a mined transaction, None if it did not. For tools and tests: slow."""
        ...

    def close(self) -> None:
        """Let go of connections, and of the node if we started it."""
        ...


class VirtualChain(Chain, Protocol):
    """A chain whose blocks and time are ours: for simulations."""

    def mine(self, timestamp: int) -> Block:
        """Make one block at this unix second with everything that was sent, in the order of sending."""
        ...


class Keys(Protocol):
    """Holds secrets; roles and drivers know addresses only."""

    def new(self, owner: str) -> Address:
        """Make a fresh key that belongs to this owner and return its address."""
        ...

    def sign(self, address: Address, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r, s, v (0 or 1), low s."""
        ...


class Fabric(Protocol):
    """Carries messages between accounts."""

    def send(self, recipient: Address, raw: bytes, now: int) -> None:
        """Take a message for delivery; it may arrive late, twice, out of order or never."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A verified message as a link received it; `origin` is how the link finds its sender again."""

    envelope: Envelope
    origin: object


class Link(Protocol):
    """A live process's way to others: messages may get lost, doubled or reordered on it; a postbox stands above it."""

    def wait(self, seconds: float) -> None:
        """Return when something has arrived, when `wake` was called, or after so many seconds."""
        ...

    def wake(self) -> None:
        """End a `wait`; from any thread."""
        ...

    def receive(self, limit: int) -> list[Arrival]:
        """Return what arrived for us, verified and from parties that may speak; bad frames were refused by name."""
        ...

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """Tell the senders that these messages are stored here."""
        ...

    def busy(self, arrivals: Sequence[Arrival], retry_ms: int) -> None:
        """Tell the senders that these messages were not taken, and when to try again."""
        ...

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """Tell the sender that this message will never be taken, and why: one of the fabric's words."""
        ...

    def send(self, recipient: Address, raw: bytes) -> bool:
        """Try to send now; False where the recipient cannot be reached or the queue is full."""
        ...

    def delivered(self) -> list[bytes]:
        """Return the hashes of envelopes that their recipients have stored, since the last call."""
        ...

    def refused(self) -> list[tuple[bytes, str]]:
        """Return hash and reason of envelopes that their recipients refused, since the last call."""
        ...

    def returned(self) -> list[Address]:
        """Return the accounts that can be reached anew since the last call."""
        ...

    def trouble(self) -> str | None:
        """Return one sentence about why its server cannot be reached; None while it can, or where we are the server."""
        ...

    def close(self) -> None:
        """Let go of sockets and threads."""
        ...


class Journal(Protocol):
    """A run's event log: what happened, in order."""

    def append(self, at: int, kind: str, fields: Mapping[str, object]) -> None:
        """Record one event at a unix second (virtual in simulations); fields are plain JSON values."""
        ...
