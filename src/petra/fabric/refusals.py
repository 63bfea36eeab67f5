"""The one-word reasons for which a link refuses bytes; they travel to the sender (`frames.py`, the gateway's answers).

Decides: which reasons there are and which of them pass by themselves. They are no evidence: whoever wants a signed
"no" gets it from the role. Invariant: a word once used keeps its meaning.
"""

from enum import StrEnum
from typing import Final


class LinkReason(StrEnum):
    """Why a message was not taken."""

    MALFORMED = "malformed"  # no frame, no envelope or no body of its kind
    TOO_LONG = "too-long"
    TRUNCATED = "truncated"
    VERSION = "version"
    KIND = "kind"  # unknown, or not one that the recipient takes on this way
    SIGNATURE = "signature"  # altered, or signed by another, or for another chain or contract
    SENDER_KEY = "sender-key"  # this connection may not speak for the message's sender
    RECIPIENT = "recipient"  # the message is for somebody else
    REPLAYED = "replayed"  # the message id was used for other bytes
    EXPIRED = "expired"  # so long past its deadline that not even a refusal is signed
    FROM_THE_FUTURE = "from-the-future"  # created later than our clock says
    UNKNOWN = "unknown"  # this key was never enrolled
    REVOKED = "revoked"  # it was, and is no more
    RATE = "rate"  # too many messages from one key or place
    BUSY = "busy"  # the queue is full


PASSING: Final = frozenset({LinkReason.BUSY, LinkReason.RATE, LinkReason.FROM_THE_FUTURE})  # worth another try
