"""The HTTPS gateway: the same envelopes, the same refusals, and mail for its owner only."""

import base64
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from petra.domain.messages import BillStatement, Envelope
from petra.errors import InputError
from petra.fabric.gateway import GatewayServer
from petra.fabric.gateway_client import Gateway, GatewayClient
from petra.fabric.gateway_thread import Tls
from petra.fabric.https import NoAnswer
from petra.fabric.intake import EVERYBODY
from petra.fabric.mailbox_proof import mailbox_proof
from petra.fabric.publisher import PRICES
from petra.fabric.refusals import LinkReason
from petra.ports import Arrival, Link
from petra.wire.envelope import envelope_hash
from tests.integration.fabric.certificates import self_signed
from tests.integration.fabric.parties import (
    DOMAIN,
    ENROLMENT,
    NOW,
    PRICE_LIST,
    Members,
    Party,
    gateway_client_of,
    gateway_of,
    gathered,
    party,
    received,
    served,
    until,
)


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    """Return the files of a certificate for 127.0.0.1."""
    return self_signed(tmp_path_factory.mktemp("tls"))


@dataclass
class Line:
    """A DSO with a gateway, a home that uses it, and a plain web client."""

    dso: Party
    home: Party
    members: Members
    server: GatewayServer
    client: GatewayClient
    web: httpx.Client

    @property
    def both(self) -> tuple[Link, Link]:
        """The two links."""
        return self.server, self.client


@pytest.fixture
def line(tls: Tls) -> Iterator[Line]:
    """Yield a line that works."""
    dso, home, members = party("dso"), party("home"), Members()
    members.add(home)
    server = gateway_of(dso, members, tls)
    client = gateway_client_of(home, dso, server.port, tls)
    try:
        until([server, client], lambda: bool(server.receive(10) or client.returned()))
        trusted = ssl.create_default_context(cafile=tls.certificate)
        with httpx.Client(base_url=f"https://127.0.0.1:{server.port}", verify=trusted) as web:
            yield Line(dso, home, members, server, client, web)
    finally:
        client.close()
        server.close()


def test_a_certificate_that_nobody_vouches_for_is_not_spoken_to(line: Line) -> None:
    """Without the authority's certificate the client says which gateway it does not trust."""
    gateway = Gateway(url=f"https://127.0.0.1:{line.server.port}", account=line.dso.account)
    client = GatewayClient(gateway, line.home.account, line.home.key.sign, line.client._intake)
    try:
        until([client], lambda: client.trouble() is not None)
        assert "certificate that we do not trust" in str(client.trouble())
    finally:
        client.close()


def test_an_unknown_account_is_told_so_in_one_sentence(line: Line, tls: Tls) -> None:
    """A home that is not enrolled gets no mail, and its operator reads why."""
    stranger = gateway_client_of(party("stranger"), line.dso, line.server.port, tls)
    try:
        until([line.server, stranger], lambda: bool(line.server.receive(10)) or stranger.trouble() is not None)
        assert "not enrolled" in str(stranger.trouble())
    finally:
        stranger.close()


def test_nobody_there_is_told_so_in_one_sentence(line: Line) -> None:
    """A gateway that went away is reported, and nothing is queued for it."""
    line.server.close()
    until([line.client], lambda: line.client.trouble() is not None)
    assert "does not answer" in str(line.client.trouble())
    assert not line.client.send(line.dso.account, line.home.says(line.dso.account).raw)


