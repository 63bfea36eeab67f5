"""What the fabric alone costs: signed readings to a DSO that verifies and acknowledges them, and stores nothing.

Two processes on this machine. Round trips are taken one after the other, from `send` to the acknowledgement; the rate
is with 64 under way. Messages are signed before the clock starts; the DSO verifies each (`benchmarks/fabric.py` has the
whole service with its database).
"""

import argparse
import json
import multiprocessing
import platform
import statistics
import time
from collections.abc import Callable, Set
from dataclasses import dataclass
from multiprocessing.connection import Connection

import zmq
from zmq.utils import z85

from petra.domain.messages import MeterReading
from petra.domain.terms import Address
from petra.fabric.gateway import GatewayServer
from petra.fabric.gateway_client import Gateway, GatewayClient
from petra.fabric.intake import TO_DSO, TO_HOME, Intake
from petra.fabric.limits import Limits
from petra.fabric.zmq_client import Server, ZmqClient
from petra.fabric.zmq_server import ZmqServer
from petra.ports import Link
from petra.wire.envelope import Header, seal, signature_domain
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import SecretKey

DOMAIN = signature_domain(1337, Address("0x" + 40 * "1"))
DSO, HOME = (SecretKey(keccak256(name)) for name in (b"dso", b"home"))
IN_FLIGHT = 64
LIMITS = Limits(messages_per_second=0)


@dataclass(frozen=True)
class OneHome:
    """A directory of one member."""

    key: bytes

    def party(self, curve_public: bytes) -> Set[Address]:
        """Return the member's account for its key."""
        return {HOME.address} if curve_public == self.key else frozenset()

    def known(self, account: Address) -> bool:
        """Return whether it is the member's."""
        return account == HOME.address


def serve(transport: str, keys: tuple[bytes, bytes], home_key: bytes, pipe: Connection) -> None:
    """Acknowledge until the parent ends us."""
    intake = Intake(domain=DOMAIN, addresses={DSO.address}, kinds=TO_DSO, clock=time.time)
    members = OneHome(home_key)
    link: Link
    if transport == "zmq":
        server = ZmqServer("tcp://127.0.0.1:*", keys, members, intake, limits=LIMITS)
        link, place = server, server.endpoint
    else:
        gateway = GatewayServer(("127.0.0.1", 0), members, intake, tls=None, limits=LIMITS)
        link, place = gateway, f"http://127.0.0.1:{gateway.port}"
    pipe.send(place)
    while not pipe.poll():
        link.wait(0.1)
        link.acknowledge(link.receive(200))
    link.close()


def messages(count: int) -> list[bytes]:
    """Return signed readings."""
    now = int(time.time())
    return [
        seal(
            Header(
                message_id=number.to_bytes(16),
                sender=HOME.address,
                recipient=DSO.address,
                sequence=number,
                created=now,
                deadline=now + 600,
            ),
            MeterReading(timestep=number, produced=1, consumed=2, previous=bytes(32)),
            HOME.sign,
            DOMAIN,
        ).raw
        for number in range(count)
    ]


def take(link: Link) -> int:
    """Wait for acknowledgements, and return how many came."""
    link.wait(1)
    link.receive(1)
    return len(link.delivered())


def measure(link: Link, count: int) -> dict[str, float]:
    """Return round trips in milliseconds and messages a second."""
    raws = messages(2 * count)
    while not link.send(DSO.address, raws[0]):
        link.wait(0.01)
        link.receive(1)
    while not take(link):
        pass
    trips = []
    for raw in raws[1:count]:
        begin = time.perf_counter()
        assert link.send(DSO.address, raw)
        while not take(link):
            pass
        trips.append(1000 * (time.perf_counter() - begin))
    begin, done, sent = time.perf_counter(), 0, 0
    while done < count:
        while sent < count and sent - done < IN_FLIGHT and link.send(DSO.address, raws[count + sent]):
            sent += 1
        done += take(link)
    rate = count / (time.perf_counter() - begin)
    p99 = statistics.quantiles(trips, n=100)[98]
    return {"round_trip_p50_ms": statistics.median(trips), "round_trip_p99_ms": p99, "messages_per_second": rate}


def run(transport: str, count: int) -> dict[str, float]:
    """Start a DSO, measure and end it."""
    curve: Callable[[], tuple[bytes, bytes]] = zmq.curve_keypair
    dso, home = curve(), curve()
    here, there = multiprocessing.Pipe()
    arguments = (transport, dso, z85.decode(home[0]), there)
    child = multiprocessing.get_context("spawn").Process(target=serve, args=arguments, daemon=True)
    child.start()
    place = here.recv()
    intake = Intake(domain=DOMAIN, addresses={HOME.address}, kinds=TO_HOME, clock=time.time)
    link: Link
    if transport == "zmq":
        link = ZmqClient(Server(endpoint=place, curve_public=dso[0], account=DSO.address), home, intake)
    else:
        link = GatewayClient(Gateway(url=place, account=DSO.address), HOME.address, HOME.sign, intake)
    try:
        return measure(link, count)
    finally:
        link.close()
        here.send("end")
        child.join()


def main() -> None:
    """Measure both transports and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=3_000, help="messages of each kind of measurement")
    count = parser.parse_args().count
    figures = {
        transport: {name: round(value, 3) for name, value in run(transport, count).items()}
        for transport in ("zmq", "http")
    }
    print(json.dumps({"count": count, "machine": platform.machine(), "in_flight": IN_FLIGHT, **figures}, indent=2))


if __name__ == "__main__":
    main()
