"""What travels between two links over ZeroMQ: one multipart message, whose first part is a letter (DESIGN 5).

    M envelope            a signed message
    A hash                the envelope of this hash is stored: send it no more
    B hash milliseconds   it was not taken now: try again after so long (4 bytes, big-endian)
    R hash word           it was refused, and why: a `LinkReason` (ASCII)
    H                     the sender is connected: its mail may come

A hash is the 32 bytes of keccak256 over the envelope, signature included. Parts are exact: what has another number of
parts, or another length, is no frame. It knows neither sockets nor what is inside an envelope.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from petra.fabric.refusals import LinkReason

HASH_BYTES: Final = 32
_WORD_BYTES_MAX: Final = 32


@dataclass(frozen=True, slots=True)
class Message:
    """A signed message, not verified yet."""

    raw: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """The recipient has stored an envelope."""

    hash: bytes


@dataclass(frozen=True, slots=True)
class Busy:
    """The recipient did not take an envelope now."""

    hash: bytes
    retry_ms: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The recipient will not take an envelope; the word may be one that a newer version has."""

    hash: bytes
    word: str


@dataclass(frozen=True, slots=True)
class Hello:
    """The sender is there."""


Frame = Message | Stored | Busy | Refused | Hello


def encode(frame: Frame) -> list[bytes]:
    """Return the parts of a frame."""
    match frame:
        case Message(raw=raw):
            return [b"M", raw]
        case Stored(hash=digest):
            return [b"A", digest]
        case Busy(hash=digest, retry_ms=retry_ms):
            return [b"B", digest, retry_ms.to_bytes(4)]
        case Refused(hash=digest, word=word):
            return [b"R", digest, word.encode("ascii")]
        case Hello():
            return [b"H"]


def parse(parts: Sequence[bytes]) -> Frame | LinkReason:
    """Return the frame that these parts are, or why they are none."""
    match parts:
        case [b"M", raw]:
            return Message(raw)
        case [b"A", digest] if len(digest) == HASH_BYTES:
            return Stored(digest)
        case [b"B", digest, wait] if len(digest) == HASH_BYTES and len(wait) == 4:
            return Busy(digest, int.from_bytes(wait))
        case [b"R", digest, word] if len(digest) == HASH_BYTES and _is_word(word):
            return Refused(digest, word.decode("ascii"))
        case [b"H"]:
            return Hello()
        case _:
            return LinkReason.MALFORMED


def _is_word(word: bytes) -> bool:
    return 0 < len(word) <= _WORD_BYTES_MAX and all(97 <= letter <= 122 or letter == 45 for letter in word)
