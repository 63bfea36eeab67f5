"""One run on the wall clock: deploy, enrol, play the market day while the chain makes its own blocks (DESIGN 12).

Decides: who works through which node, and when the clock moves on. The cast decides everything else.
Invariant: the same roles, transactions and messages as in a simulation; only the clock and the blocks are others'.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from random import Random

from petra.chain.client import LedgerClient, deploy
from petra.chain.reader import LedgerReader
from petra.domain.refusals import Refusal
from petra.domain.terms import Address, Terms
from petra.errors import ChainError
from petra.fabric.memory import MemoryFabric
from petra.play.cast import Cast, enrol, introduce, plan_days, write_bills
from petra.play.stage import Outside, Stage
from petra.play.world import World, in_real_time
from petra.ports import Chain
from petra.runtime.node import LiveNode, News
from petra.runtime.public import PublicRecord
from petra.store.journal import JsonLines, JsonlJournal
from petra.store.keys import SystemKeys
from petra.store.outbox import SqlOutbox
from petra.wire.envelope import signature_domain

POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSettings:
    """How a world is played in real time.

    Attributes:
        timestep_seconds: T.
        lead_seconds: from the deployment to the first forecast.
        confirmations: blocks on top of one that make it final for the homes, who trade.
        dso_confirmations: the same for the DSO, who keeps the books; a clique of n validators wants n / 2 + 1.
        node_patience_seconds: how long a node may fail before the run is given up.
    """

    timestep_seconds: int
    lead_seconds: int = 6
    confirmations: int = 1
    dso_confirmations: int = 3
    node_patience_seconds: float = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveResult:
    """What a finished run tells its caller; `alarms` are broken promises."""

    transactions: int
    reorganisations: int
    alarms: tuple[str, ...]


def play_live(
    world: World,
    chains: Sequence[Chain],
    settings: LiveSettings,
    directory: Path,
    on_progress: Callable[[float], None] = lambda share: None,
) -> LiveResult:
    """Play a world in real time and write journal, public record and bills into an existing directory.

    Args:
        world: who plays what; its seconds are stretched to `settings.timestep_seconds`.
        chains: the nodes of one chain; the DSO works through the first, the homes through all in turn.
        settings: T, lead and finality.
        directory: gets journal.jsonl, ledger.jsonl and bills/.
        on_progress: called with the share of the run that is over, 0 .. 1.

    Raises:
        ChainError: the contract was not mined, or a node failed for too long.
    """
    keys, dso_outbox = SystemKeys(), SqlOutbox()
    now = int(time.time())
    played = in_real_time(world, now + settings.lead_seconds + _deployment_seconds(world), settings.timestep_seconds)
    terms = played.terms(keys.new("dso"))
    ledger = _deploy(chains[0], keys, dso_outbox, terms, seconds=3 * _deployment_seconds(world))
    with JsonlJournal(directory / "journal.jsonl") as journal, JsonLines(directory / "ledger.jsonl") as public:
        nodes = _nodes(chains, settings, ledger, keys, dso_outbox)
        by_actor: dict[str, LiveNode] = {}
        outside = Outside(
            contract=ledger.contract,
            fabric=MemoryFabric(Random(secrets.randbits(64)), delay_seconds_max=0),
            keys=keys,
            journal=journal,
            domain=signature_domain(chains[0].chain_id, ledger.contract),
            submit=lambda actor, intent: by_actor[actor.name].take(intent),
        )
        stage = Stage(outside=outside, now=int(time.time()), arrivals=Random(secrets.randbits(64)))
        cast = enrol(played, stage, terms, secrets.randbits(62))
        _share_out(cast, nodes, by_actor)
        introduce(cast, chains[0].chain_id)
        plan_days(cast)
        record = PublicRecord(
            chains[0],
            ledger.contract,
            ledger.signed,
            public,
            confirmations=settings.dso_confirmations,
            first_block=ledger.block_number,
        )
        day = _Day(cast, nodes, record, on_progress)
        day.play()
        write_bills(cast, directory / "bills")
    return LiveResult(
        transactions=record.transactions, reorganisations=day.reorganisations, alarms=tuple(cast.dso_state.alarms)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ledger:
    """Where the contract stands, and the signed bytes of all our transactions, by hash."""

    contract: Address
    terms: Terms
    block_number: int
    signed: dict[bytes, bytes]


def _nodes(
    chains: Sequence[Chain], settings: LiveSettings, ledger: _Ledger, keys: SystemKeys, dso_outbox: SqlOutbox
) -> list[LiveNode]:
    """Return the DSO's way to the first node, then the homes' ways to each."""
    dso, homes = settings.dso_confirmations, settings.confirmations
    queues = frozenset({ledger.terms.dso})
    ways = [("the DSO's node", chains[0], dso_outbox, dso)]
    ways += [(f"node {number}", chain, SqlOutbox(), homes) for number, chain in enumerate(chains, start=1)]
    return [
        LiveNode(
            name=name,
            chain=chain,
            outbox=outbox,
            client=LedgerClient(chain, keys, outbox, ledger.contract, confirmations=confirmations, queues=queues),
            reader=LedgerReader(chain, ledger.contract, ledger.terms, confirmations=confirmations),
            signed=ledger.signed,
            queues=queues,
            patience_seconds=settings.node_patience_seconds,
        )
        for name, chain, outbox, confirmations in ways
    ]


class _Day:
    """The loop: what is due, what waits to be sent, what the nodes tell."""

    def __init__(
        self, cast: Cast, nodes: Sequence[LiveNode], record: PublicRecord, on_progress: Callable[[float], None]
    ) -> None:
        self.reorganisations = 0
        self._stage = cast.stage
        self._nodes = nodes
        self._record = record
        self._on_progress = on_progress
        self._begins = cast.stage.now
        dso = cast.dso_state.policy
        self._ends = cast.dso_state.cut_off(cast.world.last_timestep) + dso.dispute_window_seconds + 2
        self._alarms = cast.dso_state.alarms

    def play(self) -> None:
        """Go on until nothing is planned and the last block is told of."""
        stage = self._stage
        while stage.next_at is not None or time.time() < self._ends:
            self._do_what_is_due()
            for node in self._nodes:
                node.send(time.time())
            for number, node in enumerate(self._nodes):
                if news := node.news(time.time()):
                    self._tell(node, news, is_first=number == 0)
            self._on_progress(min(1.0, (time.time() - self._begins) / max(1, self._ends - self._begins)))
            time.sleep(POLL_SECONDS)
        self._record.write_on()

    def _do_what_is_due(self) -> None:
        stage = self._stage
        while (at := stage.next_at) is not None and at <= time.time():
            stage.now = max(stage.now, at)
            stage.do_next()
        stage.now = max(stage.now, int(time.time()))

    def _tell(self, node: LiveNode, news: News, *, is_first: bool) -> None:
        """Let the actors of a node hear its news; the journal is written from the first node's."""
        if news.undone is not None:
            self.reorganisations += 1
            if is_first:
                # What the books say of these transactions cannot be taken back here: that is a broken promise.
                self._alarms.append(f"{len(news.undone)} final transactions vanished: set more confirmations")
        if is_first:
            for record in news.records:
                self._stage.note_record(record)
            with suppress(ChainError):  # it is written on with the next news
                self._record.write_on()
        for outcome in news.outcomes:
            if not outcome.done:
                self._stage.note_void(outcome, _refusal(node.chain, outcome.transaction_hash))
        if node.actors and node.reader.view is not None:
            self._stage.tell_of_blocks(news.records, news.outcomes, node.reader.view, node.actors)


