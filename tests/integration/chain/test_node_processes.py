"""The node that we start ends with us, whatever ends us; a node that is gone is one clear error."""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from petra.chain.anvil import AnvilChain
from petra.chain.rpc import RpcChain
from petra.errors import ChainError, InputError, MissingTool, WorldError
from petra.processes import ChildProcess, free_port
from petra.tools import find_anvil
from tests.integration.chain.conftest import CHAIN_ID, GENESIS

_START_AND_WAIT = f"""
import time
from petra.chain.anvil import AnvilChain
chain = AnvilChain.start(chain_id={CHAIN_ID}, genesis={GENESIS})
print(chain.process_id, flush=True)
{{ending}}
"""


def _is_running(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    # A child of a dead parent that nobody has waited for yet is dead all the same.
    with contextlib.suppress(OSError):
        return ") Z " not in Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8")
    return True


def _ends_soon(process_id: int) -> bool:
    deadline = time.monotonic() + 10
    while _is_running(process_id) and time.monotonic() < deadline:
        time.sleep(0.02)  # noqa: TID251 this waits for another process
    return not _is_running(process_id)


@pytest.mark.anvil
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_node_ends_when_a_signal_ends_us(number: signal.Signals) -> None:
    """Ctrl-C, a polite end and a rude one all take the node along."""
    if number != signal.SIGINT and sys.platform != "linux":
        pytest.skip("only Linux tells a child that its parent died")
    program = _START_AND_WAIT.format(ending="time.sleep(60)")
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdout is not None
        node = int(process.stdout.readline())
        assert _is_running(node)
        process.send_signal(number)
        assert process.wait(10) != 0
    assert _ends_soon(node)


@pytest.mark.anvil
@pytest.mark.parametrize("ending", ["", "raise SystemExit(3)", "1 / 0", "chain.close(); chain.close()"])
def test_the_node_ends_when_we_end(ending: str) -> None:
    """Nobody has to remember to close a chain, and closing it twice is harmless."""
    process = subprocess.run(
        [sys.executable, "-c", _START_AND_WAIT.format(ending=ending)], capture_output=True, check=False, timeout=30
    )
    assert _ends_soon(int(process.stdout))


@pytest.mark.anvil
def test_a_killed_node_is_a_chain_error_with_its_address() -> None:
    """Whatever is asked of a dead node, the answer names the node and what to do."""
    chain = AnvilChain.start(chain_id=CHAIN_ID, genesis=GENESIS)
    assert chain.process_id is not None
    os.kill(chain.process_id, signal.SIGKILL)
    assert _ends_soon(chain.process_id)
    for ask in (chain.head, lambda: chain.mine(GENESIS + 5), lambda: chain.receipts([bytes(32)])):
        with pytest.raises(ChainError, match=r"no node answers at http://127\.0\.0\.1:\d+ .*start it"):
            ask()
    chain.close()


def test_a_missing_node_is_a_chain_error_with_its_address() -> None:
    """Nobody listens there."""
    with pytest.raises(ChainError, match="no node answers"):
        RpcChain(f"http://127.0.0.1:{free_port()}")


def test_attaching_to_a_missing_node_is_bad_input() -> None:
    """What the user named cannot be used, and nothing has begun."""
    with pytest.raises(InputError, match="no node answers"):
        AnvilChain.attach(f"http://127.0.0.1:{free_port()}")


@pytest.mark.parametrize("url", ["", "localhost:8545", "ftp://node", "http://", "http://node:port"])
def test_text_that_is_no_url_is_bad_input(url: str) -> None:
    """The message shows how to write it."""
    with pytest.raises(InputError, match=r"http://127\.0\.0\.1:8545"):
        RpcChain(url)


def test_without_anvil_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """PETRA_ANVIL that names nothing means that there is none."""
    monkeypatch.setenv("PETRA_ANVIL", "no such file")
    with pytest.raises(MissingTool, match="make setup"):
        AnvilChain.start(chain_id=CHAIN_ID, genesis=GENESIS)


def test_a_child_that_ends_at_once_tells_what_it_said() -> None:
    """The complaint of the program is in our message."""
    child = ChildProcess([sys.executable, "-c", "raise SystemExit('no luck today')"])
    with pytest.raises(WorldError, match="no luck today"):
        child.wait_for_port(free_port(), timeout_seconds=10)
    child.stop()


def test_a_child_that_never_listens_is_stopped() -> None:
    """Waiting has an end."""
    child = ChildProcess([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(WorldError, match="did not listen"):
        child.wait_for_port(free_port(), timeout_seconds=0.2)
    assert not child.is_running


def test_a_program_that_does_not_exist_cannot_be_started() -> None:
    """A clear error instead of a child."""
    with pytest.raises(WorldError, match="cannot be started"):
        ChildProcess(["/no/such/program"])


class _Scripted(BaseHTTPRequestHandler):
    answer = b""

    def do_POST(self) -> None:
        """Give the same answer to everything."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", str(len(self.answer)))
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[HTTPServer]:
    """Serve one answer at a port of its own."""
    with HTTPServer(("127.0.0.1", 0), _Scripted) as served:
        thread = threading.Thread(target=served.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield served
        served.shutdown()
        thread.join()


@pytest.mark.parametrize(
    "answer",
    [b"", b"<html>", b"[]", b"7", b'{"id": 1}', b'{"id": 1, "result": 5}', b'{"id": 1, "error": "x"}', b"[" * 100_000],
    ids=lambda answer: answer[:30].decode(),
)
def test_nonsense_is_a_chain_error(server: HTTPServer, answer: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Something else than a node listens there."""
    monkeypatch.setattr(_Scripted, "answer", answer)
    with pytest.raises(ChainError, match=r"no Ethereum node|nonsense"):
        RpcChain(f"http://127.0.0.1:{server.server_port}")


def test_a_node_that_keeps_its_own_time_cannot_be_simulated_on(
    server: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real node has no `evm_setNextBlockTimestamp`; the message names the command that fits."""
    answers = iter(
        [
            b'"result": "0x7"',
            b'"result": "0x7"',
            b'"result": {"number": "0x0", "hash": "0x", "parentHash": "0x", "timestamp": "0x0", "transactions": []}',
            b'"error": {"code": -32601, "message": "the method does not exist"}',
        ]
    )

    def answer(handler: _Scripted) -> None:
        asked = handler.rfile.read(int(handler.headers["Content-Length"]))
        numbers = [part.split(b",")[0] for part in asked.split(b'"id":')[1:]]
        text = b", ".join(b'{"jsonrpc": "2.0", "id": ' + number + b", " + next(answers) + b"}" for number in numbers)
        text = b"[" + text + b"]" if asked.startswith(b"[") else text
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    monkeypatch.setattr(_Scripted, "do_POST", answer)
    with pytest.raises(InputError, match="use petra live"):
        AnvilChain.attach(f"http://127.0.0.1:{server.server_port}")


@pytest.mark.anvil
def test_a_node_that_wants_to_be_paid_cannot_be_simulated_on() -> None:
    """A base fee would have to be funded, which links addresses; the message shows how to start the node."""
    binary, port = find_anvil(), free_port()
    child = ChildProcess([str(binary), "--quiet", "--port", str(port)])
    try:
        child.wait_for_port(port, timeout_seconds=20)
        with pytest.raises(InputError, match="--block-base-fee-per-gas 0"):
            AnvilChain.attach(f"http://127.0.0.1:{port}")
    finally:
        child.stop()


@pytest.mark.anvil
def test_an_attached_node_makes_blocks_only_for_us_and_stays_when_we_go() -> None:
    """Somebody's node is used like our own, but never stopped."""
    owner = AnvilChain.start(chain_id=CHAIN_ID, genesis=GENESIS)
    guest = AnvilChain.attach(owner.url)
    assert guest.mine(GENESIS + 7).timestamp == GENESIS + 7
    guest.close()
    assert owner.head().number == 1
    owner.close()
