"""A DSO and homes with their keys, for tests of the links between them."""

import itertools
import time
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field, replace

import zmq
from zmq.utils import z85

from petra.domain.messages import Body, Envelope, MeterReading
from petra.domain.terms import Address
from petra.fabric.intake import DSO_BYTES_MAX, TO_DSO, TO_HOME, Intake
from petra.fabric.limits import Limits
from petra.fabric.zmq_client import Server, ZmqClient
from petra.fabric.zmq_server import ZmqServer
from petra.ports import Arrival, Link
from petra.wire.envelope import Header, seal, signature_domain
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import SecretKey

DOMAIN = signature_domain(1337, Address("0x" + 40 * "1"))
OTHER_DOMAIN = signature_domain(1338, Address("0x" + 40 * "1"))
READING = MeterReading(timestep=1, produced=2, consumed=3, previous=bytes(32))
NOW = 1_800_000_000
_numbers = itertools.count()


def unique_id() -> bytes:
    """Return a message id that no other message of this process has."""
    return next(_numbers).to_bytes(16)


@dataclass(frozen=True, slots=True)
class Party:
    """An account with its keys."""

    key: SecretKey
    public: bytes
    secret: bytes

    @property
    def account(self) -> Address:
        """The account's address."""
        return self.key.address

    @property
    def curve(self) -> tuple[bytes, bytes]:
        """The CURVE keys."""
        return self.public, self.secret

    def says(self, to: Address, body: Body = READING, *, domain: bytes = DOMAIN, **header: object) -> Envelope:
        """Return a signed message; `header` replaces what would be right."""
        right = Header(
            message_id=unique_id(), sender=self.account, recipient=to, sequence=0, created=NOW, deadline=NOW + 600
        )
        return seal(replace(right, **header), body, self.key.sign, domain)  # type: ignore[arg-type]


def party(name: str) -> Party:
    """Make the party of this name; its account is always the same."""
    public, secret = zmq.curve_keypair()
    return Party(SecretKey(keccak256(name.encode())), z85.decode(public), z85.decode(secret))


@dataclass(slots=True)
class Members:
    """A directory that a test changes."""

    keys: dict[bytes, Set[Address]] = field(default_factory=dict)

    def add(self, *parties: Party) -> None:
        """Enrol parties."""
        self.keys |= {one.public: frozenset({one.account}) for one in parties}

    def party(self, curve_public: bytes) -> Set[Address]:
        """Return whose key this is."""
        return self.keys.get(curve_public, frozenset())

    def known(self, account: Address) -> bool:
        """Return whether any key speaks for the account."""
        return any(account in accounts for accounts in self.keys.values())


QUICK = Limits(redial_seconds=0.2)


def clock() -> float:
    """Return the time, which stands still."""
    return float(NOW)


def server_of(
    dso: Party, members: Members, *, endpoint: str = "tcp://127.0.0.1:*", limits: Limits = QUICK
) -> ZmqServer:
    """Return a DSO's link."""
    intake = Intake(
        domain=DOMAIN, addresses={dso.account}, kinds=TO_DSO, clock=clock, bytes_max=DSO_BYTES_MAX
    )
    return ZmqServer(endpoint, dso.curve, members, intake, limits=limits)


def client_of(home: Party, dso: Party, endpoint: str, *, prices: str | None = None) -> ZmqClient:
    """Return a home's link."""
    intake = Intake(domain=DOMAIN, addresses={home.account}, kinds=TO_HOME, clock=clock)
    server = Server(endpoint=endpoint, curve_public=dso.public, account=dso.account, prices=prices)
    return ZmqClient(server, home.curve, intake, limits=QUICK)


def until(links: Sequence[Link], done: Callable[[], bool], *, seconds: float = 10.0) -> None:
    """Let links work until something is so; AssertionError if it is not within the time."""
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not done within {seconds} s"
        for link in links:
            link.wait(0.002)


def received(link: Link, others: Sequence[Link] = (), *, seconds: float = 10.0) -> list[Arrival]:
    """Return what arrives next at a link, while the others work, too."""
    found: list[Arrival] = []

    def came() -> bool:
        found.extend(link.receive(100))
        return bool(found)

    until([link, *others], came, seconds=seconds)
    return found
