"""What a DSO or a home does with a chain: deploy, submit intents once, learn how they ended, read the contract's logs.

Decides: nonces, and that signed bytes are kept before they are sent (DESIGN 4). It does not know what a call is for.
Invariant: an intent is signed once; whatever happens in between, the same bytes are sent again. Reading logs writes
nothing: records and checkpoint go to the caller, who stores both together.
"""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import Protocol

from petra.domain.blocks import Checkpoint, Intent, LedgerRecord, Outcome
from petra.domain.terms import Address, Terms
from petra.errors import ChainError, InputError, ReceiptDeadline
from petra.ports import Chain, Keys
from petra.wire import abi
from petra.wire.artifact import CREATION_CODE, runtime_matches
from petra.wire.transaction import (
    DEPLOYMENT_GAS,
    SignedIntent,
    Transaction,
    contract_address,
    gas_limit_of,
    sign,
    transaction_hash,
)


class Outbox(Protocol):
    """Keeps signed transactions before they are sent; `petra.store.outbox` says more."""

    def put(self, transactions: Sequence[SignedIntent]) -> None:
        """Keep signed transactions as pending, all or none."""
        ...

    def find(self, intent_ids: Sequence[str]) -> dict[str, SignedIntent]:
        """Return the transactions of those intents that have one."""
        ...

    def next_nonces(self, senders: Sequence[Address]) -> dict[Address, int]:
        """Return for each sender the first nonce that no transaction of it has."""
        ...

    def pending(self) -> list[SignedIntent]:
        """Return what is neither done nor void, in the order in which it was put."""
        ...

    def settle(self, outcomes: Sequence[Outcome]) -> None:
        """Mark intents as done or void, for ever."""
        ...


class LedgerClient:
    """The senders of one process at one contract."""

    def __init__(
        self, chain: Chain, keys: Keys, outbox: Outbox, contract: Address, *, confirmations: int = 0
    ) -> None:
        """Take up what the outbox holds; an outcome is final `confirmations` blocks after the one that holds it."""
        self._chain = chain
        self._keys = keys
        self._outbox = outbox
        self._contract = contract
        self._confirmations = confirmations
        self._pending = {signed.intent_id: signed for signed in outbox.pending()}
        self._waiting_since: dict[str, int] = {}

    def submit(self, intents: Sequence[Intent]) -> list[bytes]:
        """Sign, keep and send intents, in order; return the hashes of their transactions.

        An intent that was submitted before keeps its transaction, and nothing is signed or sent for it again.

        Raises:
            StoreError: they could not be kept; none was sent.
            ChainError: they are kept and could not (all) be sent: `resend_pending` tries again.
        """
        known = self._outbox.find([intent.intent_id for intent in intents])
        fresh = {intent.intent_id: intent for intent in intents if intent.intent_id not in known}
        nonces = self._outbox.next_nonces(list({intent.sender: None for intent in fresh.values()}))
        signed = [self._sign(intent, nonces) for intent in fresh.values()]
        self._outbox.put(signed)
        self._pending |= {one.intent_id: one for one in signed}
        self._chain.send([one.raw for one in signed])
        known |= {one.intent_id: one for one in signed}
        return [known[intent.intent_id].transaction_hash for intent in intents]

    def outcomes(self) -> list[Outcome]:
        """Return the pending intents that have ended since the last call, and mark them so in the outbox."""
        waiting = list(self._pending.values())
        if not waiting:
            return []
        receipts = self._chain.receipts([signed.transaction_hash for signed in waiting])
        final = self._chain.head().number - self._confirmations if self._confirmations else None
        ended = [
            Outcome(
                intent_id=signed.intent_id,
                done=receipt.succeeded,
                transaction_hash=signed.transaction_hash,
                block_number=receipt.block_number,
                gas_used=receipt.gas_used,
            )
            for signed, receipt in zip(waiting, receipts, strict=True)
            if receipt is not None and (final is None or receipt.block_number <= final)
        ]
        self._outbox.settle(ended)
        for outcome in ended:
            del self._pending[outcome.intent_id]
            self._waiting_since.pop(outcome.intent_id, None)
        return ended

    def raise_overdue(self, head: int, blocks: int) -> None:
        """Raise ReceiptDeadline if an intent is pending since a call at a head that lies `blocks` or more back.

        Call it now and then with the number of the newest block: the count begins at the first call after a submit.
        """
        since = {intent_id: self._waiting_since.get(intent_id, head) for intent_id in self._pending}
        self._waiting_since = since
        overdue = [
            f"{intent_id} (0x{self._pending[intent_id].transaction_hash.hex()}, since block {at})"
            for intent_id, at in since.items()
            if head - at >= blocks
        ]
        if overdue:
            raise ReceiptDeadline(f"{len(overdue)} transactions not mined in {blocks} blocks: {', '.join(overdue)}")

    def resend_pending(self) -> int:
        """Send the bytes of everything pending once more, in the old order, and return how many those were."""
        self._chain.send([signed.raw for signed in self._pending.values()])
        return len(self._pending)

    def _sign(self, intent: Intent, nonces: dict[Address, int]) -> SignedIntent:
        transaction = Transaction(
            chain_id=self._chain.chain_id,
            nonce=nonces[intent.sender],
            gas_limit=gas_limit_of(intent.call),
            to=self._contract,
            data=abi.encode_call(intent.call),
        )
        nonces[intent.sender] += 1
        return _signed(intent.intent_id, intent.sender, transaction, self._keys)


