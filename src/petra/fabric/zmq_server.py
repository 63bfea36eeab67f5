"""The DSO's side of the fabric: ROUTER with CURVE, one key per party, and a second door for enrolment (DESIGN 5).

Decides: which connection a frame came from may say what, and through which one an account is reached. It knows no rule
of the market and stores nothing. Everything happens in the thread that calls; only `wake` is for others.
Invariants: no message is handed over unless its sender's account belongs, now, to the key of its connection; no message
is sent on a connection whose key does not speak for the recipient, now; queues and tables are bounded.
"""

import contextlib
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence, Set
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

import zmq
from zmq.utils import z85

from petra.domain.messages import Envelope
from petra.domain.terms import Address
from petra.fabric.directory import Directory
from petra.fabric.doorkeeper import ENROLMENT, MEMBERS, Doorkeeper
from petra.fabric.frames import HASH_BYTES, Busy, Frame, Hello, Message, Refused, Stored, encode, parse
from petra.fabric.intake import Intake
from petra.fabric.limits import Limits, RateLimit
from petra.fabric.outcomes import Outcomes
from petra.fabric.publisher import Publisher
from petra.fabric.refusals import LinkReason
from petra.fabric.sockets import Bell, CurveKeys, Raw, bind, curve_socket
from petra.ports import Arrival
from petra.wire.envelope import envelope_hash

_VISITORS_MAX: Final = 1_000
_NO_HASH: Final = bytes(HASH_BYTES)


@dataclass(frozen=True, slots=True)
class _Door:
    """A bound socket with what may be said there."""

    socket: Raw
    endpoint: str
    intake: Intake
    rate: RateLimit
    members: bool


@dataclass(frozen=True, slots=True)
class _Origin:
    """One connection: its door, libzmq's name for it, and the key that it proved."""

    door: _Door
    route: bytes
    key: bytes


