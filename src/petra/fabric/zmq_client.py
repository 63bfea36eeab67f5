"""A home's or meter's side of the fabric: DEALER with CURVE to one server, whose key it knows (DESIGN 5).

Decides: when to connect again, and what to tell the operator when that fails. It knows no rule of the market and
stores nothing. Everything happens in the thread that calls; only `wake` is for others.
Invariants: nothing is queued while there is no connection (`send` says so); only what the server's account signed is
handed over; queues are bounded.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import zmq

from petra.domain.terms import Address
from petra.fabric.frames import HASH_BYTES, Busy, Frame, Hello, Message, Refused, Stored, encode, parse
from petra.fabric.intake import TO_ALL, Intake
from petra.fabric.limits import Limits
from petra.fabric.outcomes import Outcomes
from petra.fabric.publisher import PRICES
from petra.fabric.refusals import LinkReason
from petra.fabric.sockets import (
    WATCHED,
    Bell,
    CurveKeys,
    Raw,
    curve_socket,
    events,
    failure,
    is_handshake_failure,
)
from petra.ports import Arrival
from petra.wire.envelope import envelope_hash

_GREETING_SECONDS: Final = 0.02  # between tries to say hello, when the connection is there and its queue is not yet
_NO_HASH: Final = bytes(HASH_BYTES)
_COMPLAINTS: Final[Mapping[str, str]] = {  # what an operator must mend, though the connection stands
    LinkReason.REVOKED: "takes nothing from us any more: this account was revoked",
    LinkReason.FROM_THE_FUTURE: "finds our clock ahead of its own: set the clock",
    LinkReason.EXPIRED: "finds our messages more than a day late: set the clock",
    LinkReason.VERSION: "does not speak our version of the envelope",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """Where a server is and how we know it.

    Attributes:
        endpoint: such as `tcp://dso.example:5555`.
        curve_public: its CURVE key.
        account: who signs what it says.
        prices: where it publishes the price schedule; None = it is only sent.
    """

    endpoint: str
    curve_public: bytes
    account: Address
    prices: str | None = None


class ZmqClient:
    """A `Link` to one server."""

    def __init__(self, server: Server, keys: CurveKeys, intake: Intake, *, limits: Limits | None = None) -> None:
        """Begin to connect; `trouble` says why it fails.

        Args:
            server: whom to connect to.
            keys: our CURVE keys.
            intake: our accounts, and what may be said to us.
            limits: queues and times.
        """
        self._limits = limits or Limits()
        self._server = server
        self._intake = intake
        self._context: zmq.Context[Raw] = zmq.Context()
        self._bell = Bell()
        self._dealer = self._made(zmq.DEALER, keys)
        self._dealer.immediate = 1  # a message waits in the postbox, not in a queue that dies with us
        self._monitor = self._dealer.get_monitor_socket(WATCHED)
        self._dealer.connect(server.endpoint)
        self._prices = self._subscribed(keys, server.prices) if server.prices else None
        self._outcomes = Outcomes()
        self._connected = self._greeted = False
        self._redial_at: float | None = None
        self._trouble: str | None = None
        self._complaints: dict[str, str] = {}  # what they say to ours, and we to theirs, until a message passes
        self._returned: list[Address] = []
        self.refusals: Counter[str] = Counter()  # what was refused, by reason

    def trouble(self) -> str | None:
        """Return one sentence about why nothing passes; None while it does, or while the first connection is tried."""
        self._watch()
        return self._trouble or next(iter(self._complaints.values()), None)

    # ---- the port

    def wait(self, seconds: float) -> None:
        """Return when something has arrived, when `wake` was called, or after so many seconds."""
        until = time.monotonic() + seconds
        while not (self._outcomes.any or self._returned):
            ready = self._poll(max(0.0, until - time.monotonic()))
            if self._bell.fileno() in ready or self._dealer in ready or self._prices in ready:
                self._bell.hush()
                return
            if time.monotonic() >= until:
                return

    def wake(self) -> None:
        """End a `wait`; from any thread."""
        self._bell.ring()

    def receive(self, limit: int) -> list[Arrival]:
        """Return what arrived for us, verified and from the server's account; bad frames were refused by name."""
        self._watch()
        arrivals: list[Arrival] = []
        for socket, took in ((self._dealer, self._took), (self._prices, self._published)):
            with contextlib.suppress(zmq.Again):
                for _ in range(4 * limit if socket is not None else 0):
                    if len(arrivals) >= limit:
                        break
                    assert socket is not None
                    if (arrival := took(socket.recv_multipart(zmq.NOBLOCK))) is not None:
                        arrivals.append(arrival)
        return arrivals

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """Tell the server that these messages are stored here; nobody waits for that of what is published."""
        for arrival in arrivals:
            if arrival.origin is self._dealer:
                self._sent(Stored(envelope_hash(arrival.envelope.raw)))

    def busy(self, arrivals: Sequence[Arrival], retry_ms: int) -> None:
        """Tell the server that these messages were not taken, and when to try again."""
        for arrival in arrivals:
            self.refusals[LinkReason.BUSY] += 1
            if arrival.origin is self._dealer:
                self._sent(Busy(envelope_hash(arrival.envelope.raw), retry_ms))

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """Tell the server that this message will never be taken, and why."""
        self.refusals[reason] += 1
        if arrival.origin is self._dealer:
            self._sent(Refused(envelope_hash(arrival.envelope.raw), reason))

    def send(self, recipient: Address, raw: bytes) -> bool:
        """Try to send now; False where there is no connection, the queue is full, or it is for somebody else."""
        self._watch()
        if recipient != self._server.account or not self._connected or not self._sent(Message(raw)):
            return False
        self._outcomes.sent(envelope_hash(raw), recipient)
        return True

    def delivered(self) -> list[bytes]:
        """Return the hashes of envelopes that the server has stored, since the last call."""
        return self._outcomes.delivered()

    def refused(self) -> list[tuple[bytes, str]]:
        """Return hash and reason of envelopes that the server refused, since the last call."""
        return self._outcomes.refused()

    def returned(self) -> list[Address]:
        """Return the server's account if it has been reached anew since the last call."""
        taken, self._returned = self._returned, []
        return taken

    def close(self) -> None:
        """Let go of sockets; once is enough."""
        if self._context.closed:
            return
        self._dealer.disable_monitor()
        for socket in (self._monitor, self._dealer, self._prices):
            if socket is not None:
                socket.close(linger=0)
        self._bell.close()
        self._context.term()

    # ---- connection

    def _made(self, kind: int, keys: CurveKeys) -> Raw:
        made = curve_socket(self._context, kind, keys, self._limits, bytes_max=self._intake.bytes_max)
        made.curve_serverkey = self._server.curve_public
        made.reconnect_ivl = 100
        made.reconnect_ivl_max = 2_000
        return made

    def _subscribed(self, keys: CurveKeys, endpoint: str) -> Raw:
        made = self._made(zmq.SUB, keys)
        made.subscribe(PRICES)
        made.connect(endpoint)
        return made

    def _poll(self, seconds: float) -> dict[Any, int]:
        poller = zmq.Poller()
        for watched in (self._bell, self._dealer, self._monitor, self._prices):
            if watched is not None:
                poller.register(watched, zmq.POLLIN)
        if self._connected and not self._greeted:
            seconds = min(seconds, _GREETING_SECONDS)
        if self._redial_at is not None:
            seconds = min(seconds, max(0.0, self._redial_at - time.monotonic()))
        ready = dict(poller.poll(int(seconds * 1000 + 0.999)))
        self._watch()
        return ready

    def _watch(self) -> None:
        """Follow what becomes of the connection."""
        for event, _ in events(self._monitor):
            if event == zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self._connected, self._greeted, self._trouble = True, False, None
                continue
            self._connected = False
            if is_handshake_failure(event):
                self._hang_up()
            if self._redial_at is None or is_handshake_failure(event):
                self._trouble = failure(event, self._server.endpoint)
        if self._redial_at is not None and time.monotonic() >= self._redial_at:
            self._redial_at = None
            self._dealer.connect(self._server.endpoint)
        if self._connected and not self._greeted and self._sent(Hello()):
            self._greeted = True
            self._returned.append(self._server.account)

    def _hang_up(self) -> None:
        """Take trying again into our hands: libzmq never would after a refusal, and at once after a wrong key."""
        if self._redial_at is None:
            with contextlib.suppress(zmq.ZMQError):  # the connection may be gone already
                self._dealer.disconnect(self._server.endpoint)
            self._redial_at = time.monotonic() + self._limits.redial_seconds

    # ---- frames

    def _took(self, parts: list[bytes]) -> Arrival | None:
        frame = parse(parts)
        match frame:
            case Message(raw=raw):
                return self._message(raw)
            case Hello():
                return None
            case LinkReason() as reason:
                self._refuse(_NO_HASH, reason)
            case _:
                self._outcomes.answered(frame, lambda: {self._server.account})
                self._listen(frame)
        return None

    def _listen(self, answer: Frame) -> None:
        """Keep what the server finds wrong with our messages, until it takes one."""
        match answer:
            case Stored():
                self._complaints.pop("ours", None)
            case Refused(word=word) if word in _COMPLAINTS:
                self._complaints["ours"] = f"{self._server.endpoint} {_COMPLAINTS[word]}"

    def _message(self, raw: bytes) -> Arrival | None:
        opened = self._intake.open(raw, {self._server.account})
        if isinstance(opened, LinkReason):
            if opened is LinkReason.FROM_THE_FUTURE:
                self._complaints["theirs"] = f"{self._server.endpoint} has a clock ahead of ours: set the clock"
            self._refuse(envelope_hash(raw), opened)
            return None
        self._complaints.pop("theirs", None)
        return Arrival(envelope=opened, origin=self._dealer)

    def _published(self, parts: list[bytes]) -> Arrival | None:
        opened = self._intake.open(parts[-1], {self._server.account}) if len(parts) == 2 else LinkReason.MALFORMED
        if not isinstance(opened, LinkReason) and opened.kind not in TO_ALL:
            opened = LinkReason.KIND
        if isinstance(opened, LinkReason):
            self.refusals[opened] += 1
            return None
        return Arrival(envelope=opened, origin=self._prices)

    def _refuse(self, digest: bytes, reason: LinkReason) -> None:
        self.refusals[reason] += 1
        self._sent(Refused(digest, reason))

    def _sent(self, frame: Frame) -> bool:
        try:
            self._dealer.send_multipart(encode(frame), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True