def deploy(chain: Chain, keys: Keys, outbox: Outbox, sender: Address, terms: Terms) -> tuple[SignedIntent, Address]:
    """Send the transaction that deploys the contract; return it and the address at which the contract will stand.

    The intent is called "deploy": with the same outbox, a second call sends the first one's bytes again.
    """
    known = outbox.find(["deploy"]).get("deploy")
    if known is None:
        transaction = Transaction(
            chain_id=chain.chain_id,
            nonce=outbox.next_nonces([sender])[sender],
            gas_limit=DEPLOYMENT_GAS,
            to=None,
            data=CREATION_CODE + abi.encode_constructor(terms),
        )
        known = _signed("deploy", sender, transaction, keys)
        outbox.put([known])
    chain.send([known.raw])
    return known, contract_address(known.sender, known.nonce)


def read_records(
    chain: Chain, contract: Address, checkpoint: Checkpoint, *, confirmations: int = 0
) -> tuple[list[LedgerRecord], Checkpoint]:
    """Return what the contract told after a checkpoint up to `confirmations` blocks below the head, and the next one.

    Raises:
        ChainError: the chain no longer holds the checkpoint's block, or a log is none of our contract's.
    """
    head = chain.head()
    last = head.number - confirmations
    if last <= checkpoint.block_number:
        return [], checkpoint
    if chain.block(checkpoint.block_number).hash != checkpoint.block_hash:
        raise ChainError(f"the chain has another block {checkpoint.block_number} than when it was read last")
    end = head if last == head.number else chain.block(last)
    records: list[LedgerRecord] = []
    logs = chain.logs(contract, checkpoint.block_number + 1, last)
    for (number, block_hash), in_block in groupby(logs, key=lambda log: (log.block_number, log.block_hash)):
        block = end if number == last else chain.block(number)
        if block.hash != block_hash:
            raise ChainError(f"block {number} changed while it was read")
        for (digest, index), group in groupby(in_block, key=lambda log: (log.transaction_hash, log.transaction_index)):
            records.append(
                LedgerRecord(
                    transaction_hash=digest,
                    block_number=number,
                    transaction_index=index,
                    timestamp=block.timestamp,
                    events=tuple(abi.decode_log(log.topics, log.data) for log in group),
                )
            )
    return records, Checkpoint(block_number=last, block_hash=end.hash)


def first_checkpoint(chain: Chain) -> Checkpoint:
    """Return the checkpoint of a reader who has read nothing: block 0, which holds no transactions."""
    return Checkpoint(block_number=0, block_hash=chain.block(0).hash)


def check_chain(chain: Chain, *, chain_id: int, genesis_hash: bytes, contract: Address) -> None:
    """Raise InputError, with all that is wrong, unless this chain is the deployment's and the contract stands there."""
    checks: Iterable[tuple[bool, str]] = (
        (chain.chain_id == chain_id, f"chain id: the node serves {chain.chain_id}, the deployment is on {chain_id}"),
        (
            chain.block(0).hash == genesis_hash,
            f"genesis: the node's block 0 is 0x{chain.block(0).hash.hex()}, not 0x{genesis_hash.hex()}: another chain",
        ),
        (
            runtime_matches(chain.code(contract)),
            f"contract: PETra's code does not stand at {contract}; use the address of the deployment file, "
            "and the version of petra that wrote it",
        ),
    )
    problems = [problem for fine, problem in checks if not fine]
    if problems:
        raise InputError(problems)


def _signed(intent_id: str, sender: Address, transaction: Transaction, keys: Keys) -> SignedIntent:
    raw = sign(transaction, partial(keys.sign, sender))
    return SignedIntent(
        intent_id=intent_id,
        sender=sender,
        nonce=transaction.nonce,
        transaction_hash=transaction_hash(raw),
        raw=raw,
    )
