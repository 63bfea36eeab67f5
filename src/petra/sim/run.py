"""One run from start to run directory: deploy, enrol, play the market day, write what happened (DESIGN 12).

Decides: who is told what when the run begins, and the phases of each timestep. The roles decide everything else.
Invariant: a run directory appears whole or not at all; until then it is called DIR.partial.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from petra.chain.client import LedgerClient, deploy
from petra.domain.blocks import Checkpoint
from petra.domain.terms import Terms
from petra.fabric.memory import MemoryFabric
from petra.ledger.fold import LedgerView
from petra.ports import VirtualChain
from petra.roles import meter
from petra.roles.dso import agent as dso_agent
from petra.roles.dso.state import DsoState, Member, Policy
from petra.roles.effects import Measured, Phase, Woken
from petra.roles.meter import MeterState
from petra.roles.prosumer import agent as prosumer_agent
from petra.roles.prosumer.state import Habits, ProsumerState, Stage
from petra.roles.prosumer.strategies import midpoint
from petra.sim.engine import Actor, Engine, Outside
from petra.sim.records import block_line
from petra.sim.world import HomeSetup, World, local_day
from petra.store.journal import JsonlJournal
from petra.store.keys import SimulatedKeys
from petra.store.outbox import SqlOutbox
from petra.wire.envelope import signature_domain

# Trading ends at the gate; a grant needs a block to appear in, an offer one, an acceptance one.
BLOCKS_TO_TRADE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResult:
    """What a finished run tells its caller; `alarms` are broken promises."""

    transactions: int
    alarms: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeActors:
    """A home in the engine: its agent, its meter, and the agent's state."""

    setup: HomeSetup
    agent: Actor
    meter: Actor
    state: ProsumerState
    member: Member


def simulate(
    world: World, chain: VirtualChain, seed: int, directory: Path, on_progress: Callable[[int], None] = lambda now: None
) -> RunResult:
    """Play a world on a chain and write journal, public record and bills into an existing directory."""
    keys = SimulatedKeys(seed)
    dso_address = keys.new("dso")
    terms = world.terms(dso_address)
    with (
        JsonlJournal(directory / "journal.jsonl") as journal,
        (directory / "ledger.jsonl").open("x", encoding="utf-8", newline="\n") as public,
    ):

        def publish(line: Mapping[str, object]) -> None:
            public.write(json.dumps(line, separators=(",", ":")) + "\n")

        outbox = SqlOutbox()
        _, contract = deploy(chain, keys, outbox, dso_address, terms)
        client = LedgerClient(chain, keys, outbox, contract)
        block = chain.mine(world.starts)
        publish(block_line(block, client.outcomes(), chain.logs(contract, block.number, block.number), outbox))
        settings = world.scenario.fabric
        outside = Outside(
            chain=chain,
            outbox=outbox,
            client=client,
            contract=contract,
            fabric=MemoryFabric(
                Random(f"{seed}:fabric"),
                delay_seconds_min=settings.delay_seconds_min,
                delay_seconds_max=settings.delay_seconds_max,
                loss=settings.loss,
                duplication=settings.duplication,
            ),
            keys=keys,
            journal=journal,
            domain=signature_domain(chain.chain_id, contract),
            publish=publish,
        )
        engine = Engine(
            outside=outside,
            view=LedgerView(terms),
            checkpoint=Checkpoint(block_number=block.number, block_hash=block.hash),
            block_seconds=world.scenario.chain.block_seconds,
            block_origin=world.starts,
            arrivals=Random(f"{seed}:arrivals"),
            on_progress=on_progress,
            now=world.starts,
        )
        dso_state, homes = _enrol(world, engine, terms, seed)
        _introduce(world, engine, dso_state, homes, seed)
        _plan_days(world, engine, homes)
        engine.run()
        _write_bills(engine, homes, directory / "bills")
    return RunResult(transactions=engine.transactions, alarms=tuple(dso_state.alarms))