def test_a_post_that_failed_once_is_forgotten_when_one_passes(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trouble ends with its cause, although the thread that fetches never had any."""

    def fails(*_: object) -> None:
        raise NoAnswer("it does not answer")

    with monkeypatch.context() as broken:
        broken.setattr(line.client._posting, "ask", fails)
        line.client.send(line.dso.account, line.home.says(line.dso.account).raw)
        until([line.client], lambda: line.client.trouble() == "it does not answer")
    line.client.send(line.dso.account, line.home.says(line.dso.account).raw)
    line.server.acknowledge(received(line.server, [line.client]))
    until([line.server, line.client], lambda: line.client.trouble() is None)


def test_mail_for_somebody_else_is_not_brought_to_the_gateway(line: Line) -> None:
    """A meter's reading for its home goes by the home's own door: the DSO would refuse it, for good."""
    assert not line.client.send(party("meter").account, line.home.says(line.dso.account).raw)
    assert line.client.send(line.dso.account, line.home.says(line.dso.account).raw)


def test_unusable_files_and_ports_are_one_clear_error(line: Line, tmp_path: Path) -> None:
    """A missing certificate and a taken port are found before anything is served."""
    with pytest.raises(InputError, match="certificate or key"):
        gateway_of(line.dso, line.members, Tls(certificate=tmp_path / "none", key=tmp_path / "none"))
    with pytest.raises(InputError, match="cannot listen"):
        gateway_of(line.dso, line.members, None, port=line.server.port)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"account": "other"}, LinkReason.SIGNATURE),
        ({"at": NOW - 61}, LinkReason.EXPIRED),
        ({"at": NOW + 61}, LinkReason.FROM_THE_FUTURE),
        ({"domain": bytes(32)}, LinkReason.SIGNATURE),
        ({"header": "PETra"}, LinkReason.MALFORMED),
        ({"header": "PETra 0x00 1 2"}, LinkReason.SIGNATURE),
        ({"header": f"PETra 0x{40 * '1'} +1 00"}, LinkReason.MALFORMED),
    ],
)
def test_mail_is_for_its_owner_only(line: Line, change: dict[str, object], reason: LinkReason) -> None:
    """A proof by another key, too old, too early, of another deployment or of no form opens no mailbox."""
    account = party(str(change.get("account", "home"))).account
    at, domain = int(str(change.get("at", NOW))), change.get("domain", DOMAIN)
    assert isinstance(domain, bytes)
    proof = str(change.get("header", mailbox_proof(account, at, line.home.key.sign, domain)))
    answer = served(line.server, lambda: line.web.get("/v1/mailbox", headers={"Authorization": proof}))
    assert (answer.status_code, answer.json()["reason"]) == (401, reason)


def test_a_message_is_stored_before_202_is_said(line: Line) -> None:
    """`delivered` tells the sender only after `acknowledge`."""
    reading = line.home.says(line.dso.account)
    assert line.client.send(line.dso.account, reading.raw)
    arrivals = received(line.server, [line.client])
    assert [arrival.envelope for arrival in arrivals] == [reading]
    assert line.client.delivered() == []
    line.server.acknowledge(arrivals)
    until([line.client], lambda: line.client.delivered() == [envelope_hash(reading.raw)])


def test_a_busy_or_refusing_recipient_says_so(line: Line) -> None:
    """The sender learns when to try again, or why never."""
    raw = line.home.says(line.dso.account).raw
    line.client.send(line.dso.account, raw)
    line.server.busy(received(line.server, [line.client]), 250)
    answers: list[tuple[bytes, str]] = []
    until([line.client], lambda: gathered(answers, line.client.refused()))
    line.client.send(line.dso.account, raw)
    line.server.refuse(received(line.server, [line.client])[0], LinkReason.REPLAYED)
    until([line.client], lambda: gathered(answers, line.client.refused()) and len(answers) == 2)
    assert answers == [(envelope_hash(raw), "busy 250"), (envelope_hash(raw), "replayed")]


def test_mail_waits_until_it_is_stored(line: Line) -> None:
    """A message to the home stays in its mailbox until the home acknowledges, and is delivered then."""
    bill = line.dso.says(line.home.account, BillStatement(document=b"{}" * 100_000))
    _put(line, bill)
    found: list[Arrival] = []
    until(line.both, lambda: bool(line.server.receive(9)) or gathered(found, line.client.receive(9)))
    assert [arrival.envelope for arrival in found] == [bill]
    assert line.server.delivered() == []
    line.client.acknowledge(found)
    until(line.both, lambda: not line.server.receive(9) and line.server.delivered() == [envelope_hash(bill.raw)])


def test_a_forged_bill_is_refused_and_named(line: Line) -> None:
    """What the DSO's account did not sign is not handed over, whatever the gateway says."""
    bill = party("other").says(line.home.account, BillStatement(document=b"{}"))
    _put(line, bill)
    answers: list[tuple[bytes, str]] = []

    def told() -> bool:
        assert not line.server.receive(10) and not line.client.receive(10)
        answers.extend(line.server.refused())
        return bool(answers)

    until(line.both, told)
    assert answers == [(envelope_hash(bill.raw), LinkReason.SENDER_KEY)]


def _put(line: Line, message: Envelope) -> None:
    """Put a message into its mailbox, once its owner asks for mail."""
    until(line.both, lambda: bool(line.server.receive(9)) or line.server.send(message.recipient, message.raw))


def test_a_revoked_account_is_refused_at_once(line: Line) -> None:
    """Its messages, its mailbox, and mail for it."""
    line.members.keys.clear()
    raw = line.home.says(line.dso.account).raw
    answer = served(line.server, lambda: line.web.post("/v1/envelopes", content=raw))
    assert (answer.status_code, answer.json()["reason"]) == (403, LinkReason.UNKNOWN)
    assert not line.server.send(line.home.account, line.dso.says(line.home.account).raw)
    proof = {"Authorization": mailbox_proof(line.home.account, NOW, line.home.key.sign, DOMAIN)}
    assert served(line.server, lambda: line.web.get("/v1/mailbox", headers=proof)).status_code == 401


def test_anyone_reads_the_price_schedule(line: Line) -> None:
    """404 until one is published, then the newest, signed."""
    assert served(line.server, lambda: line.web.get("/v1/prices")).status_code == 404
    prices = line.dso.says(EVERYBODY, PRICE_LIST)
    line.server.publish(PRICES, prices.raw)
    assert base64.b64decode(served(line.server, lambda: line.web.get("/v1/prices")).json()["envelope"]) == prices.raw


def test_the_interface_describes_itself(line: Line) -> None:
    """OpenAPI names each path, the octets of an envelope and the refusals."""
    schema = line.web.get("/v1/openapi.json").json()
    assert set(schema["paths"]) == {"/v1/envelopes", "/v1/mailbox", "/v1/mailbox/{hash}", "/v1/prices"}
    deliver = schema["paths"]["/v1/envelopes"]["post"]
    assert "application/octet-stream" in deliver["requestBody"]["content"]
    assert {"202", "400", "401", "403", "409", "410", "413", "429", "503"} <= deliver["responses"].keys()


def test_strangers_cannot_fill_the_books_with_enrolments(line: Line) -> None:
    """What a newcomer says is stored for ever, so one network address has so many enrolments a minute, by any key."""

    def post(message: Envelope) -> int:
        return served(line.server, lambda: line.web.post("/v1/envelopes", content=message.raw)).status_code

    strangers = [party(f"stranger {number}") for number in range(31)]
    answers = [post(stranger.says(line.dso.account, ENROLMENT)) for stranger in strangers]
    assert answers == [*[202] * 30, 429]
    assert post(line.home.says(line.dso.account)) == 202, "members are not kept waiting by them"


def test_idle_connections_leave_files_for_the_rest(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects and says nothing is let in so often and not beyond; when all have left, others are served."""
    monkeypatch.setattr("petra.fabric.gateway_thread._CONNECTIONS_MAX", 8)
    server = gateway_of(line.dso, line.members, None)
    try:
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
        turned_away = 0
        for one in idle:
            one.settimeout(0.2)
            with one, suppress(TimeoutError, ConnectionResetError):
                turned_away += one.recv(1) == b""
        assert turned_away == 40 - 8
        with httpx.Client(base_url=f"http://127.0.0.1:{server.port}") as web:
            assert served(server, lambda: web.get("/v1/prices")).status_code == 404
    finally:
        server.close()


def test_a_newcomer_may_say_what_guests_say(line: Line) -> None:
    """An account that is not enrolled may ask to be, nothing else, and may fetch its answer."""
    newcomer = party("newcomer")
    proof = {"Authorization": mailbox_proof(newcomer.account, NOW, newcomer.key.sign, DOMAIN)}

    def post(message: Envelope) -> int:
        return served(line.server, lambda: line.web.post("/v1/envelopes", content=message.raw)).status_code

    assert post(newcomer.says(line.dso.account)) == 403
    assert served(line.server, lambda: line.web.get("/v1/mailbox", headers=proof)).status_code == 401
    assert post(newcomer.says(line.dso.account, ENROLMENT)) == 202
    assert served(line.server, lambda: line.web.get("/v1/mailbox", headers=proof)).status_code == 200
