"""Any Ethereum node by plain JSON-RPC: send, receipts, blocks, logs.

Decides: which requests make up the port `Chain`, and which of a node's "no" to a send means "I have it already". It
does not know what stands in a transaction beyond its chain id.
Invariant: what the node says is checked for its form before anything is made of it; nonsense is a ChainError. Every
request but the making of a block may be made twice, so passing trouble is met with patience.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from petra.chain.errors import NonceTaken, WrongChain
from petra.chain.jsonrpc import METHOD_NOT_FOUND, Failure, JsonRpc
from petra.domain.blocks import Block, Log, Receipt
from petra.domain.refusals import Refusal
from petra.domain.terms import Address
from petra.errors import ChainError, PetraError
from petra.wire import abi
from petra.wire.secp256k1 import parse_address
from petra.wire.transaction import chain_id_of, transaction_hash

T = TypeVar("T")

# A node works on the requests of one batch side by side. anvil keeps their order up to some 50 sends (measured: at 100
# it does not), and the order of sending is the order in the block.
_SENDS_PER_BATCH = 25
_LOG_BLOCKS = 2_000  # what public nodes commonly allow in one eth_getLogs


class RpcChain:
    """A node at a URL."""

    def __init__(self, url: str, *, timeout_seconds: float = 60, patience_seconds: float = 10) -> None:
        """Connect and ask for the chain's id; ChainError at once where no node answers.

        Args:
            url: where the node is.
            timeout_seconds: how long one attempt may wait for bytes.
            patience_seconds: how long passing trouble is met with another attempt.
        """
        self._rpc = JsonRpc(url, timeout_seconds=timeout_seconds, patience_seconds=patience_seconds)
        self._chain_id = self._parsed(_quantity, self._rpc.call_once("eth_chainId"), "eth_chainId")

    @property
    def url(self) -> str:
        """Where the node is."""
        return self._rpc.url

    @property
    def chain_id(self) -> int:
        """The chain's id, as the node said at the start."""
        return self._chain_id

    def send(self, raw_transactions: Sequence[bytes]) -> list[bytes]:
        """Hand over signed bytes in order; what the node refuses does not stop the others.

        Raises:
            NonceTaken: the node has mined other transactions with the nonces of some.
            ChainError: a transaction is for another chain (then nothing was sent: nodes take it and never mine it),
                or the node refused some and does not know them from before; its words are in the message. Where no
                answer came, it may have taken all the same: send again.
        """
        for raw in raw_transactions:
            if (found := chain_id_of(raw)) != self._chain_id:
                raise ChainError(f"a transaction for chain {found} was to be sent to chain {self._chain_id}")
        hashes = [transaction_hash(raw) for raw in raw_transactions]
        answers = self._rpc.batch(
            [("eth_sendRawTransaction", (_hex(raw),)) for raw in raw_transactions], size=_SENDS_PER_BATCH
        )
        refused = [pair for pair in zip(hashes, answers, strict=True) if isinstance(pair[1], Failure)]
        # "Already known", "nonce too low" and their kin are no trouble where the node has these very bytes.
        known = self._rpc.batch([("eth_getTransactionByHash", (_hex(digest),)) for digest, _ in refused])
        lost = [
            f"{_hex(digest)}: {failure.message}"
            for (digest, failure), transaction in zip(refused, known, strict=True)
            if not isinstance(transaction, dict)
        ]
        if lost:
            kind = NonceTaken if any("nonce too low" in words.lower() for words in lost) else ChainError
            raise kind(f"the node at {self.url} refused {len(lost)} transactions; {'; '.join(lost[:3])}")
        return hashes

    def receipts(self, hashes: Sequence[bytes]) -> list[Receipt | None]:
        """Return what became of each transaction; None while it is not mined."""
        answers = self._rpc.batch([("eth_getTransactionReceipt", (_hex(digest),)) for digest in hashes])
        return [
            None if answer is None else self._parsed(_receipt, answer, "eth_getTransactionReceipt")
            for answer in answers
        ]

    def head(self) -> Block:
        """Return the newest block; WrongChain where another chain than at the start is served by now."""
        chain_id, block = self._rpc.batch([("eth_chainId", ()), ("eth_getBlockByNumber", ("latest", False))])
        if (found := self._parsed(_quantity, chain_id, "eth_chainId")) != self._chain_id:
            raise WrongChain(f"the node at {self.url} serves chain {found} now, and chain {self._chain_id} before")
        return self._parsed(_block, block, "eth_getBlockByNumber")

    def block(self, number: int) -> Block:
        """Return a block by number; ChainError where there is none."""
        answer = self._rpc.call("eth_getBlockByNumber", hex(number), False)
        if answer is None:
            raise ChainError(f"the node at {self.url} has no block {number}")
        return self._parsed(_block, answer, "eth_getBlockByNumber")

    def logs(self, contract: Address, first_block: int, last_block: int) -> list[Log]:
        """Return every log of the contract in these blocks (inclusive), in order.

        Long ranges are asked for in parts, and in smaller ones where the node says that it is too much.
        """
        logs: list[Log] = []
        begin, size = first_block, _LOG_BLOCKS
        while begin <= last_block:
            end = min(begin + size - 1, last_block)
            part = self._logs(contract, begin, end)
            if not isinstance(part, Failure):
                logs += part
                begin = end + 1
            elif end > begin:
                size = (end - begin + 1) // 2
            else:
                raise ChainError(f"the node at {self.url} failed eth_getLogs of block {begin}: {part.message}")
        return sorted(logs, key=lambda log: (log.block_number, log.log_index))

    def code(self, address: Address) -> bytes:
        """Return the code that stands at an address now, empty where there is none."""
        return self._read(_bytes, "eth_getCode", address, "latest")

    def transaction_counts(self, senders: Sequence[Address]) -> list[int]:
        """Return how many transactions of each sender are mined: the first nonce that the chain has not seen."""
        method = "eth_getTransactionCount"
        answers = self._rpc.batch([(method, (sender, "latest")) for sender in senders])
        return [self._parsed(_quantity, answer, method) for answer in answers]

    def dry_run(self, contract: Address, calls: Sequence[tuple[Address, bytes]]) -> list[Refusal | None]:
        """Return for each sender and its calldata why the contract would refuse it after the newest block, or None.

        Raises:
            ChainError: one fails without a word of the contract's.
        """
        tried = [{"from": sender, "to": contract, "data": _hex(data)} for sender, data in calls]
        answers = self._rpc.batch([("eth_call", (one, "latest")) for one in tried])
        return [self._parsed(_dry_refusal, answer, "eth_call") for answer in answers]

    def refusal(self, transaction_hash: bytes) -> Refusal | None:
        """Return why the contract refused a mined transaction; None if it did not, or if the node has no traces.

        Raises:
            ChainError: it failed without one of the contract's words (a defect, or too little gas).
        """
        trace = self._rpc.try_call("debug_traceTransaction", _hex(transaction_hash), {"tracer": "callTracer"})
        if isinstance(trace, Failure):
            if trace.code == METHOD_NOT_FOUND:
                return None
            raise ChainError(f"the node at {self.url} cannot trace {_hex(transaction_hash)}: {trace.message}")
        return self._parsed(_refusal, trace, "debug_traceTransaction")

    def close(self) -> None:
        """Close the connection."""
        self._rpc.close()

    def _logs(self, contract: Address, first_block: int, last_block: int) -> list[Log] | Failure:
        wanted = {"address": contract, "fromBlock": hex(first_block), "toBlock": hex(last_block)}
        last, answer = self._rpc.batch(
            [("eth_getBlockByNumber", (hex(last_block), False)), ("eth_getLogs", (wanted,))]
        )
        if last is None:  # a node that lags would give the logs of the blocks that it has, and not say so
            raise ChainError(f"the node at {self.url} has no block {last_block} yet")
        if isinstance(answer, Failure):
            return answer
        return self._parsed(lambda logs: [_log(log) for log in logs], answer, "eth_getLogs")

    def _read(self, parse: Callable[[Any], T], method: str, *parameters: Any) -> T:
        return self._parsed(parse, self._rpc.call(method, *parameters), method)

    def _parsed(self, parse: Callable[[Any], T], answer: Any, method: str) -> T:
        try:
            return parse(answer)
        except PetraError:
            raise
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            said = answer.message if isinstance(answer, Failure) else f"nonsense: {str(answer)[:80]!r}"
            raise ChainError(f"the node at {self.url} answers {method} with {said}") from error


