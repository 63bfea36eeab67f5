"""anvil, Foundry's Ethereum node, as a chain whose blocks and time are ours.

Decides: how the node is started, and that blocks are made only by us. Everything else is plain JSON-RPC.
Invariant: a transaction is in the first block that is made after it was sent, in the order of sending; the node that we
started ends with us (DESIGN 12, 14).
"""

from petra.chain.jsonrpc import Failure
from petra.chain.rpc import RpcChain
from petra.domain.blocks import Block
from petra.errors import ChainError, InputError, MissingTool, WorldError
from petra.processes import ChildProcess, free_port
from petra.tools import find_anvil

_START_SECONDS = 20
_ATTEMPTS = 3
_FLAGS = (
    "--quiet",
    "--no-mining",
    *("--order", "fifo"),
    *("--hardfork", "paris"),
    *("--block-base-fee-per-gas", "0"),
    *("--gas-price", "0"),
    *("--gas-limit", "100000000000"),  # a limit of 500,000 for each transaction must not bound how many fit in a block
    *("--accounts", "0"),
    # Otherwise old states go to files in the user's home, which nobody removes; a trace needs its block's.
    *("--prune-history", "80"),
)


class AnvilChain(RpcChain):
    """A local node: our own (`start`) or somebody's (`attach`)."""

    def __init__(self, url: str, *, child: ChildProcess | None = None) -> None:
        """Talk to the node at this URL; `child` is the process to stop at the end, None if it is not ours."""
        self._child = child
        super().__init__(url, patience_seconds=0)  # it is near: what fails at once stays failed

    @classmethod
    def start(cls, *, chain_id: int, genesis: int) -> "AnvilChain":
        """Start a node of our own, whose block 0 has this unix second.

        Raises:
            MissingTool: there is no anvil here.
            ChainError: it does not start.
        """
        binary = find_anvil()
        if binary is None:
            raise MissingTool("anvil is not installed: run `make setup`, set PETRA_ANVIL, or use --ledger memory")
        problem: WorldError | None = None
        for _ in range(_ATTEMPTS):  # somebody may take the free port before the node does
            port = free_port()
            address = ("--host", "127.0.0.1", "--port", str(port))
            child = ChildProcess(
                [str(binary), *address, "--chain-id", str(chain_id), "--timestamp", str(genesis), *_FLAGS]
            )
            try:
                child.wait_for_port(port, timeout_seconds=_START_SECONDS)
                chain = cls(f"http://127.0.0.1:{port}", child=child)
                if child.is_running and (chain.chain_id, chain.block(0).timestamp) == (chain_id, genesis):
                    return chain
            except WorldError as error:
                problem = error
            except BaseException:
                child.stop()
                raise
            child.stop()
        raise ChainError(f"anvil does not start: {problem or 'another node took its port'}")

    @classmethod
    def attach(cls, url: str) -> "AnvilChain":
        """Use a node that runs already, and take its blocks and time over.

        Raises:
            InputError: no node is there, its time is not ours to set, or it wants to be paid.
        """
        try:
            chain = cls(url)
        except ChainError as error:
            raise InputError(str(error)) from error
        head = chain.head()
        if isinstance(chain._rpc.try_call("evm_setNextBlockTimestamp", head.timestamp + 1), Failure):
            chain.close()
            raise InputError(f"the node at {url} keeps its own time: use petra live, which runs in real time")
        if int(chain._rpc.call("eth_getBlockByNumber", "latest", False).get("baseFeePerGas", "0x0"), 16):
            chain.close()
            raise InputError(
                f"the node at {url} has a base fee, which pseudonyms cannot pay: "
                "start it with --hardfork paris --block-base-fee-per-gas 0 --gas-price 0"
            )
        chain._rpc.call("evm_setAutomine", False)
        chain._rpc.call("evm_setIntervalMining", 0)
        return chain

    @property
    def process_id(self) -> int | None:
        """The id of the node that we started, None for another."""
        return self._child.process_id if self._child else None

    def mine(self, timestamp: int) -> Block:
        """Make one block at this unix second, later than the last one's, with everything that was sent."""
        # One request after the other: a node may work on the requests of a batch side by side.
        self._rpc.call("evm_setNextBlockTimestamp", timestamp)
        self._rpc.call_once("evm_mine")
        block = self.head()
        if block.timestamp != timestamp:
            raise ChainError(f"the node made a block at {block.timestamp} instead of {timestamp}")
        return block

    def close(self) -> None:
        """Let go of the node, and stop it if it is ours."""
        super().close()
        if self._child:
            self._child.stop()
