"""A whole network: up, down, single nodes, and how it stands.

Decides: what is done in which order, and what a failure leaves behind. One command works on a directory at a time.
Invariant: a network that could not be brought up is gone again, processes and (if new) files; `down` needs no file to
be in order, for it finds processes by the directory's name in their arguments.
"""

import fcntl
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from petra.errors import InputError, WorldError
from petra.network import node as nodes
from petra.network.create import create_network, require_free, require_geth
from petra.network.layout import NETWORK_FILE, Network, Node, read_network
from petra.network.ports import require_free_ports
from petra.network.process_table import end_processes, find_processes, start_detached

_LOCK_SECONDS = 60
_FIRST_BLOCK_SECONDS = 30
_POLL_SECONDS = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """How a node stands; head and links are None where it does not answer."""

    node: Node
    running: bool
    head: int | None
    links: int | None


def up(
    directory: Path,
    *,
    validators: int | None = None,
    period_seconds: int | None = None,
    first_port: int | None = None,
) -> Network:
    """Bring a network up and return when every node has a new block: a new one, or the stopped one of the directory.

    Args:
        directory: missing, empty, or with a stopped network.
        validators: 4 if left out; must not contradict a stopped network.
        period_seconds: from block to block; 1 if left out; must not contradict a stopped network.
        first_port: for a new network only.

    Raises:
        InputError: the directory is in use, a port is taken, a figure contradicts the network; nothing was changed.
        WorldError: a node does not come up; all are ended, and a new network's files are gone.
    """
    directory = directory.resolve()
    is_new = not (directory / NETWORK_FILE).is_file()
    if find_processes(_mark(directory)):
        raise InputError(f"{directory}: a network runs here already; see `petra network status`, or end it by `down`")
    if is_new:
        require_free(directory)
        network = create_network(
            directory, validators=validators or 4, period_seconds=period_seconds or 1, first_port=first_port
        )
    else:
        network = read_network(directory)
        _refuse_contradictions(network, validators, period_seconds, first_port)
    try:
        with locked(network):
            require_free_ports([port for node in network.nodes for port in (node.rpc_port, node.link_port)])
            start(network, network.nodes)
        _wait_for_block(network, after=0 if is_new else _newest(network))
    except BaseException:
        down(directory)
        if is_new:
            shutil.rmtree(directory, ignore_errors=True)
        raise
    return network


def down(directory: Path, *, remove: bool = False) -> int:
    """End every process of the network and return how many there were; with `remove` its files go too.

    It needs no network to be there, nor its files to be in order.

    Raises:
        InputError: `remove` is wanted of a directory that is no network's.
    """
    directory = directory.resolve()
    if remove and directory.exists() and not (directory / NETWORK_FILE).is_file():
        raise InputError(f"{directory}: is no network's directory, so it is not removed")
    # The watchdog first: it might start a node again. Its shell carries the node's arguments, so it is found too.
    ended = end_processes(_watchdog_argument(directory).__eq__) + end_processes(_mark(directory))
    if remove:
        shutil.rmtree(directory, ignore_errors=True)
    return ended


def start_nodes(directory: Path, numbers: Sequence[int]) -> Network:
    """Start stopped nodes, and the watchdog if it is gone; return when they sign.

    Raises:
        InputError: there is no such node, it runs already, or its ports are taken.
        WorldError: one does not come up; those that did run on.
    """
    network = read_network(directory)
    chosen = [network.node(number) for number in numbers]
    with locked(network):
        if running := [node.number for node in chosen if nodes.is_running(network, node)]:
            raise InputError(f"node {', '.join(map(str, running))}: runs already")
        start(network, chosen)
    return network


def stop_nodes(directory: Path, numbers: Sequence[int]) -> Network:
    """End nodes; InputError where there is no such node or it does not run."""
    network = read_network(directory)
    chosen = [network.node(number) for number in numbers]
    with locked(network):
        if stopped := [node.number for node in chosen if not nodes.is_running(network, node)]:
            raise InputError(f"node {', '.join(map(str, stopped))}: does not run")
        with ThreadPoolExecutor() as pool:
            list(pool.map(lambda node: nodes.stop(network, node), chosen))
    return network


def status(network: Network) -> list[NodeStatus]:
    """Return how each node stands, in order."""
    return [
        NodeStatus(
            node=node,
            running=running,
            head=nodes.head_number(node) if running else None,
            links=nodes.link_count(network, node) if running else None,
        )
        for node in network.nodes
        for running in (nodes.is_running(network, node),)
    ]


def watchdog_runs(network: Network) -> bool:
    """Say whether somebody looks after the network's forks."""
    return bool(find_processes(_watchdog_argument(network.directory).__eq__))


def start(network: Network, chosen: Sequence[Node]) -> None:
    """Start nodes: processes first, then what they take, then links, then signing, each step for all of them.

    For who holds the lock: others use `start_nodes`.
    """
    geth = require_geth()
    for node in chosen:
        nodes.launch(network, node, geth)
    for node in chosen:
        nodes.open_for_price_zero(network, node)
    running = [node for node in network.nodes if nodes.is_running(network, node)]
    for node in chosen:
        for other in running:
            if other not in chosen or other.number < node.number:
                nodes.call(network, node, other)
    with ThreadPoolExecutor() as pool:
        tasks = [
            pool.submit(nodes.join, network, node, [other for other in running if other is not node]) for node in chosen
        ]
        for task in tasks:
            task.result()
    if not watchdog_runs(network):
        command = [sys.executable, "-m", "petra.network.watchdog", _watchdog_argument(network.directory)]
        start_detached(command, network.watchdog_log)


@contextmanager
def locked(network: Network) -> Iterator[None]:
    """Let one command at a time work on the network; the lock ends with its process."""
    deadline = time.monotonic() + _LOCK_SECONDS
    with (network.directory / "lock").open("w", encoding="utf-8") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise InputError(f"{network.directory}: another command is at work here; try again") from error
                time.sleep(_POLL_SECONDS)
        yield


def _newest(network: Network) -> int:
    return max(nodes.head_number(node) or 0 for node in network.nodes)


def _wait_for_block(network: Network, *, after: int) -> None:
    """Return when every node has a block after this one."""
    deadline = time.monotonic() + _FIRST_BLOCK_SECONDS + 3 * network.period_seconds
    while any((nodes.head_number(node) or 0) <= after for node in network.nodes):
        if time.monotonic() > deadline:
            raise WorldError(f"the nodes in {network.directory} run, but no block reaches all of them in time")
        time.sleep(_POLL_SECONDS)


def _refuse_contradictions(
    network: Network, validators: int | None, period_seconds: int | None, first_port: int | None
) -> None:
    checks = (
        ("--validators", validators, len(network.nodes)),
        ("--period", period_seconds, network.period_seconds),
        ("--first-port", first_port, min(port for node in network.nodes for port in (node.rpc_port, node.link_port))),
    )
    problems = [
        f"{option} {wanted}: the network in {network.directory} has {found}; leave it out, or name another --dir"
        for option, wanted, found in checks
        if wanted is not None and wanted != found
    ]
    if problems:
        raise InputError(problems)


def _watchdog_argument(directory: Path) -> str:
    return f"--network={directory}"


def _mark(directory: Path) -> Callable[[str], bool]:
    """Return what recognises the arguments of a directory's processes."""
    watchdog, node = _watchdog_argument(directory), f"--datadir={directory}/node-"
    return lambda argument: argument == watchdog or argument.startswith(node)
