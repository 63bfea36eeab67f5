"""What every test of the client under faults starts from: a node, the proxy before it, a contract, a patient driver."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from petra.chain.anvil import AnvilChain
from petra.chain.client import LedgerClient, deploy
from petra.chain.errors import Reorganised
from petra.chain.reader import LedgerReader
from petra.chain.rpc import RpcChain
from petra.domain.blocks import Intent, LedgerRecord, Outcome
from petra.domain.calls import Call, Protest, RescindOffer
from petra.domain.events import Protested
from petra.domain.terms import Address, Terms
from petra.errors import ChainError
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from tests.faults.proxy import FaultProxy

CHAIN_ID = 31_415
GENESIS = 1_464_271_200  # 26 May 2016, 14:00 UTC
ROUNDS = 12


@dataclass(slots=True, kw_only=True)
class World:
    """A node with a deployed contract; `node` reaches it without the proxy."""

    node: AnvilChain
    proxy: FaultProxy
    keys: SimulatedKeys
    dso: Address
    terms: Terms
    contract: Address
    homes: int = 0

    def home(self) -> Address:
        """Return a pseudonym that has sent nothing."""
        self.homes += 1
        return self.keys.new(f"home {self.homes}")

    def mine(self, blocks: int = 1) -> None:
        """Make blocks."""
        for _ in range(blocks):
            self.node.mine(self.node.head().timestamp + 1)

    def lose_pool(self) -> None:
        """Let the node forget what it has not mined, as one does that restarts."""
        self.node._rpc.call("anvil_dropAllTransactions")

    def reorganise(self, depth: int, *instead: bytes) -> None:
        """Replace the last blocks by as many others, of which the first holds these transactions."""
        raws = [[f"0x{raw.hex()}", 0] for raw in instead]
        self.node._rpc.call("anvil_reorg", depth, raws)


@contextmanager
def new_world() -> Iterator[World]:
    """Start a node, deploy, and put a proxy before it."""
    node = AnvilChain.start(chain_id=CHAIN_ID, genesis=GENESIS)
    try:
        keys = SimulatedKeys(seed=1)
        dso = keys.new("dso")
        terms = Terms(dso=dso, genesis=GENESIS, timestep_seconds=900, gate=0, max_length=96, max_price=10**9)
        _, contract = deploy(node, keys, SqlOutbox(), keys.new("deployer"), terms)
        node.mine(GENESIS + 1)
        with FaultProxy(node.url) as proxy:
            yield World(node=node, proxy=proxy, keys=keys, dso=dso, terms=terms, contract=contract)
    finally:
        node.close()


@dataclass(slots=True, kw_only=True)
class Player:
    """A driver as simple as can be: it submits once, then sends, looks and reads until everything has ended.

    Attributes:
        ended: every outcome that was told, by intent, in order.
        records: what became final, without what was undone. troubles: the names of the errors that came up.
    """

    world: World
    chain: RpcChain
    outbox: SqlOutbox
    client: LedgerClient
    reader: LedgerReader
    ended: dict[str, list[Outcome]] = field(default_factory=dict)
    records: list[LedgerRecord] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def play(self, intents: Sequence[Intent], *, rounds: int = ROUNDS) -> None:
        """Submit, and go on until every intent has ended and its block was read, or the rounds are over."""
        self.attempt(lambda: self.client.submit(intents))
        self.go_on(rounds=rounds)

    def go_on(self, *, rounds: int = ROUNDS) -> None:
        """Make blocks until nothing is under way."""
        for _ in range(rounds):
            self.world.mine()
            if self.step():
                return

    def step(self) -> bool:
        """Send again what has no block, look at outcomes, read; say whether nothing is left to do."""
        self.attempt(self.client.resend_pending)
        self.attempt(self._look)
        self.attempt(self._read)
        done = {record.transaction_hash for record in self.records}
        wanted = {told[-1].transaction_hash for told in self.ended.values() if told and told[-1].done}
        return not self.client.unresolved and wanted <= done

    def attempt(self, action: Callable[[], object]) -> None:
        """Act, and note an error's name."""
        try:
            action()
        except ChainError as error:
            self.troubles.append(type(error).__name__)

    def _look(self) -> None:
        for outcome in self.client.outcomes():
            self.ended.setdefault(outcome.intent_id, []).append(outcome)

    def _read(self) -> None:
        try:
            self.records += self.reader.advance()
        except Reorganised as error:
            self.troubles.append(type(error).__name__)
            self.records = [record for record in self.records if record.transaction_hash not in error.undone]
            for intent_id in self.client.reopen(error.ancestor):
                self.ended[intent_id].clear()

    def close(self) -> None:
        """Let go of the node and the outbox."""
        self.chain.close()
        self.outbox.close()

    def verdicts(self) -> dict[str, list[str]]:
        """Return what was told of each intent."""
        return {intent_id: ["done" if o.done else "void" for o in told] for intent_id, told in self.ended.items()}

    def protests(self) -> list[int]:
        """Return the numbers of the protests that were read as final, in order."""
        events = [event for record in self.records for event in record.events]
        return [int.from_bytes(event.digest) for event in events if isinstance(event, Protested)]


@contextmanager
def playing(
    world: World,
    *,
    confirmations: int = 1,
    patience_seconds: float = 1,
    timeout_seconds: float = 5,
    direct: bool = False,
) -> Iterator[Player]:
    """Give a driver with an outbox of its own; unless `direct`, it reaches the node through the proxy."""
    url, outbox = world.node.url if direct else world.proxy.url, SqlOutbox()
    chain = RpcChain(url, timeout_seconds=timeout_seconds, patience_seconds=patience_seconds)
    client = LedgerClient(chain, world.keys, outbox, world.contract, confirmations=confirmations, queues=[world.dso])
    reader = LedgerReader(chain, world.contract, world.terms, confirmations=confirmations)
    driver = Player(world=world, chain=chain, outbox=outbox, client=client, reader=reader)
    try:
        yield driver
    finally:
        driver.close()


def intent(name: str, sender: Address, call: Call) -> Intent:
    """Return an intent."""
    return Intent(intent_id=name, sender=sender, call=call)


def two_done_and_one_void(world: World) -> list[Intent]:
    """Return three intents of one pseudonym: their nonces stand and fall together."""
    home = world.home()
    first, second = 2 * world.homes, 2 * world.homes + 1
    return [
        intent(f"protest {first}", home, Protest(digest=first.to_bytes(32))),
        intent(f"rescind {first}", home, RescindOffer(offer_id=10**6)),
        intent(f"protest {second}", home, Protest(digest=second.to_bytes(32))),
    ]