class ZmqServer:
    """A `Link` to everybody who connects."""

    def __init__(
        self,
        endpoint: str,
        keys: CurveKeys,
        directory: Directory,
        intake: Intake,
        *,
        limits: Limits | None = None,
    ) -> None:
        """Listen for members.

        Args:
            endpoint: such as `tcp://0.0.0.0:5555`; port `*` takes a free one, `endpoint` tells which.
            keys: the server's CURVE keys.
            directory: who may speak.
            intake: what may be said.
            limits: sizes, queues and rates.

        Raises:
            InputError: the port is taken or the endpoint cannot be used.
        """
        self._limits = limits or Limits()
        self._keys = keys
        self._directory = directory
        self._context: zmq.Context[Raw] = zmq.Context()
        self._bell = Bell()
        self._doorkeeper = Doorkeeper(self._context, directory)
        self._doors: list[_Door] = []
        self._publisher: Publisher | None = None
        self._members: dict[Address, _Origin] = {}
        self._visitors: OrderedDict[Address, _Origin] = OrderedDict()
        self._outcomes = Outcomes()
        self._returned: list[Address] = []
        self.refusals: Counter[str] = Counter()  # what was refused, by reason
        rate = RateLimit(self._limits.messages_per_second, self._limits.burst)
        self._open(endpoint, intake, rate, members=True)

    @property
    def endpoint(self) -> str:
        """Where members connect."""
        return self._doors[0].endpoint

    def open_enrolment(self, endpoint: str, intake: Intake) -> str:
        """Open the door at which any key may speak, within `intake`'s kinds; return its endpoint.

        Raises:
            InputError: the port is taken or the endpoint cannot be used.
        """
        per_minute = self._limits.enrolments_per_minute
        return self._open(endpoint, intake, RateLimit(per_minute / 60, int(per_minute)), members=False).endpoint

    def open_publisher(self, endpoint: str) -> str:
        """Open the place where members subscribe to what is published; return its endpoint.

        Raises:
            InputError: the port is taken or the endpoint cannot be used.
        """
        made = self._made(zmq.XPUB, MEMBERS, 1024)
        try:
            bound = bind(made, endpoint)
        except BaseException:
            made.close()
            raise
        self._publisher = Publisher(made)
        return bound

    def publish(self, topic: bytes, raw: bytes) -> None:
        """Send a signed message to all who subscribed to a topic, and to each who will."""
        assert self._publisher is not None, "open_publisher comes first"
        self._publisher.publish(topic, raw)

    # ---- the port

    def wait(self, seconds: float) -> None:
        """Return when something has arrived, when `wake` was called, or after so many seconds."""
        until = time.monotonic() + seconds
        while not self._outcomes.any:
            ready = self._poll(max(0.0, until - time.monotonic()))
            if self._bell.fileno() in ready or any(door.socket in ready for door in self._doors):
                self._bell.hush()
                return
            if time.monotonic() >= until:
                return

    def wake(self) -> None:
        """End a `wait`; from any thread."""
        self._bell.ring()

    def receive(self, limit: int) -> list[Arrival]:
        """Return what arrived for us, verified and from parties that may speak; bad frames were refused by name."""
        self._doorkeeper.answer()
        arrivals: list[Arrival] = []
        for door in self._doors:
            with contextlib.suppress(zmq.Again):
                for _ in range(4 * limit):  # answers, too, so that a flood of them cannot keep us here
                    if len(arrivals) >= limit:
                        break
                    arrival = self._took(door, door.socket.recv_multipart(zmq.NOBLOCK, copy=False))
                    if arrival is not None:
                        arrivals.append(arrival)
        return arrivals

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """Tell the senders that these messages are stored here."""
        for arrival in arrivals:
            self._reply(arrival.origin, Stored(envelope_hash(arrival.envelope.raw)))

    def busy(self, arrivals: Sequence[Arrival], retry_ms: int) -> None:
        """Tell the senders that these messages were not taken, and when to try again."""
        for arrival in arrivals:
            self.refusals[LinkReason.BUSY] += 1
            self._reply(arrival.origin, Busy(envelope_hash(arrival.envelope.raw), retry_ms))

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """Tell the sender that this message will never be taken, and why."""
        self.refusals[reason] += 1
        self._reply(arrival.origin, Refused(envelope_hash(arrival.envelope.raw), reason))

    def send(self, recipient: Address, raw: bytes) -> bool:
        """Try to send now; False where the recipient cannot be reached or the queue is full."""
        origin = self._members.get(recipient)
        if origin is not None and recipient not in self._directory.party(origin.key):
            del self._members[recipient]
            origin = None
        origin = origin or self._visitors.get(recipient)
        if origin is None or not self._sent(origin, Message(raw)):
            return False
        self._outcomes.sent(envelope_hash(raw), recipient)
        return True

    def delivered(self) -> list[bytes]:
        """Return the hashes of envelopes that their recipients have stored, since the last call."""
        return self._outcomes.delivered()

    def refused(self) -> list[tuple[bytes, str]]:
        """Return hash and reason of envelopes that their recipients refused, since the last call."""
        return self._outcomes.refused()

    def returned(self) -> list[Address]:
        """Return the accounts that have connected since the last call."""
        taken, self._returned = self._returned, []
        return taken

    def trouble(self) -> str | None:
        """Return None: others come to us."""
        return None

    def close(self) -> None:
        """Let go of sockets; once is enough."""
        if self._context.closed:
            return
        for door in self._doors:
            door.socket.close()
        if self._publisher is not None:
            self._publisher.socket.close()
        self._doorkeeper.close()
        self._bell.close()
        self._context.term()

    # ---- doors

    def _open(self, endpoint: str, intake: Intake, rate: RateLimit, *, members: bool) -> _Door:
        made = self._made(zmq.ROUTER, MEMBERS if members else ENROLMENT, intake.bytes_max)
        made.router_mandatory = 1
        try:
            door = _Door(made, bind(made, endpoint), intake, rate, members)
        except BaseException:
            made.close()
            if not self._doors:
                self.close()
            raise
        self._doors.append(door)
        return door

    def _made(self, kind: int, domain: bytes, bytes_max: int) -> Raw:
        made = curve_socket(self._context, kind, self._keys, self._limits, bytes_max=bytes_max)
        made.curve_server = True
        made.zap_domain = domain
        return made

    def _poll(self, seconds: float) -> dict[Any, int]:
        poller = zmq.Poller()
        for watched in (self._bell, self._doorkeeper.socket, *(door.socket for door in self._doors)):
            poller.register(watched, zmq.POLLIN)
        if self._publisher is not None:
            poller.register(self._publisher.socket, zmq.POLLIN)
        ready = dict(poller.poll(int(seconds * 1000 + 0.999)))
        self._doorkeeper.answer()
        if self._publisher is not None:
            self._publisher.serve()
        return ready

    # ---- frames

    def _took(self, door: _Door, parts: list[zmq.Frame]) -> Arrival | None:
        """Handle one frame; return the message that it brought, if it did and if we take it."""
        origin = _Origin(door, parts[0].bytes, _key(str(parts[-1].get("User-Id"))))
        frame = parse([part.bytes for part in parts[1:]])
        match frame:
            case Message(raw=raw):
                return self._message(origin, raw, str(parts[-1].get("Peer-Address")))
            case Hello():
                if door.members:
                    self._greet(origin)
            case LinkReason() as reason:
                self._refuse(origin, _NO_HASH, reason)
            case _:
                self._outcomes.answered(frame, lambda: self._accounts(origin))
        return None

    def _message(self, origin: _Origin, raw: bytes, place: str) -> Arrival | None:
        door = origin.door
        speakers = self._directory.party(origin.key) if door.members else None
        opened: Envelope | LinkReason
        if not door.rate.allows(origin.key if door.members else place.encode(), time.monotonic()):
            opened = LinkReason.RATE
        elif door.members and not speakers:
            opened = LinkReason.REVOKED  # the doorkeeper knew the key when it connected
        else:
            opened = door.intake.open(raw, speakers)
        if isinstance(opened, LinkReason):
            self._refuse(origin, envelope_hash(raw), opened)
            return None
        self._reached(opened.sender, origin)
        return Arrival(envelope=opened, origin=origin)

    def _greet(self, origin: _Origin) -> None:
        for account in self._directory.party(origin.key):
            self._reached(account, origin)
            self._returned.append(account)

    def _reached(self, account: Address, origin: _Origin) -> None:
        """Remember the newest connection of an account."""
        if origin.door.members:
            self._members[account] = origin
            self._visitors.pop(account, None)
            return
        self._visitors[account] = origin
        if len(self._visitors) > _VISITORS_MAX:
            self._visitors.popitem(last=False)

    def _accounts(self, origin: _Origin) -> Set[Address]:
        if origin.door.members:
            return self._directory.party(origin.key)
        return {account for account, known in self._visitors.items() if known.route == origin.route}

    def _refuse(self, origin: _Origin, digest: bytes, reason: LinkReason) -> None:
        self.refusals[reason] += 1
        self._reply(origin, Refused(digest, reason))

    def _reply(self, origin: object, frame: Frame) -> None:
        """Answer a frame; an answer that finds no way is repeated when the frame comes again."""
        assert isinstance(origin, _Origin), "an arrival of this link"
        self._sent(origin, frame)

    def _sent(self, origin: _Origin, frame: Frame) -> bool:
        try:
            origin.door.socket.send_multipart([origin.route, *encode(frame)], zmq.NOBLOCK)
        except zmq.ZMQError as error:
            if error.errno not in {zmq.EAGAIN, zmq.EHOSTUNREACH}:
                raise
            return False
        return True


@lru_cache(maxsize=65_536)
def _key(user_id: str) -> bytes:
    return z85.decode(user_id.encode("ascii"))
