"""The chains that every test of the port runs on, and a deployed contract."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from petra.chain import client
from petra.chain.anvil import AnvilChain
from petra.chain.memory import MemoryChain
from petra.domain.calls import Call
from petra.domain.terms import Address, Terms
from petra.ports import VirtualChain
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from petra.wire import abi
from petra.wire.transaction import Transaction, gas_limit_of, sign

CHAIN_ID = 31_415
GENESIS = 1_464_271_200  # 26 May 2016, 14:00 UTC


@pytest.fixture(params=["memory", pytest.param("anvil", marks=pytest.mark.anvil)])
def chain(request: pytest.FixtureRequest) -> Iterator[VirtualChain]:
    """A fresh chain of each kind."""
    made: VirtualChain
    if request.param == "memory":
        made = MemoryChain(chain_id=CHAIN_ID, genesis=GENESIS)
    else:
        made = AnvilChain.start(chain_id=CHAIN_ID, genesis=GENESIS)
    yield made
    made.close()


@dataclass(slots=True, kw_only=True)
class Market:
    """A deployed contract, with keys to sign for everybody and a clock that counts blocks of 5 s."""

    chain: VirtualChain
    keys: SimulatedKeys
    outbox: SqlOutbox
    dso: Address
    contract: Address
    now: int = GENESIS + 5

    def signed(self, sender: Address, nonce: int, call: Call, *, chain_id: int = CHAIN_ID) -> bytes:
        """Return the raw transaction of a call."""
        transaction = Transaction(
            chain_id=chain_id,
            nonce=nonce,
            gas_limit=gas_limit_of(call),
            to=self.contract,
            data=abi.encode_call(call),
        )
        return sign(transaction, lambda digest: self.keys.sign(sender, digest))

    def mine(self) -> int:
        """Make the next block and return its number."""
        self.now += 5
        return self.chain.mine(self.now).number


def deploy_market(chain: VirtualChain) -> Market:
    """Deploy the contract in block 1, five seconds after genesis."""
    keys, outbox = SimulatedKeys(seed=1), SqlOutbox()
    dso = keys.new("dso")
    terms = Terms(dso=dso, genesis=GENESIS, timestep_seconds=900, gate=0, max_length=96, max_price=10**9)
    _, contract = client.deploy(chain, keys, outbox, dso, terms)
    chain.mine(GENESIS + 5)
    return Market(chain=chain, keys=keys, outbox=outbox, dso=dso, contract=contract)


@pytest.fixture
def market(chain: VirtualChain) -> Market:
    """A contract in block 1."""
    return deploy_market(chain)
