"""A network of four validators, and one of two whose directory a test may spoil."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from petra.network import control
from petra.network.ipc import ask
from petra.network.layout import Network, Node
from petra.network.secret_files import new_secret
from petra.wire.secp256k1 import SecretKey
from petra.wire.transaction import Transaction, sign


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """Four validators with a block a second, for all tests of a module: each leaves it as it found it."""
    directory = tmp_path_factory.mktemp("network") / "n"
    try:
        yield control.up(directory)
    finally:
        control.down(directory, remove=True)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """A directory in which a test brings up a network of its own; whatever still runs there at the end is ended."""
    yield tmp_path / "n"
    control.down(tmp_path / "n")


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    """Return when the condition holds; fail where it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.05)


def free_transaction(network: Network) -> bytes:
    """Return a signed transaction at price 0 of an address that nobody has heard of."""
    key = SecretKey(new_secret())
    return sign(
        Transaction(chain_id=network.chain_id, nonce=0, gas_limit=500_000, to=key.address, data=b""), key.sign
    )


def head(network: Network, node: Node) -> tuple[int, str]:
    """Return number and hash of a node's newest block."""
    block = ask(network.ipc(node), "eth_getBlockByNumber", "latest", False)
    return int(block["number"], 16), str(block["hash"])
