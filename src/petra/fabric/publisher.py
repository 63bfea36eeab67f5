"""What is published to all members: the price schedule, signed, newest first for whoever comes late (DESIGN 5, 6).

Decides: that a new subscriber gets the last message of its topic at once (XPUB tells of subscriptions). It does not
know what it publishes. Invariant: one message per topic is remembered, and no subscription to anything else; it is
repeated at most a few times a second, because ZeroMQ repeats it to everybody: after a restart all come at once.
"""

import contextlib
import time
from typing import Final

import zmq

from petra.fabric.sockets import Raw

PRICES: Final = b"prices"
TOPICS: Final = frozenset({PRICES})
_ASKED_MAX: Final = 1_000  # at a time, so that a flood of them cannot keep us here
_QUIET_SECONDS: Final = 0.25


class Publisher:
    """The last message of each topic, and the socket on which they go out."""

    def __init__(self, socket: Raw) -> None:
        """Take a bound XPUB socket."""
        self.socket = socket
        # Each subscription shows, not only the first of a topic, and ZeroMQ keeps those that we confirm, no others:
        # a member could fill our memory with a million topics.
        self.socket.xpub_manual = True
        self._last: dict[bytes, bytes] = {}
        self._asked: set[bytes] = set()
        self._quiet_until = 0.0

    def publish(self, topic: bytes, raw: bytes) -> None:
        """Send a message to the subscribers of a topic, and remember it for those to come."""
        assert topic in TOPICS, "topics are few and ours"
        self._last[topic] = raw
        self._send(topic, raw)

    def serve(self) -> None:
        """Take new subscriptions, and answer them together."""
        with contextlib.suppress(zmq.Again):
            for _ in range(_ASKED_MAX):
                asked = self.socket.recv(zmq.NOBLOCK)
                if asked[:1] == b"\1" and asked[1:] in TOPICS:
                    with contextlib.suppress(zmq.ZMQError):  # whoever asked this may be gone
                        self.socket.subscribe(asked[1:])
                    self._asked |= {asked[1:]} & self._last.keys()
        now = time.monotonic()
        if self._asked and now >= self._quiet_until:
            self._quiet_until = now + _QUIET_SECONDS
            for topic in self._asked:
                self._send(topic, self._last[topic])
            self._asked.clear()

    def _send(self, topic: bytes, raw: bytes) -> None:
        with contextlib.suppress(zmq.Again):
            self.socket.send_multipart([topic, raw], zmq.NOBLOCK)
