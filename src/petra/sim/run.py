"""One run on a virtual clock, from start to run directory: deploy, enrol, play the market day, write what happened.

Decides: when blocks are made (DESIGN 12). The cast decides what happens in between.
Invariants: nothing comes from the wall clock; blocks stand on the grid starts + n * block_seconds, and one is made only
where a transaction waits; a transaction sent at time t stands in the first block after t, in the order of sending.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from petra.chain.client import LedgerClient, deploy, read_records
from petra.domain.blocks import Block, Checkpoint, Intent, Outcome
from petra.domain.terms import Address
from petra.fabric.memory import MemoryFabric
from petra.grid import Feeder
from petra.ledger.fold import LedgerView
from petra.play.cast import enrol, introduce, plan_days, write_bills
from petra.play.records import Mined, block_line
from petra.play.stage import Actor, Outside, Stage
from petra.play.world import World
from petra.ports import VirtualChain
from petra.store.journal import JsonLines, JsonlJournal
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from petra.wire.envelope import signature_domain


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a finished run tells its caller; `alarms` are broken promises."""

    transactions: int
    alarms: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class VirtualLedger:
    """The contract on a chain whose blocks are ours: what waits for the next block, and what the last one brought.

    Attributes:
        block_seconds, origin: blocks stand at origin + n * block_seconds.
        publish: takes each block's line of the public record.
    """

    chain: VirtualChain
    outbox: SqlOutbox
    client: LedgerClient
    contract: Address
    view: LedgerView
    block_seconds: int
    origin: int
    publish: Callable[[Mapping[str, object]], None]
    transactions: int = 0
    _waiting: list[Intent] = field(default_factory=list)
    _checkpoint: Checkpoint | None = None

    def deployed(self) -> None:
        """Make the first block, which holds the contract."""
        block = self.chain.mine(self.origin)
        self._publish(block, self.client.outcomes())
        self._checkpoint = Checkpoint(block_number=block.number, block_hash=block.hash)

    def take(self, stage: Stage, intent: Intent) -> None:
        """Let an intent wait for the next block, and plan that block."""
        if not self._waiting:
            passed = (stage.now - self.origin) // self.block_seconds
            stage.at(self.origin + (passed + 1) * self.block_seconds, lambda: self._make_block(stage))
        self._waiting.append(intent)

    def _make_block(self, stage: Stage) -> None:
        """Send everything that waits, make the block, and tell the actors what it brought."""
        assert self._checkpoint is not None, "the contract is deployed first"
        waiting, self._waiting = self._waiting, []
        self.client.submit(waiting)
        block = self.chain.mine(stage.now)
        outcomes = self.client.outcomes()
        records, self._checkpoint = read_records(self.chain, self.contract, self._checkpoint)
        self.transactions += len(block.transactions)
        self._publish(block, outcomes)
        for record in records:
            self.view.observe(record.events)
            stage.note_record(record)
        for outcome in outcomes:
            if not outcome.done:
                stage.note_void(outcome, self.chain.refusal(outcome.transaction_hash))
        stage.tell_of_blocks(records, outcomes, self.view)

    def _publish(self, block: Block, outcomes: Sequence[Outcome]) -> None:
        signed = self.outbox.find([outcome.intent_id for outcome in outcomes])
        mined = {
            outcome.transaction_hash: Mined(
                raw=signed[outcome.intent_id].raw, succeeded=outcome.done, gas_used=outcome.gas_used
            )
            for outcome in outcomes
        }
        self.publish(block_line(block, mined, self.chain.logs(self.contract, block.number, block.number)))


def simulate(
    world: World, chain: VirtualChain, seed: int, directory: Path, on_progress: Callable[[int], None] = lambda now: None
) -> RunResult:
    """Play a world on a chain and write journal, public record and bills into an existing directory.

    Args:
        world: who plays, and when.
        chain: younger than the world's beginning; the contract is deployed on it.
        seed: where keys and chance come from.
        directory: gets journal.jsonl, ledger.jsonl and bills/, and grid.json where the data have a feeder.
        on_progress: called with the virtual unix second after each event.
    """
    keys = SimulatedKeys(seed)
    terms = world.terms(keys.new("dso"))
    with (
        JsonlJournal(directory / "journal.jsonl") as journal,
        JsonLines(directory / "ledger.jsonl") as public,
    ):
        outbox = SqlOutbox()
        _, contract = deploy(chain, keys, outbox, terms.dso, terms)
        ledger = VirtualLedger(
            chain=chain,
            outbox=outbox,
            client=LedgerClient(chain, keys, outbox, contract),
            contract=contract,
            view=LedgerView(terms),
            block_seconds=world.scenario.chain.block_seconds,
            origin=world.starts,
            publish=public.write,
        )
        ledger.deployed()
        settings = world.scenario.fabric
        fabric = MemoryFabric(
            Random(f"{seed}:fabric"),
            delay_seconds_min=settings.delay_seconds_min,
            delay_seconds_max=settings.delay_seconds_max,
            loss=settings.loss,
            duplication=settings.duplication,
        )

        def submit(actor: Actor, intent: Intent) -> None:
            ledger.take(stage, intent)

        outside = Outside(
            contract=contract,
            fabric=fabric,
            keys=keys,
            journal=journal,
            domain=signature_domain(chain.chain_id, contract),
            submit=submit,
        )
        stage = Stage(outside=outside, now=world.starts, arrivals=Random(f"{seed}:arrivals"))
        cast = enrol(world, stage, terms, seed)
        introduce(cast, chain.chain_id)
        plan_days(cast)
        while (at := stage.next_at) is not None:
            stage.now = at
            stage.do_next()
            on_progress(at)
        write_bills(cast, directory / "bills")
    alarms = [*cast.dso_state.alarms, *check_grid(world, directory)]
    return RunResult(transactions=ledger.transactions, alarms=tuple(alarms))


def check_grid(world: World, directory: Path) -> Iterator[str]:
    """Solve the day on its feeder, where the data have one; a limit that the safety ledger broke is an alarm."""
    if world.feeder is None:
        return
    told = _solved_grid(world, world.feeder, directory / "journal.jsonl")
    (directory / "grid.json").write_text(json.dumps(told) + "\n", encoding="utf-8")
    yield from told.get("promises_broken", ())


def _solved_grid(world: World, feeder: Feeder, journal: Path) -> dict[str, Any]:
    """Return what grid.json says."""
    from petra.grid.outcomes import CornerSolver  # noqa: PLC0415 a solver, which not every run needs
    from petra.grid.powerflow import PowerFlow  # noqa: PLC0415
    from petra.sim import grid_day, other_rules  # noqa: PLC0415

    nodeless = [home.profile.name for home in world.homes if home.profile.node is None]
    if nodeless:
        why = f"{', '.join(nodeless)}: the data name no node of the feeder, so nobody knows where their power flows"
        return {"feeder": feeder.name, "rule": world.scenario.grid.rule, "impossible": why}
    notes, corners = grid_day.read_notes(journal), CornerSolver(PowerFlow(feeder))
    day = grid_day.grid_day(world, notes, corners)
    compared = other_rules.comparison_json(other_rules.compare_rules(world, notes, corners))
    return grid_day.as_json(day, feeder, world.scenario.grid.rule) | {"comparison": compared}