def _hex(data: bytes) -> str:
    return "0x" + data.hex()


def _quantity(text: str) -> int:
    return int(text, 16)


def _bytes(text: str) -> bytes:
    if not text.startswith("0x"):
        raise ValueError(text)
    return bytes.fromhex(text[2:])


def _block(answer: dict[str, Any]) -> Block:
    return Block(
        number=_quantity(answer["number"]),
        hash=_bytes(answer["hash"]),
        parent_hash=_bytes(answer["parentHash"]),
        timestamp=_quantity(answer["timestamp"]),
        transactions=tuple(map(_bytes, answer["transactions"])),
    )


def _receipt(answer: dict[str, Any]) -> Receipt:
    contract = answer.get("contractAddress")
    return Receipt(
        transaction_hash=_bytes(answer["transactionHash"]),
        block_number=_quantity(answer["blockNumber"]),
        block_hash=_bytes(answer["blockHash"]),
        transaction_index=_quantity(answer["transactionIndex"]),
        succeeded=_quantity(answer["status"]) == 1,
        gas_used=_quantity(answer["gasUsed"]),
        contract=parse_address(contract) if contract else None,
    )


def _log(answer: dict[str, Any]) -> Log:
    return Log(
        block_number=_quantity(answer["blockNumber"]),
        block_hash=_bytes(answer["blockHash"]),
        transaction_hash=_bytes(answer["transactionHash"]),
        transaction_index=_quantity(answer["transactionIndex"]),
        log_index=_quantity(answer["logIndex"]),
        topics=tuple(map(_bytes, answer["topics"])),
        data=_bytes(answer["data"]),
    )


def _refusal(trace: dict[str, Any]) -> Refusal | None:
    return abi.decode_refusal(_bytes(trace.get("output", "0x"))) if "error" in trace else None


def _dry_refusal(answer: Any) -> Refusal | None:
    if not isinstance(answer, Failure):
        _bytes(answer)
        return None
    if not isinstance(answer.data, str):  # the node's own trouble: no call came to its end
        raise ValueError(answer)
    return abi.decode_refusal(_bytes(answer.data))
