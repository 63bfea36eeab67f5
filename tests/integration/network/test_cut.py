"""A network cut into two halves that grow branches of equal weight, where clique alone stands still for ever."""

import pytest

from petra.chain.rpc import RpcChain
from petra.errors import ChainError
from petra.network.ipc import ask
from petra.network.layout import Network, Node
from petra.network.node import call, link_count
from tests.integration.network.conftest import free_transaction, head, wait_until

pytestmark = [pytest.mark.geth, pytest.mark.slow]


def freeze_in_rotation(network: Network) -> int:
    """Let no node sign any more, just after two validators that were in turn have; return the newest number."""
    for _ in range(20):
        start = head(network, network.nodes[0])[0]
        wait_until(lambda: head(network, network.nodes[0])[0] > start, 20)  # noqa: B023 called at once
        for node in network.nodes:
            ask(network.ipc(node), "miner_stop")
        wait_until(lambda: len({head(network, node) for node in network.nodes}) == 1, 5)
        ipc, number = network.ipc(network.nodes[0]), head(network, network.nodes[0])[0]
        blocks = [ask(ipc, "eth_getBlockByNumber", hex(each), False) for each in (number - 1, number)]
        if [block["difficulty"] for block in blocks] == ["0x2", "0x2"]:
            return number
        for node in network.nodes:
            ask(network.ipc(node), "miner_start")
    raise AssertionError("the validators never signed in turn")


def halves_of_equal_weight(network: Network, number: int) -> tuple[list[Node], list[Node]]:
    """Return the halves whose branches after this block will weigh the same.

    Signers take turns in the order of their addresses; a block in turn weighs 2, any other 1. After two blocks in turn
    the next in turn can add one block of 2 and its partner, who signed last, none; the other two can add one each of 1.
    """
    ordered = sorted(network.nodes, key=lambda node: node.address.lower())
    turn = (number + 1) % 4
    first, second, third, last = (ordered[(turn + offset) % 4] for offset in range(4))
    return [first, last], [second, third]


def cut(network: Network, halves: tuple[list[Node], list[Node]]) -> None:
    """End every link between the halves; neither end will call the other again."""
    for one in halves[0]:
        for other in halves[1]:
            ask(network.ipc(one), "admin_removePeer", other.enode)
            ask(network.ipc(other), "admin_removePeer", one.enode)


def test_a_fork_of_equal_weight_is_resolved_without_losing_a_transaction(network: Network) -> None:
    """After the halves meet, the watchdog brings all to one branch; what stood only on the other is mined again."""
    halves = halves_of_equal_weight(network, freeze_in_rotation(network))
    while any(link_count(network, node) != 1 for node in network.nodes):
        cut(network, halves)
    digests = []
    for half in halves:
        chain = RpcChain(half[0].rpc_url)
        digests += chain.send([free_transaction(network)])
        chain.close()
    for node in network.nodes:
        ask(network.ipc(node), "miner_start")

    def difficulties() -> set[tuple[str, str]]:
        blocks = [ask(network.ipc(node), "eth_getBlockByNumber", "latest", False) for node in network.nodes]
        return {(block["hash"], block["totalDifficulty"]) for block in blocks}

    wait_until(lambda: len(difficulties()) == 2 and len({weight for _, weight in difficulties()}) == 1, 30)
    top = max(head(network, node)[0] for node in network.nodes)
    for one in halves[0]:
        for other in halves[1]:
            call(network, one, other)

    def is_one_chain() -> bool:
        try:
            heads = [head(network, node) for node in network.nodes]
        except ChainError:
            return False  # the watchdog starts it again
        return min(heads)[0] > top + 2 and len(set(heads)) == 1

    wait_until(is_one_chain, 90)
    for node in network.nodes:
        chain = RpcChain(node.rpc_url)
        assert all(receipt is not None and receipt.succeeded for receipt in chain.receipts(digests))
        chain.close()
    assert "leaves block" in network.watchdog_log.read_text(encoding="utf-8")
