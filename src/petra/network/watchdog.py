"""The watchdog of a network: it resolves the forks at which clique stands still.

Decides: when a chain has stalled in a fork, which branch stays, and how the others come back to it.

Of N/2 + 1 blocks in a row clique wants each from another validator. After a cut into halves each half makes some blocks
and stops. When they meet again, a branch that weighs more is taken by all; but if both weigh the same, nobody moves:
every validator has just signed on its own branch and waits for the others. So the nodes of the smaller branch go back
to the last common block and start again. Neither alone helps (both were tried): a node that is only started again comes
back to the branch that it had, and one that only goes back does not look for the other branch before it meets a node.

It does not act while the halves cannot reach each other, nor where fewer validators run than a block needs.
Invariant: before a block is given up, its transactions are handed to a node of the branch that stays.
"""

import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from petra.errors import ChainError, InputError, PetraError
from petra.network.control import locked, start
from petra.network.ipc import ask
from petra.network.layout import Network, Node, read_network
from petra.network.node import stop

_POLL_SECONDS = 0.5
_FORK_BLOCKS_MAX = 128


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """A node's newest block; `difficulty` is the total up to it, the branch's weight."""

    number: int
    hash: str
    difficulty: int


class Watchdog:
    """Looks at all nodes now and then; remembers since when they stand still."""

    def __init__(self, network: Network) -> None:
        """Begin to watch."""
        self._network = network
        self._seen: Mapping[int, Head] = {}
        self._since = time.monotonic()
        # Somebody signs out of turn after 1.5 s at most; a busy machine may need some more.
        self._patience_seconds = max(5, 4 * network.period_seconds)

    def look(self) -> None:
        """Look once, and act where the chain has stalled."""
        heads = self._heads()
        now = time.monotonic()
        if heads != self._seen:
            self._seen, self._since = heads, now
        elif now - self._since >= self._patience_seconds:
            self._since = now
            if len(set(heads.values())) > 1:
                with locked(self._network):  # no other command ends or starts a node meanwhile
                    self._resolve()

    def _heads(self) -> dict[int, Head]:
        heads = {}
        for node in self._network.nodes:
            try:
                block = self._ask(node, "eth_getBlockByNumber", "latest", False)
            except ChainError:
                continue  # it does not run
            difficulty = int(block["totalDifficulty"], 16)
            heads[node.number] = Head(number=int(block["number"], 16), hash=block["hash"], difficulty=difficulty)
        return heads

    def _resolve(self) -> None:
        """Bring the nodes of every smaller branch to the heaviest one."""
        heads = self._heads()
        if heads != self._seen or len(heads) < self._network.signers_needed:
            return
        nodes = {node.number: node for node in self._network.nodes}
        counts = Counter(head.hash for head in heads.values())
        best = max(heads.values(), key=lambda head: (head.difficulty, counts[head.hash], head.hash))
        stays = next(number for number, head in heads.items() if head == best)
        left = []
        for number, head in heads.items():
            if head != best and self._is_linked(nodes[number], [nodes[n] for n in heads if heads[n] == best]):
                newest = min(head.number, best.number)
                if (ancestor := self._common_block(nodes[number], nodes[stays], newest)) is not None:
                    _say(f"node {number} leaves block {head.number} for {best.number} of node {stays}")
                    self._go_back(nodes[number], nodes[stays], range(ancestor + 1, head.number + 1))
                    left.append(nodes[number])
        for node in left:
            stop(self._network, node)
        if left:
            start(self._network, left)

    def _go_back(self, node: Node, winner: Node, numbers: range) -> None:
        """Give up the node's own blocks, after their transactions are handed over."""
        self._ask(node, "miner_stop")
        for number in numbers:
            for digest in self._ask(node, "eth_getBlockByNumber", hex(number), False)["transactions"]:
                try:
                    self._ask(winner, "eth_sendRawTransaction", self._ask(node, "eth_getRawTransactionByHash", digest))
                except ChainError as error:
                    _say(f"transaction {digest} was not handed over: {error}")  # mostly: it is known there already
        if numbers:
            self._ask(node, "debug_setHead", hex(numbers.start - 1))

    def _is_linked(self, node: Node, others: Sequence[Node]) -> bool:
        links = self._ask(node, "admin_peers")
        return any(other.node_id in link["enode"] for link in links for other in others)

    def _common_block(self, node: Node, other: Node, newest: int) -> int | None:
        """Return the number of the last block that both have; None where it lies too far back."""
        for number in range(newest, max(-1, newest - _FORK_BLOCKS_MAX), -1):
            blocks = [self._ask(each, "eth_getBlockByNumber", hex(number), False) for each in (node, other)]
            if blocks[0]["hash"] == blocks[1]["hash"]:
                return number
        return None

    def _ask(self, node: Node, method: str, *parameters: object) -> Any:
        return ask(self._network.ipc(node), method, *parameters)


def main() -> None:
    """Watch the network that the argument `--network=DIR` names, until its directory is gone."""
    directory = Path(sys.argv[1].partition("=")[2])
    try:
        watchdog = Watchdog(read_network(directory))
        while directory.is_dir():
            time.sleep(_POLL_SECONDS)
            try:
                watchdog.look()
            except PetraError as error:
                _say(str(error))  # a node ended while it was asked, or does not start: the next look sees that
    except InputError as error:
        _say(str(error))


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    main()
