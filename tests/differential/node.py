"""A real EVM node for the differential test: batches of impersonated transactions in blocks of our own time.

Knows JSON-RPC and the contract's views. It signs nothing: the signing path is tested with the chain adapters.
"""

import json
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from threading import Event
from typing import Any

from petra.domain.events import LedgerEvent
from petra.domain.refusals import Refusal
from petra.domain.terms import Address, Terms
from petra.wire.abi import decode_log, decode_refusal, encode_call, encode_constructor
from petra.wire.artifact import CREATION_CODE
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import checksum_address
from tests.differential.generator import DSO, Step

GAS = hex(15_000_000)  # a full batch of grants fits
BATCH = 500  # JSON-RPC requests in one HTTP request
_NO_TRACE_DETAILS = {"tracer": "callTracer", "tracerConfig": {"onlyTopCall": True}}


class Node:
    """An anvil node that mines when told to."""

    def __init__(self, port: int) -> None:
        """Connect; the node must be listening."""
        self._connection = HTTPConnection("127.0.0.1", port, timeout=120)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def ask(self, method: str, *parameters: Any) -> Any:
        """Make one JSON-RPC request and return its result."""
        return self.ask_all([(method, list(parameters))])[0]

    def ask_all(self, requests: Sequence[tuple[str, list[Any]]]) -> list[Any]:
        """Make many JSON-RPC requests, in order, and return their results."""
        results: list[Any] = []
        for begin in range(0, len(requests), BATCH):
            batch = [
                {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters}
                for number, (method, parameters) in enumerate(requests[begin : begin + BATCH])
            ]
            self._connection.request("POST", "/", json.dumps(batch), {"Content-Type": "application/json"})
            answers = json.loads(self._connection.getresponse().read())
            answers.sort(key=lambda answer: answer["id"])
            for answer in answers:
                assert "error" not in answer, answer["error"]
                results.append(answer["result"])
        return results

    def mine(self, timestamp: int) -> None:
        """Make a block of this unix second with everything that was sent."""
        self.ask_all([("evm_setNextBlockTimestamp", [timestamp]), ("evm_mine", [])])


@contextmanager
def running_node(anvil: Path, genesis_timestamp: int, log: Path) -> Iterator[Node]:
    """Start a node and stop it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--timestamp", str(genesis_timestamp), "--accounts", "1", "--no-mining"]
    options += ["--order", "fifo", "--auto-impersonate", "--gas-limit", str(10**11), "--block-base-fee-per-gas", "0"]
    options += ["--gas-price", "0", "--threads", "1", "--disable-min-priority-fee"]
    with log.open("w") as output, subprocess.Popen([anvil, *options], stdout=output, stderr=output) as process:
        try:
            _await_port(port, process)
            with closing(Node(port)) as node:
                yield node
        finally:
            process.kill()


def _await_port(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(200):
        assert process.poll() is None, "anvil ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=0.05).close()
        except OSError:
            Event().wait(0.05)
        else:
            return
    raise AssertionError("anvil does not listen")


@dataclass(frozen=True, slots=True)
class Contract:
    """The contract on the node.

    Attributes:
        address: where it stands.
    """

    node: Node
    address: Address

    def play(self, steps: Sequence[Step]) -> list[tuple[LedgerEvent, ...] | Refusal]:
        """Put steps of one timestamp into one block, in order; return what became of each."""
        for step in steps:  # one by one: the node works through a batch in no certain order
            data = "0x" + encode_call(step.call).hex()
            transaction = {"from": step.sender, "to": self.address, "gas": GAS, "gasPrice": "0x0", "data": data}
            self.node.ask("eth_sendTransaction", transaction)
        self.node.mine(steps[0].timestamp)
        receipts = self.node.ask("eth_getBlockReceipts", "latest")
        assert [receipt["from"] for receipt in receipts] == [step.sender.lower() for step in steps], "lost the order"
        failed = [receipt["transactionHash"] for receipt in receipts if receipt["status"] == "0x0"]
        reasons = iter(self.node.ask_all([("debug_traceTransaction", [h, _NO_TRACE_DETAILS]) for h in failed]))
        return [
            tuple(_event(log) for log in receipt["logs"])
            if receipt["status"] == "0x1"
            else decode_refusal(_bytes(next(reasons)["output"]))
            for receipt in receipts
        ]

    def assets(self, ids: Sequence[int]) -> list[tuple[Address, int, int, int, int]]:
        """Read owner, power, start, end and offer id of each."""
        return [
            (_address(w[0]), int.from_bytes(w[1], signed=True), _number(w[2]), _number(w[3]), _number(w[4]))
            for w in self._views("assets(uint64)", ids)
        ]

    def spent(self, ids: Sequence[int]) -> list[bool]:
        """Read whether each asset is spent."""
        return [bool(_number(w[0])) for w in self._views("spent(uint64)", ids)]

    def offers(self, ids: Sequence[int]) -> list[tuple[Address, int, int, bool]]:
        """Read poster, asset id, price and openness of each."""
        return [
            (_address(w[0]), _number(w[1]), _number(w[2]), bool(_number(w[3])))
            for w in self._views("offers(uint64)", ids)
        ]

    def balances(self, holders: Sequence[Address]) -> list[int]:
        """Read the free money of each."""
        return [_number(w[0]) for w in self._views("balances(address)", [int(holder, 16) for holder in holders])]

    def _views(self, signature: str, arguments: Sequence[int]) -> list[list[bytes]]:
        selector = keccak256(signature.encode())[:4].hex()
        answers = self.node.ask_all(
            [
                ("eth_call", [{"to": self.address, "data": f"0x{selector}{argument:064x}"}, "latest"])
                for argument in arguments
            ]
        )
        data = [_bytes(answer) for answer in answers]
        return [[words[i : i + 32] for i in range(0, len(words), 32)] for words in data]


def deploy(node: Node, terms: Terms, timestamp: int) -> Contract:
    """Put the contract on the node in a block of this unix second."""
    receipt = _send_deployment(node, terms, timestamp)
    assert receipt["status"] == "0x1", "the contract was not deployed"
    return Contract(node, checksum_address(_bytes(receipt["contractAddress"])))


def refusal_of_deployment(node: Node, terms: Terms, timestamp: int) -> Refusal:
    """Try to put the contract on the node; return why it refuses its terms."""
    receipt = _send_deployment(node, terms, timestamp)
    assert receipt["status"] == "0x0", "the contract was deployed"
    trace = node.ask("debug_traceTransaction", receipt["transactionHash"], _NO_TRACE_DETAILS)
    return decode_refusal(_bytes(trace["output"]))


def _send_deployment(node: Node, terms: Terms, timestamp: int) -> dict[str, Any]:
    data = "0x" + (CREATION_CODE + encode_constructor(terms)).hex()
    sent = node.ask("eth_sendTransaction", {"from": DSO, "gas": GAS, "gasPrice": "0x0", "data": data})
    node.mine(timestamp)
    receipt: dict[str, Any] = node.ask("eth_getTransactionReceipt", sent)
    return receipt


def _event(log: dict[str, Any]) -> LedgerEvent:
    return decode_log([_bytes(topic) for topic in log["topics"]], _bytes(log["data"]))


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


def _number(word: bytes) -> int:
    return int.from_bytes(word)


def _address(word: bytes) -> Address:
    return checksum_address(word[12:])