def _enrol(world: World, engine: Engine, terms: Terms, seed: int) -> tuple[DsoState, list[HomeActors]]:
    """Make every actor and its state; the DSO comes first, so that it hears of a block before the homes do."""
    keys, scenario = engine.outside.keys, world.scenario
    identities = {
        home.profile.name: (keys.new(f"home {home.profile.name}"), keys.new(f"meter {home.profile.name}"))
        for home in world.homes
    }
    members = {
        identity: Member(
            name=home.profile.name,
            address=identity,
            meter=meter_address,
            node=home.profile.node,
            firm_import_watts=home.firm_import_watts,
            firm_export_watts=home.firm_export_watts,
            production_capacity_watts=home.production_capacity_watts,
            consumption_capacity_watts=home.consumption_capacity_watts,
            opening_balance=home.opening_balance,
            credit_limit=home.credit_limit,
        )
        for home in world.homes
        for identity, meter_address in (identities[home.profile.name],)
    }
    policy = Policy(
        schedules=tuple(schedule.starting_at(world.first_timestep) for schedule in scenario.prices.schedule),
        horizon_timesteps=scenario.dso.horizon_timesteps,
        deposit_window_seconds=scenario.dso.deposit_window_seconds,
        dispute_window_seconds=scenario.dso.dispute_window_seconds,
        tolerance_per_mille=scenario.dso.tolerance_percent * 10,
        import_limit_watts=world.import_limit_watts,
        export_limit_watts=world.export_limit_watts,
        delay_seconds_max=scenario.dso.delay_seconds_max,
    )
    dso_state = DsoState(
        address=terms.dso,
        terms=terms,
        policy=policy,
        signature_domain=engine.outside.domain,
        first_timestep=world.first_timestep,
        last_timestep=world.last_timestep,
        members=members,
        view=LedgerView(terms),
        next_to_settle=world.first_timestep,
    )
    dso_state.open_accounts(world.starts)
    engine.actors.append(
        Actor(
            name="dso",
            addresses=(terms.dso,),
            step=partial(dso_agent.step, dso_state),
            rng=Random(f"{seed}:dso"),
            offline=world.offline,
        )
    )
    homes = [_home_actors(world, engine, members[identities[home.profile.name][0]], home, seed) for home in world.homes]
    return dso_state, homes


def _home_actors(world: World, engine: Engine, member: Member, home: HomeSetup, seed: int) -> HomeActors:
    scenario, name = world.scenario, home.profile.name
    past = max(0, world.index_of(0))  # steps that were measured before timestep 0
    state = ProsumerState(
        name=name,
        address=member.address,
        dso=engine.view.terms.dso,
        terms=engine.view.terms,
        habits=Habits(
            patience_seconds=scenario.strategy.patience_seconds,
            retry_seconds=scenario.strategy.retry_seconds,
            minimum_watts=scenario.strategy.minimum_watts,
            participates=home.override.participates,
            deposits=home.override.deposits,
        ),
        strategy=midpoint.decide,
        forecaster=world.forecaster(home),
        new_pseudonym=partial(engine.outside.keys.new, f"pseudonym {name}"),
        view=engine.view,
        history=list(home.profile.net_watts[:past]),
        known_until=max(-1, -world.index_of(0) - 1),
        deadline_margin_seconds=BLOCKS_TO_TRADE * scenario.chain.block_seconds,
    )
    silent = range(world.first_timestep, world.last_timestep + 1) if not home.override.reports else ()
    meter_state = MeterState(
        address=member.meter,
        dso=engine.view.terms.dso,
        patience_seconds=scenario.dso.deposit_window_seconds + scenario.dso.dispute_window_seconds,
        silent=frozenset(silent),
    )
    actors = HomeActors(
        setup=home,
        agent=Actor(
            name=name,
            addresses=(member.address,),
            step=partial(prosumer_agent.step, state),
            rng=Random(f"{seed}:home:{name}"),
        ),
        meter=Actor(
            name=f"meter of {name}",
            addresses=(member.meter,),
            step=partial(meter.step, meter_state),
            rng=Random(f"{seed}:meter:{name}"),
        ),
        state=state,
        member=member,
    )
    engine.actors += [actors.agent, actors.meter]
    return actors


