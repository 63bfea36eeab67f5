"""A DSO and homes with their keys, for tests of the links between them."""

import itertools
import time
from collections.abc import Callable, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

import zmq
from zmq.utils import z85

from petra.domain.messages import Body, Enrol, Envelope, MeterReading, PriceSchedule
from petra.domain.terms import Address
from petra.fabric.gateway import GatewayServer
from petra.fabric.gateway_client import Gateway, GatewayClient
from petra.fabric.gateway_thread import Tls
from petra.fabric.intake import DSO_BYTES_MAX, FROM_GUESTS, TO_DSO, TO_HOME, Intake
from petra.fabric.limits import Limits
from petra.fabric.refusals import LinkReason
from petra.fabric.zmq_client import Server, ZmqClient
from petra.fabric.zmq_server import ZmqServer
from petra.ports import Arrival, Link
from petra.wire.envelope import Header, envelope_hash, seal, signature_domain
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import SecretKey

DOMAIN = signature_domain(1337, Address("0x" + 40 * "1"))
OTHER_DOMAIN = signature_domain(1338, Address("0x" + 40 * "1"))
ENROLMENT = Enrol(
    token=b"token",
    meter=Address("0x" + 40 * "2"),
    curve_key=bytes(32),
    meter_curve_key=bytes(32),
    meter_proof=bytes(65),
)
READING = MeterReading(timestep=1, produced=2, consumed=3, previous=bytes(32))
NOW = 1_800_000_000
HOME_BYTES_MAX = 256 * 1024  # a real home takes longer bills
PRICE_LIST = PriceSchedule(from_timestep=1, retail=5, feed_in=1, local=3, grid_fee=1, imbalance=9, bulk=2)
T = TypeVar("T")
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


def dso_intake(dso: Party) -> Intake:
    """Return what a DSO hears."""
    return Intake(domain=DOMAIN, addresses={dso.account}, kinds=TO_DSO, clock=clock, bytes_max=DSO_BYTES_MAX)


def _home_intake(home: Party) -> Intake:
    return Intake(
        domain=DOMAIN, addresses={home.account}, kinds=TO_HOME, clock=clock, bytes_max=HOME_BYTES_MAX
    )


def server_of(
    dso: Party, members: Members, *, endpoint: str = "tcp://127.0.0.1:*", limits: Limits = QUICK
) -> ZmqServer:
    """Return a DSO's link."""
    return ZmqServer(endpoint, dso.curve, members, dso_intake(dso), limits=limits)


def client_of(home: Party, dso: Party, endpoint: str, *, prices: str | None = None) -> ZmqClient:
    """Return a home's link."""
    server = Server(endpoint=endpoint, curve_public=dso.public, account=dso.account, prices=prices)
    return ZmqClient(server, home.curve, _home_intake(home), limits=QUICK)


def gateway_of(
    dso: Party, members: Members, tls: Tls | None, *, port: int = 0, limits: Limits = QUICK
) -> GatewayServer:
    """Return a DSO's gateway."""
    intake = replace(dso_intake(dso), kinds=TO_DSO | FROM_GUESTS)
    return GatewayServer(("127.0.0.1", port), members, intake, tls=tls, guests_say=FROM_GUESTS, limits=limits)


def gateway_client_of(home: Party, dso: Party, port: int, tls: Tls | None) -> GatewayClient:
    """Return a home's link to a gateway."""
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    gateway = Gateway(url=url, account=dso.account, authority=tls.certificate if tls else None)
    return GatewayClient(gateway, home.account, home.key.sign, _home_intake(home))


@dataclass
class Taker:
    """What a service does with arrivals: each message is taken once, a known one is acknowledged again."""

    link: Link
    taken: dict[tuple[Address, bytes], bytes] = field(default_factory=dict)
    first_times: int = 0

    def turn(self) -> None:
        """Take what has come."""
        for arrival in self.link.receive(100):
            key = arrival.envelope.sender, arrival.envelope.message_id
            digest = envelope_hash(arrival.envelope.raw)
            self.first_times += key not in self.taken
            if self.taken.setdefault(key, digest) != digest:
                self.link.refuse(arrival, LinkReason.REPLAYED)
            else:
                self.link.acknowledge([arrival])


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


def served(server: Link, ask: Callable[[], T]) -> T:
    """Return what a web request is answered, while the server takes and stores what comes."""
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(ask)

        def done() -> bool:
            server.acknowledge(server.receive(10))
            return answer.done()

        until([server], done)
        return answer.result()


def gathered(bag: list[T], more: Sequence[T]) -> bool:
    """Put more into a bag; return whether anything is in it."""
    bag.extend(more)
    return bool(bag)
