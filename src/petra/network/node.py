"""One validator: start it, wait until it can be used, let it sign, end it, ask how it is.

Decides: geth's flags and the order of a start. It does not know why a node is started or ended.
Invariant: a node signs only after it takes transactions at price 0, also from other nodes, and after it has met the
chain that the others have: what it signs alone would be a fork.

Price 0: as geth starts, a node passes such a transaction on but mines it only where it was sent (measured: 0 of 20
mined by others); flags do not help, since geth turns 0 into 1 gwei. `miner_setGasPrice 0` over the socket makes every
node take and mine it (20 of 20 in 2 s). It must be said again after each start.
"""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from petra.chain.jsonrpc import JsonRpc
from petra.errors import ChainError, WorldError
from petra.network.genesis import BLOCK_GAS_LIMIT
from petra.network.ipc import ask
from petra.network.layout import Network, Node
from petra.network.ports import require_free_ports
from petra.network.process_table import end_processes, find_processes, start_detached

_START_SECONDS = 30
_LINK_SECONDS = 10
_CATCH_UP_SECONDS = 30
_POLL_SECONDS = 0.05
_POOL = 65_536  # transactions that a node keeps; a DSO may send hundreds from one address


def is_running(network: Network, node: Node) -> bool:
    """Say whether the node's process exists."""
    return bool(find_processes(_mark(network, node)))


def launch(network: Network, node: Node, geth: Path) -> None:
    """Start the node's process.

    Raises:
        InputError: one of its ports is taken.
    """
    require_free_ports((node.rpc_port, node.link_port))
    network.ipc(node).unlink(missing_ok=True)
    start_detached(_command(network, node, geth), network.log(node))


def open_for_price_zero(network: Network, node: Node) -> None:
    """Wait until the node takes orders, and let it take transactions that pay nothing and blocks of others.

    Raises:
        WorldError: it ended at once (with what it said last) or does not answer in time.
    """

    def answers() -> bool:
        try:
            ask(network.ipc(node), "eth_sign", node.address, "0x00")  # it fails until the key is unlocked
            ask(network.ipc(node), "miner_setGasPrice", "0x0")
        except ChainError as error:
            if not is_running(network, node):
                raise WorldError(f"node {node.number} ended at once: {last_words(network, node)}") from error
            return False
        return True

    if not _wait(answers, _START_SECONDS):
        raise WorldError(f"node {node.number} does not answer within {_START_SECONDS} s; see {network.log(node)}")
    # Before it has signed or fetched a chain a node drops the blocks that others send it: the first would be lost.
    ask(network.ipc(node), "miner_start")
    ask(network.ipc(node), "miner_stop")


def call(network: Network, node: Node, other: Node) -> None:
    """Let the node link itself to another one, now and whenever the link is lost.

    Only one of two should call: calls that cross end each other, and are tried again after 35 s only.
    """
    ask(network.ipc(node), "admin_addPeer", other.enode)


def join(network: Network, node: Node, others: Sequence[Node]) -> None:
    """Wait until the node is linked to these running nodes and has their chain, then let it sign.

    After a bounded time it signs all the same: who waits for a chain that nobody has would wait for ever.
    """
    _wait(lambda: link_count(network, node) >= len(others), _LINK_SECONDS)
    _wait(lambda: _has_caught_up(node, others), _CATCH_UP_SECONDS)
    ask(network.ipc(node), "miner_start")


def stop(network: Network, node: Node) -> bool:
    """End the node's process, at once if it must be; return whether there was one."""
    return end_processes(_mark(network, node)) > 0


def link_count(network: Network, node: Node) -> int:
    """Return to how many other nodes this one is linked; 0 where it does not answer."""
    try:
        return int(ask(network.ipc(node), "net_peerCount"), 16)
    except ChainError:
        return 0


def head_number(node: Node) -> int | None:
    """Return the number of the node's newest block; None where it does not answer."""
    try:
        with_deadline = JsonRpc(node.rpc_url, timeout_seconds=5)
        try:
            return int(with_deadline.call("eth_blockNumber"), 16)
        finally:
            with_deadline.close()
    except (ChainError, TypeError, ValueError):
        return None


def last_words(network: Network, node: Node) -> str:
    """Return the end of what the node said."""
    try:
        return network.log(node).read_bytes()[-400:].decode(errors="replace").strip()
    except OSError:
        return "nothing"


def _has_caught_up(node: Node, others: Sequence[Node]) -> bool:
    heads = [head for other in others if (head := head_number(other)) is not None]
    own = head_number(node)
    return not heads or (own is not None and own >= max(heads))


def _wait(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _mark(network: Network, node: Node) -> Callable[[str], bool]:
    return f"--datadir={network.folder(node)}".__eq__


def _command(network: Network, node: Node, geth: Path) -> list[str]:
    folder = network.folder(node)
    return [
        str(geth),
        f"--datadir={folder}",
        f"--config={folder / 'config.toml'}",
        f"--networkid={network.chain_id}",
        # Every state goes to the disk at once, so that a killed node comes back where it was, and not at block 0.
        *("--syncmode=full", "--gcmode=archive", "--snapshot=false", "--cache=128"),
        *("--nodiscover", "--nat=none", "--netrestrict=127.0.0.1/32"),
        *("--http", "--http.addr=127.0.0.1", f"--http.port={node.rpc_port}", "--http.api=eth,net,web3"),
        *("--authrpc.addr=127.0.0.1", "--authrpc.port=0"),
        # The key signs blocks and owns nothing; only programs of this machine reach the node.
        *("--allow-insecure-unlock", f"--unlock={node.address}", f"--password={folder / 'password'}"),
        *(f"--miner.etherbase={node.address}", f"--miner.gaslimit={BLOCK_GAS_LIMIT}"),
        *(f"--txpool.globalslots={_POOL}", f"--txpool.globalqueue={_POOL}"),
        *(f"--txpool.accountslots={_POOL}", f"--txpool.accountqueue={_POOL}"),
        "--verbosity=1",
    ]
