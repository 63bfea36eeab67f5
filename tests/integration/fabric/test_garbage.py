"""Bytes that are no protocol of ours at the raw port of every service: it stays up, and serves its members."""

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest

from petra.domain.messages import Kind
from petra.fabric.limits import Limits
from petra.ports import Link
from petra.wire.envelope import envelope_hash
from tests.integration.fabric.certificates import self_signed
from tests.integration.fabric.forgery import draft
from tests.integration.fabric.parties import (
    Members,
    Party,
    Taker,
    client_of,
    dso_intake,
    gateway_client_of,
    gateway_of,
    party,
    server_of,
    until,
)

# What scanners send: see what speaks there.
PROBES = [
    b"",
    b"\0",
    b"\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"POST /v1/envelopes HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\nabc",
    b"POST /v1/envelopes HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"DELETE /v1/mailbox/../../etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"SSH-2.0-OpenSSH_9.6\r\n",
    b"EHLO mail\r\n",
    b"HELP\r\nSTATS\r\n",
    b"*1\r\n$4\r\nINFO\r\n",
    bytes.fromhex("16030100a5010000a10303") + bytes(160),  # a TLS hello
    bytes.fromhex("0300002a25e00000000000436f6f6b69653a20"),  # remote desktop
    bytes.fromhex("ff534d4272000000001853c8"),  # file shares
    bytes.fromhex("100c00044d51545404020000"),  # MQTT
    b"\xff" * 10_000,
    bytes(10_000),
]
_OPEN = Path("/proc/self/fd")
_GREETING = bytes.fromhex("ff00000000000000017f0301") + b"CURVE".ljust(20, b"\0") + bytes(32)
_HELLO = b"\4\xc8\5HELLO\1\0" + bytes(72 + 32 + 8 + 80)


@dataclass
class Service:
    """A port, and a member who uses what listens there."""

    port: int
    dso: Party
    home: Party
    at_dso: Taker
    client: Link

    def poke(self, data: bytes) -> None:
        """Send bytes to the port and leave."""
        with contextlib.suppress(ConnectionError), socket.create_connection(("127.0.0.1", self.port)) as probe:
            probe.sendall(data)
            self.at_dso.link.wait(0.001)
            assert not self.at_dso.link.receive(10)

    def serves(self) -> bool:
        """Return whether a member's message is taken."""
        raw = draft(Kind.METER_READING, self.dso, self.home, self.home).raw

        def stored() -> bool:
            self.at_dso.turn()
            self.client.receive(1)
            return envelope_hash(raw) in self.client.delivered()

        def sent() -> bool:
            self.at_dso.turn()
            return self.client.send(self.dso.account, raw)

        until([self.at_dso.link, self.client], sent)
        until([self.at_dso.link, self.client], stored)
        return True


@pytest.fixture(scope="module", params=["zmq", "zmq-enrolment", "https", "http"])
def service(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Yield each port in turn; a handshake may take half a second."""
    dso, home, members = party("dso"), party("home"), Members()
    members.add(home)
    with contextlib.ExitStack() as stack:
        server: Link
        client: Link
        if request.param.startswith("zmq"):
            zmq_server = server_of(dso, members, limits=Limits(handshake_ms=500, redial_seconds=0.2))
            stack.callback(zmq_server.close)
            intake = dso_intake(dso)
            door = zmq_server.open_enrolment("tcp://127.0.0.1:*", intake)
            endpoint = door if request.param == "zmq-enrolment" else zmq_server.endpoint
            server, client = zmq_server, client_of(home, dso, zmq_server.endpoint)
            port = int(endpoint.rpartition(":")[2])
        else:
            tls = self_signed(tmp_path_factory.mktemp("tls")) if request.param == "https" else None
            gateway = gateway_of(dso, members, tls)
            stack.callback(gateway.close)
            server, client, port = gateway, gateway_client_of(home, dso, gateway.port, tls), gateway.port
        stack.callback(client.close)
        yield Service(port, dso, home, Taker(server), client)


def test_a_port_scan_leaves_the_service_up(service: Service) -> None:
    """Every probe, once whole and once cut."""
    assert service.serves()
    for probe in PROBES:
        service.poke(probe)
        service.poke(probe[: len(probe) // 2])
    assert service.serves()


def test_greetings_that_stop_anywhere_leave_the_service_up(service: Service) -> None:
    """ZeroMQ's greeting and the first of CURVE's handshake, cut at every byte, and each byte altered."""
    whole = _GREETING + _HELLO
    for end in range(len(whole)):
        service.poke(whole[:end])
    rng = Random(5)
    for at in range(0, len(whole), 3):
        service.poke(whole[:at] + bytes((whole[at] ^ rng.randrange(1, 256),)) + whole[at + 1 :])
    assert service.serves()


def test_random_bytes_leave_the_service_up(service: Service) -> None:
    """Noise of all lengths, alone and after a good greeting."""
    rng = Random(6)
    for _ in range(60):
        noise = rng.randbytes(rng.randrange(1, 2_000))
        service.poke(noise)
        service.poke(_GREETING + noise)
    assert service.serves()


def test_connections_that_stay_half_open_leave_the_service_up(service: Service) -> None:
    """A hundred that say nothing, or stop in the middle, do not keep members out; nor does leaving with a reset."""
    with contextlib.ExitStack() as stack:
        for number in range(100):
            probe = stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            probe.sendall((b"", _GREETING[:5], _GREETING, b"POST /v1/envel")[number % 4])
            if number % 5 == 0:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, bytes((1, 0, 0, 0, 0, 0, 0, 0)))
        assert service.serves()
    assert service.serves()


@pytest.mark.skipif(not _OPEN.is_dir(), reason="the system does not show open descriptors")
def test_what_was_opened_is_closed(service: Service) -> None:
    """Nothing of all this keeps descriptors open for ever."""
    before = len(list(_OPEN.iterdir()))
    for _ in range(100):
        service.poke(_GREETING)
    until([service.at_dso.link], lambda: len(list(_OPEN.iterdir())) <= before + 5)
    assert service.serves()
