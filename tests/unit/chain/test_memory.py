"""What only the chain in memory promises: it can be repeated hash by hash, and it runs our contract only."""

import pytest

from petra.chain.client import deploy
from petra.chain.memory import MemoryChain
from petra.domain.blocks import Block
from petra.domain.terms import Terms
from petra.errors import ChainError
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from petra.wire.artifact import CREATION_CODE
from petra.wire.secp256k1 import SecretKey
from petra.wire.transaction import Transaction, sign

KEY = SecretKey(bytes.fromhex("46" * 32))


def _deployed(*, chain_id: int = 7, genesis: int = 1_000, seed: int = 1) -> tuple[MemoryChain, Block]:
    chain, keys = MemoryChain(chain_id=chain_id, genesis=genesis), SimulatedKeys(seed=seed)
    dso = keys.new("dso")
    terms = Terms(dso=dso, genesis=1_000, timestep_seconds=900, gate=0, max_length=96, max_price=10**9)
    deploy(chain, keys, SqlOutbox(), dso, terms)
    return chain, chain.mine(5_000)


def test_another_contract_is_refused() -> None:
    """There is no EVM here: what is not our creation code cannot run."""
    transaction = Transaction(chain_id=7, nonce=0, gas_limit=100_000, to=None, data=b"\x60\x00")
    with pytest.raises(ChainError, match="PETra's contract only"):
        MemoryChain(chain_id=7, genesis=0).send([sign(transaction, KEY.sign)])


def test_creation_code_with_broken_terms_deploys_nothing() -> None:
    """The constructor reverts where the words after the code are no terms."""
    chain, block = _deployed()
    without_terms = Transaction(chain_id=7, nonce=0, gas_limit=9_000_000, to=None, data=CREATION_CODE)
    [digest] = chain.send([sign(without_terms, KEY.sign)])
    chain.mine(block.timestamp + 1)
    [receipt] = chain.receipts([digest])
    assert receipt is not None and not receipt.succeeded and receipt.contract is None


def test_the_reason_of_what_is_not_mined_cannot_be_asked_for() -> None:
    """Nothing is known about it yet."""
    with pytest.raises(ChainError, match="has not mined"):
        MemoryChain(chain_id=7, genesis=0).refusal(bytes(32))


def test_a_call_to_an_address_without_code_succeeds_and_does_nothing() -> None:
    """As in Ethereum."""
    chain = MemoryChain(chain_id=7, genesis=0)
    transaction = Transaction(chain_id=7, nonce=0, gas_limit=100_000, to=KEY.address, data=b"\1")
    [digest] = chain.send([sign(transaction, KEY.sign)])
    chain.mine(1)
    [receipt] = chain.receipts([digest])
    assert receipt is not None and receipt.succeeded
    assert chain.logs(KEY.address, 0, 1) == []


def test_the_same_transactions_and_times_give_the_same_hashes() -> None:
    """A run can be repeated, and every input of a block shows in its hash."""
    assert _deployed()[1] == _deployed()[1]
    hashes = {_deployed(**change)[1].hash for change in ({}, {"chain_id": 8}, {"genesis": 999}, {"seed": 2})}
    assert len(hashes) == 4
