"""What a DSO or a home does with a chain: deploy, submit intents once, learn how they ended.

Decides: nonces, that signed bytes are kept before they are sent, and when an outcome is final (DESIGN 4). It does not
know what a call is for.
Invariant: an intent is signed once; whatever happens in between, the same bytes are sent again. It ends as done or void
when its receipt lies in a block of the chain that is deep enough, and is told of once (again only after a crash or a
reorganisation that the caller reports). docs/explanation/client-under-faults.md lists what was tried against it.
"""

from collections.abc import Collection, Iterable, Sequence
from functools import partial
from typing import Protocol

from petra.chain.errors import NonceUnresolved, WrongChain
from petra.chain.reader import first_checkpoint, read_records
from petra.crash_points import reach
from petra.domain.blocks import Checkpoint, Intent, Outcome, Receipt
from petra.domain.refusals import Refusal
from petra.domain.terms import Address, Terms
from petra.errors import InputError, ReceiptDeadline
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

__all__ = ["LedgerClient", "Outbox", "check_chain", "deploy", "first_checkpoint", "read_records"]


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
        """Mark intents as done or void."""
        ...

    def reopen(self, after_block: int) -> list[str]:
        """Mark what was settled by a later block as pending again, and return those intents."""
        ...


class LedgerClient:
    """The senders of one process at one contract."""

    def __init__(
        self,
        chain: Chain,
        keys: Keys,
        outbox: Outbox,
        contract: Address,
        *,
        confirmations: int = 0,
        queues: Collection[Address] = (),
    ) -> None:
        """Take up what the outbox holds; after a crash call `resend_pending`.

        Args:
            chain: where to send.
            keys: signs.
            outbox: keeps what was signed; it outlives the process.
            contract: what is called.
            confirmations: an outcome is final so many blocks after the one that holds it.
            queues: senders that sign on while transactions of theirs are under way: the DSO's address.
        """
        self._chain = chain
        self._keys = keys
        self._outbox = outbox
        self._contract = contract
        self._confirmations = confirmations
        self._queues = frozenset(queues)
        self._pending = {signed.intent_id: signed for signed in outbox.pending()}
        self._told: list[Outcome] = []  # and not yet marked in the outbox
        self._waiting_since: dict[str, int] = {}

    @property
    def unresolved(self) -> frozenset[Address]:
        """The senders that have transactions under way; of them, only `queues` may sign more."""
        return frozenset(signed.sender for signed in self._pending.values())

    def submit(self, intents: Sequence[Intent]) -> list[bytes]:
        """Sign, keep and send intents, in order; return the hashes of their transactions.

        An intent that was submitted before keeps its transaction, and nothing is signed or sent for it again.

        Raises:
            NonceUnresolved: a sender of a new intent has others under way; nothing was signed, kept or sent.
            StoreError: they could not be kept; none was sent.
            ChainError: they are kept and could not (all) be sent: `resend_pending` tries again.
        """
        known = self._outbox.find([intent.intent_id for intent in intents])
        fresh = {intent.intent_id: intent for intent in intents if intent.intent_id not in known}
        if not fresh:
            return [known[intent.intent_id].transaction_hash for intent in intents]
        senders = {intent.sender for intent in fresh.values()}
        if waiting := sorted((senders & self.unresolved) - self._queues):
            raise NonceUnresolved(f"{', '.join(waiting)}: transactions are under way; submit more when they have ended")
        nonces = self._outbox.next_nonces(list(senders))
        reach("sign.before")
        signed = [self._sign(intent, nonces) for intent in fresh.values()]
        reach("sign.after")
        reach("keep.before")
        self._outbox.put(signed)
        reach("keep.after")
        self._pending |= {one.intent_id: one for one in signed}
        self._transmit([one.raw for one in signed])
        known |= {one.intent_id: one for one in signed}
        return [known[intent.intent_id].transaction_hash for intent in intents]

    def refusals(self, intents: Sequence[Intent]) -> dict[str, Refusal]:
        """Return which of these intents the contract would refuse now, by id: a dry run, before anything is signed.

        What was submitted before is not tried: its fate is sealed. Nor is one tried after another, so an intent that
        needs an earlier one's effects is asked about when those are final.
        """
        known = self._outbox.find([intent.intent_id for intent in intents])
        fresh = [intent for intent in intents if intent.intent_id not in known]
        calls = [(intent.sender, abi.encode_call(intent.call)) for intent in fresh]
        answers = self._chain.dry_run(self._contract, calls)
        return {intent.intent_id: said for intent, said in zip(fresh, answers, strict=True) if said is not None}

    def outcomes(self) -> list[Outcome]:
        """Return the pending intents that have ended since the last call.

        They are marked in the outbox by `acknowledge`, or by the next call of this: by then the caller has stored their
        effects. A process that dies in between is told of them again, so an effect is stored under its intent's id.

        Raises:
            WrongChain: the contract does not stand on this chain; nothing that it says is taken.
            ChainError: passing trouble; nothing has ended yet.
        """
        self.acknowledge()
        waiting = list(self._pending.values())
        if not waiting:
            return []
        head = self._chain.head()
        final = head.number - self._confirmations
        receipts = self._chain.receipts([signed.transaction_hash for signed in waiting])
        deep = [
            (signed, receipt)
            for signed, receipt in zip(waiting, receipts, strict=True)
            if receipt is not None and receipt.block_number <= final
        ]
        # A receipt counts where its block is on the chain and holds the transaction: a node may have switched forks.
        numbers = {receipt.block_number for _, receipt in deep}
        blocks = [head if number == head.number else self._chain.block(number) for number in numbers]
        held = {(block.hash, digest) for block in blocks for digest in block.transactions}
        ended = [
            _outcome(signed, receipt)
            for signed, receipt in deep
            if (receipt.block_hash, signed.transaction_hash) in held
        ]
        # A call to an address without code succeeds and does nothing: a node that lost its chain would say "done".
        if ended and not self._chain.code(self._contract):
            raise WrongChain(f"PETra's contract does not stand at {self._contract} on this chain (any more)")
        for outcome in ended:
            del self._pending[outcome.intent_id]
            self._waiting_since.pop(outcome.intent_id, None)
        self._told = ended
        return ended

    def acknowledge(self) -> None:
        """Mark in the outbox what `outcomes` returned last: its effects are stored."""
        if self._told:
            reach("outcome.before")
            self._outbox.settle(self._told)
            reach("outcome.after")
        self._told = []

    def reopen(self, ancestor: Checkpoint) -> list[str]:
        """Take back every outcome of later blocks, because those are gone (`Reorganised`); return whose.

        Those intents are pending again, with the same bytes, and will be told of again.
        """
        self.acknowledge()
        reopened = self._outbox.reopen(ancestor.block_number)
        self._pending = {signed.intent_id: signed for signed in self._outbox.pending()}
        return reopened

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
        """Send the bytes of what is pending and in no block once more, in the old order; return how many those were.

        Call it after a start, and whenever blocks pass without receipts: a node forgets, a reorganisation drops.

        Raises:
            NonceTaken: a key signs elsewhere too, and some of these can never be mined.
            ChainError: not all could be sent; call again.
        """
        waiting = list(self._pending.values())
        receipts = self._chain.receipts([signed.transaction_hash for signed in waiting])
        missing = [signed.raw for signed, receipt in zip(waiting, receipts, strict=True) if receipt is None]
        self._transmit(missing)
        return len(missing)

    def _transmit(self, raw_transactions: Sequence[bytes]) -> None:
        reach("transmit.before")
        self._chain.send(raw_transactions)
        reach("transmit.after")

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


def _outcome(signed: SignedIntent, receipt: Receipt) -> Outcome:
    return Outcome(
        intent_id=signed.intent_id,
        done=receipt.succeeded,
        transaction_hash=signed.transaction_hash,
        block_number=receipt.block_number,
        gas_used=receipt.gas_used,
    )


def _signed(intent_id: str, sender: Address, transaction: Transaction, keys: Keys) -> SignedIntent:
    raw = sign(transaction, partial(keys.sign, sender))
    return SignedIntent(
        intent_id=intent_id,
        sender=sender,
        nonce=transaction.nonce,
        transaction_hash=transaction_hash(raw),
        raw=raw,
    )
