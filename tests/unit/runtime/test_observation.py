"""What a running service shows: metrics, whether it lives, whether it is ready."""

import socket
import struct
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest

from petra.runtime.observation import SILENT_SECONDS, Door, Pulse
from tests.unit.runtime.toy_service import ToyService


@pytest.fixture
def pulse() -> Pulse:
    """Return the pulse of a service that has started."""
    return Pulse(role="meter", service=ToyService(number=5, now=1_005), started=True)


@pytest.fixture
def door(pulse: Pulse) -> Iterator[Door]:
    """Serve it at any port."""
    door = Door(0, pulse)
    yield door
    door.close()


def ask(door: Door, path: str) -> tuple[int, str]:
    """Return code and text of an answer."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{door.port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_unknown_path_is_refused(door: Door) -> None:
    """There is nothing else behind the door, and nothing can be posted."""
    assert ask(door, "/keys")[0] == 404
    request = urllib.request.Request(f"http://127.0.0.1:{door.port}/metrics", data=b"x", method="POST")
    with pytest.raises(urllib.error.HTTPError) as raised:
        urllib.request.urlopen(request, timeout=5)
    assert raised.value.code == 501
    raised.value.close()


def test_service_that_replays_lives_and_is_not_ready(door: Door, pulse: Pulse) -> None:
    """A long replay is no reason to kill the process."""
    pulse.started = False
    pulse.seen = time.monotonic() - 10 * SILENT_SECONDS
    assert ask(door, "/health") == (200, "yes\n")
    assert ask(door, "/ready") == (503, "its diary is not replayed yet\n")


def test_loop_that_stands_still_is_neither_alive_nor_ready(door: Door, pulse: Pulse) -> None:
    """Half a minute without a round says that the process is stuck."""
    pulse.seen = time.monotonic() - SILENT_SECONDS - 1
    assert ask(door, "/health")[0] == ask(door, "/ready")[0] == 503


def test_service_without_its_node_lives_and_is_not_ready(door: Door, pulse: Pulse) -> None:
    """The node's failure is no reason to start the service again; what the node said is not shown."""
    assert isinstance(pulse.service, ToyService)
    assert pulse.service.ledger is not None
    pulse.service.ledger.trouble = "http://dso:hunter2@node: refused"
    assert ask(door, "/health")[0] == 200
    assert ask(door, "/ready") == (503, "its node does not answer\n")
    assert "petra_ledger_up 0.0" in ask(door, "/metrics")[1]


def test_metrics_say_how_it_stands(door: Door, pulse: Pulse) -> None:
    """Events, rounds, waiting messages and the ledger's head are shown as they are when asked."""
    pulse.beat()
    code, text = ask(door, "/metrics")
    assert code == 200
    expected = {"petra_events_total 5.0", "petra_rounds_total 1.0", "petra_messages_waiting 2.0", "petra_ready 1.0"}
    expected |= {"petra_ledger_head_block 17.0", "petra_last_round_timestamp_seconds 1005.0"}
    assert expected <= set(text.splitlines())
    assert ask(door, "/ready") == ask(door, "/health") == (200, "yes\n")


def test_meter_has_no_ledger_and_is_ready(door: Door, pulse: Pulse) -> None:
    """Without a way to the ledger nothing is said of one."""
    assert isinstance(pulse.service, ToyService)
    pulse.service.ledger = None
    assert ask(door, "/ready")[0] == 200
    assert "petra_ledger" not in ask(door, "/metrics")[1]


def test_who_asks_and_leaves_is_no_error(
    door: Door, pulse: Pulse, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """A probe that gives up while the service is slow puts no traceback into the log."""
    asked, gone, done = threading.Event(), threading.Event(), threading.Event()

    def slow(_: Pulse) -> str:
        asked.set()
        gone.wait(5)
        return "slow"

    def ended(request: socket.socket) -> None:
        request.close()
        done.set()

    monkeypatch.setattr(Pulse, "unready", slow)
    monkeypatch.setattr(door._server, "shutdown_request", ended)
    with socket.create_connection(("127.0.0.1", door.port)) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        probe.sendall(b"GET /ready HTTP/1.0\r\n\r\n")
        assert asked.wait(5)
    gone.set()
    assert done.wait(5)
    assert "Traceback" not in capfd.readouterr().err