def _share_out(cast: Cast, nodes: Sequence[LiveNode], by_actor: dict[str, LiveNode]) -> None:
    """Give the DSO the first node, and every home one of the others in turn."""
    first, *others = nodes
    turns = cycle(others)
    places = [(first, [cast.dso]), *((next(turns), [home.agent, home.meter]) for home in cast.homes)]
    for node, actors in places:
        node.actors += actors
        by_actor.update({actor.name: node for actor in actors})


def _deployment_seconds(world: World) -> int:
    return 4 * world.scenario.chain.block_seconds + 2


def _deploy(chain: Chain, keys: SystemKeys, outbox: SqlOutbox, terms: Terms, *, seconds: int) -> _Ledger:
    """Put the contract on the chain and wait until it stands there."""
    deployment, contract = deploy(chain, keys, outbox, terms.dso, terms)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        (receipt,) = chain.receipts([deployment.transaction_hash])
        if receipt is not None and not receipt.succeeded:
            raise ChainError("the node refused the contract: its EVM or its gas limit does not carry it")
        if receipt is not None:
            signed = {deployment.transaction_hash: deployment.raw}
            return _Ledger(contract=contract, terms=terms, block_number=receipt.block_number, signed=signed)
        time.sleep(POLL_SECONDS)
    raise ChainError(f"the contract was not mined within {seconds} s: does the node make blocks, at gas price 0?")


def _refusal(chain: Chain, transaction_hash: bytes) -> Refusal | None:
    """Return why the contract refused, None where the node does not say: few nodes keep traces."""
    try:
        return chain.refusal(transaction_hash)
    except ChainError:
        return None