def _introduce(world: World, engine: Engine, dso_state: DsoState, homes: list[HomeActors], seed: int) -> None:
    """Open the journal with everything that a reader needs to understand the rest."""
    scenario, journal, at = world.scenario, engine.outside.journal, world.starts
    fields: dict[str, object] = {
        "scenario": scenario.run.name,
        "title": scenario.run.title,
        "seed": seed,
        "source": world.profiles.source,
        "timezone": world.profiles.timezone,
        "genesis": world.genesis,
        "timestep_seconds": world.timestep_seconds,
        "gate": scenario.time.gate_timesteps,
        "horizon": scenario.time.horizon_timesteps,
        "first_timestep": world.first_timestep,
        "last_timestep": world.last_timestep,
        "block_seconds": scenario.chain.block_seconds,
        "chain_id": engine.outside.chain.chain_id,
        "contract": engine.outside.contract,
        "dso": dso_state.address,
        "privacy_profile": scenario.privacy.profile,
        "deposit_window_seconds": scenario.dso.deposit_window_seconds,
    }
    journal.append(at, "run", fields)
    for schedule in dso_state.policy.schedules:
        prices = {name: getattr(schedule, name) for name in type(schedule).__slots__}
        journal.append(at, "prices", prices)
    first, until = (world.profiles.index_of(unix) for unix in (local_day(world)[0], local_day(world)[1] - 1))
    for home in homes:
        member, profile = home.member, home.setup.profile
        fields = {
            "home": member.name,
            "account": member.address,
            "meter": member.meter,
            "node": member.node,
            "pv_rating_watts": profile.pv_rating_watts,
            "firm_import_watts": member.firm_import_watts,
            "firm_export_watts": member.firm_export_watts,
            "production_capacity_watts": member.production_capacity_watts,
            "consumption_capacity_watts": member.consumption_capacity_watts,
            "opening_balance": member.opening_balance,
        }
        journal.append(at, "member", fields)
        day: dict[str, object] = {
            "home": member.name,
            "start_unix": local_day(world)[0],
            "production_watts": list(profile.production_watts[first : until + 1]),
            "consumption_watts": list(profile.consumption_watts[first : until + 1]),
        }
        journal.append(at, "day", day)


def _plan_days(world: World, engine: Engine, homes: list[HomeActors]) -> None:
    """Put the market day of DESIGN 12 on the queue: at each boundary measure, close the gate, deposit, forecast."""
    dso, time = engine.actors[0], world.scenario.time
    timeline = engine.view.terms.timeline
    engine.at(world.starts, lambda: engine.give(dso, Woken(phase=Phase.OPEN, timestep=world.first_timestep)))
    deliveries = range(world.first_timestep, world.last_timestep + 1)
    for boundary in range(world.last_timestep + 2):
        at = timeline.begin(boundary)
        over, gated = boundary - 1, boundary + time.gate_timesteps
        wanted = boundary + time.gate_timesteps + time.horizon_timesteps
        for home in homes:
            if over >= 0 and world.index_of(over) >= 0:
                engine.at(at, partial(_measure, world, engine, home, over))
            for phase, timestep in ((Phase.GATE, gated), (Phase.DELIVERED, over), (Phase.FORECAST, wanted)):
                if timestep in deliveries:
                    engine.at(at, partial(engine.give, home.agent, Woken(phase=phase, timestep=timestep)))


def _measure(world: World, engine: Engine, home: HomeActors, timestep: int) -> None:
    """Let physics happen for one timestep; an inverter is held back to what the home may export."""
    profile, index = home.setup.profile, world.index_of(timestep)
    delivering = timestep >= world.first_timestep
    consumed = profile.consumption_watts[index]
    produced = profile.production_watts[index] if home.setup.override.delivers or not delivering else 0
    plan = home.state.plans.get(timestep)
    granted = max(0, plan.power) if plan is not None and plan.stage is not Stage.ENDED and plan.asset_id else 0
    produced = min(produced, consumed + max(home.setup.firm_export_watts, granted))
    seconds = world.timestep_seconds
    measured = Measured(timestep=timestep, produced=produced * seconds, consumed=consumed * seconds)
    engine.give(home.agent, measured)
    if delivering:
        fields = {
            "home": home.setup.profile.name,
            "timestep": timestep,
            "produced": measured.produced,
            "consumed": measured.consumed,
        }
        engine.outside.journal.append(engine.now, "measured", fields)
        engine.give(home.meter, measured)


def _write_bills(engine: Engine, homes: list[HomeActors], folder: Path) -> None:
    """Write each home's bill exactly as the DSO signed it."""
    folder.mkdir()
    for home in homes:
        for document in home.state.bills:
            (folder / f"{home.setup.profile.name}.json").write_bytes(document)
