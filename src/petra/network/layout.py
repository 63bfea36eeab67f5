"""A network's directory: which nodes it has, where they listen, and the folders that they own.

Decides: the form of `network.json` and the names of all files beside it. It starts nothing and asks no node.
Invariant: what is read is what was written, or an InputError names the file and the problem. Paths are absolute: a
process is recognised by the path in its command line.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from petra.domain.terms import Address
from petra.errors import InputError, WorldError
from petra.wire.secp256k1 import parse_address

FORMAT = 1
NETWORK_FILE = "network.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One validator.

    Attributes:
        number: counted from 1.
        address: with its key the node signs blocks.
        node_id: 128 hexadecimal digits, the public key by which other nodes know it.
        rpc_port: JSON-RPC, link_port: the nodes among themselves; both at 127.0.0.1.
    """

    number: int
    address: Address
    node_id: str
    rpc_port: int
    link_port: int

    @property
    def rpc_url(self) -> str:
        """Where programs talk to the node."""
        return f"http://127.0.0.1:{self.rpc_port}"

    @property
    def enode(self) -> str:
        """Where other nodes find the node."""
        return f"enode://{self.node_id}@127.0.0.1:{self.link_port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A network of validators on this machine.

    Attributes:
        directory: absolute.
        period_seconds: from block to block.
    """

    directory: Path
    chain_id: int
    period_seconds: int
    nodes: tuple[Node, ...]

    @property
    def signers_needed(self) -> int:
        """How many validators must run: of so many blocks in a row, clique wants each from another one."""
        return len(self.nodes) // 2 + 1

    @property
    def dso_key(self) -> Path:
        """The file with the DSO's secret."""
        return self.directory / "dso.key"

    @property
    def deployment(self) -> Path:
        """The deployment file, once `petra deploy` has written it."""
        return self.directory / "deployment.json"

    @property
    def watchdog_log(self) -> Path:
        """What the watchdog saw and did."""
        return self.directory / "watchdog.log"

    def folder(self, node: Node) -> Path:
        """The node's own folder."""
        return self.directory / f"node-{node.number}"

    def ipc(self, node: Node) -> Path:
        """The socket at which the node takes orders, from this user only."""
        return self.folder(node) / "geth.ipc"

    def log(self, node: Node) -> Path:
        """What the node says."""
        return self.folder(node) / "log"

    def node(self, number: int) -> Node:
        """Return a node by number; InputError where there is none."""
        if not 1 <= number <= len(self.nodes):
            raise InputError(f"node {number}: the network in {self.directory} has the nodes 1 to {len(self.nodes)}")
        return self.nodes[number - 1]


def write_network(network: Network, directory: Path) -> None:
    """Write the network's file into a directory, which may still have another name than later."""
    content = {
        "format": FORMAT,
        "engine": "geth",
        "chain_id": network.chain_id,
        "period_seconds": network.period_seconds,
        "nodes": [asdict(node) for node in network.nodes],
    }
    (directory / NETWORK_FILE).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def read_network(directory: Path) -> Network:
    """Return the network that lies in a directory; InputError where none does."""
    directory = directory.resolve()
    file = directory / NETWORK_FILE
    if not file.is_file():
        raise InputError(f"{directory}: no network is here; make one by `petra network up --dir {directory}`")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if (content["format"], content["engine"]) != (FORMAT, "geth"):
            raise InputError(f"{file}: not a geth network of format {FORMAT}: this petra cannot start it")
        return Network(
            directory=directory,
            chain_id=int(content["chain_id"]),
            period_seconds=int(content["period_seconds"]),
            nodes=tuple(map(_node, content["nodes"])),
        )
    except (OSError, KeyError, TypeError, ValueError, WorldError) as error:
        raise InputError(f"{file}: cannot be read as a network: {type(error).__name__} {error}") from error


def _node(entry: dict[str, Any]) -> Node:
    return Node(
        number=int(entry["number"]),
        address=parse_address(entry["address"]),
        node_id=str(entry["node_id"]),
        rpc_port=int(entry["rpc_port"]),
        link_port=int(entry["link_port"]),
    )
