"""A testbed's own chain: one anvil that makes its blocks by the clock and outlives the command that started it.

Decides: how it is started, found again and ended. Knows no contract.
Invariant: it is found by an argument that only the chain of this directory has, so no file with a process id can be
stale; what it holds is written to the directory when it is ended in order, and `start` goes on with that.
"""

import time
from pathlib import Path

from petra.chain.rpc import RpcChain
from petra.errors import ChainError, MissingTool
from petra.network.process_table import end_processes, find_processes, start_detached
from petra.processes import free_port
from petra.tools import find_anvil

CHAIN_ID = 31_337
_START_SECONDS = 20
_POLL_SECONDS = 0.05
_FLAGS = (
    "--quiet",
    *("--chain-id", str(CHAIN_ID)),
    *("--host", "127.0.0.1"),
    *("--order", "fifo"),
    *("--hardfork", "paris"),
    *("--block-base-fee-per-gas", "0"),
    *("--gas-price", "0"),
    *("--gas-limit", "100000000000"),
    *("--accounts", "0"),
    *("--prune-history", "80"),
)


def start_chain(directory: Path, *, block_seconds: int, port: int | None = None) -> str:
    """Start the chain of a directory and return its URL; at this port, or at a free one.

    Raises:
        MissingTool: there is no anvil here.
        ChainError: it does not start.
    """
    binary = find_anvil()
    if binary is None:
        raise MissingTool("anvil is not installed: run `make setup`, set PETRA_ANVIL, or name a --network")
    port = port or free_port()
    address = ("--port", str(port), "--block-time", str(block_seconds))
    start_detached([str(binary), _mark(directory), *address, *_FLAGS], directory / "chain.log")
    url, deadline = f"http://127.0.0.1:{port}", time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        try:
            RpcChain(url, patience_seconds=0).close()
        except ChainError:
            time.sleep(_POLL_SECONDS)
            continue
        return url
    end_chain(directory)
    raise ChainError(f"anvil does not start; it says why in {directory / 'chain.log'}")


def chain_runs(directory: Path) -> bool:
    """Say whether the chain of a directory runs."""
    return bool(find_processes(_mark(directory).__eq__))


def end_chain(directory: Path) -> int:
    """End the chain of a directory, which writes down what it holds; return how many processes there were."""
    return end_processes(_mark(directory).__eq__)


def _mark(directory: Path) -> str:
    return f"--state={directory.resolve() / 'chain-state.json'}"
