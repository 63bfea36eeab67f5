"""The cast of a run: the DSO, the homes and their meters, and the market day that they play (DESIGN 12).

Decides: what each knows when the run begins, and the phases of each timestep. The roles decide everything else.
Invariant: nothing here depends on the clock or the chain that drives the run.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random

from petra.domain.messages import Direction
from petra.domain.terms import Address, Terms
from petra.ledger.fold import LedgerView
from petra.play.stage import Actor, Stage
from petra.play.world import HomeSetup, World, local_day, reactive_power
from petra.ports import Keys
from petra.roles import meter
from petra.roles.dso import agent as dso_agent
from petra.roles.dso.grid_book import GridBook
from petra.roles.dso.state import DsoState, Member, Policy
from petra.roles.effects import CurtailmentOrdered, Measured, Phase, Woken
from petra.roles.meter import MeterState
from petra.roles.prosumer import agent as prosumer_agent
from petra.roles.prosumer.state import Habits, ProsumerState
from petra.roles.prosumer.state import Stage as PlanStage
from petra.roles.prosumer.strategies import midpoint
from petra.scenario.rules import built, lot_of

# Trading ends at the gate; a grant needs a block to appear in, an offer one, an acceptance one.
BLOCKS_TO_TRADE = 3
SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeActors:
    """A home on the stage: its agent, its meter, and the agent's state."""

    setup: HomeSetup
    agent: Actor
    meter: Actor
    state: ProsumerState
    member: Member


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Everybody who plays, on the stage."""

    world: World
    stage: Stage
    seed: int
    dso: Actor
    dso_state: DsoState
    homes: tuple[HomeActors, ...]

    @property
    def terms(self) -> Terms:
        """The contract's terms."""
        return self.dso_state.terms


def enrol(world: World, stage: Stage, terms: Terms, seed: int) -> Cast:
    """Make every actor and its state; the DSO comes first, so that it hears of a block before the homes do."""
    keys, scenario = stage.outside.keys, world.scenario
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
        grid_rule=scenario.grid.rule,
        rules=built(scenario.dso.rule, world.capacity),
        curtailments=_curtailments(world, members.values()),
    )
    dso_state = DsoState(
        address=terms.dso,
        terms=terms,
        policy=policy,
        signature_domain=stage.outside.domain,
        first_timestep=world.first_timestep,
        last_timestep=world.last_timestep,
        members=members,
        view=LedgerView(terms),
        next_to_settle=world.first_timestep,
        grid=_grid_book(world, {name: identity for name, (identity, _) in identities.items()}),
    )
    dso_state.open_accounts(stage.now)
    dso = Actor(
        name="dso",
        addresses=(terms.dso,),
        step=partial(dso_agent.step, dso_state),
        rng=Random(f"{seed}:dso"),
        offline=world.offline,
    )
    homes = tuple(
        _home_actors(world, dso_state, keys, members[identities[home.profile.name][0]], home=home, seed=seed)
        for home in world.homes
    )
    stage.actors += [dso, *(actor for home in homes for actor in (home.agent, home.meter))]
    return Cast(world=world, stage=stage, seed=seed, dso=dso, dso_state=dso_state, homes=homes)


def _curtailments(world: World, members: Iterable[Member]) -> tuple[CurtailmentOrdered, ...]:
    """Return what the scenario curtails, by account."""
    members, first = tuple(members), world.first_timestep
    return tuple(
        CurtailmentOrdered(
            direction=Direction(one.direction),
            limit_watts=one.limit_watts,
            start=first + one.start_timestep,
            end=first + one.end_timestep,
            accounts=tuple(
                member.address for member in members if member.name in one.homes or member.node in one.homes
            ),
        )
        for one in world.scenario.dso.curtailment
    )


def _grid_book(world: World, accounts: Mapping[str, Address]) -> GridBook | None:
    if world.feeder is None or world.scenario.grid.rule != "feeder":
        return None
    envelopes = {accounts[home.profile.name]: home.envelope for home in world.homes}
    return GridBook(world.feeder, envelopes, reactive_power(world.scenario))


def _home_actors(world: World, dso: DsoState, keys: Keys, member: Member, *, home: HomeSetup, seed: int) -> HomeActors:
    scenario, name = world.scenario, home.profile.name
    past = max(0, world.index_of(0))  # steps that were measured before timestep 0
    state = ProsumerState(
        name=name,
        address=member.address,
        dso=dso.address,
        terms=dso.terms,
        habits=Habits(
            patience_seconds=scenario.strategy.patience_seconds,
            retry_seconds=scenario.strategy.retry_seconds,
            minimum_watts=scenario.strategy.minimum_watts,
            spare_offers=scenario.strategy.spare_offers,
            lot_watts=lot_of(scenario.dso.rule, name, home.profile.node),
            participates=home.override.participates,
            deposits=home.override.deposits,
        ),
        strategy=midpoint.decide,
        forecaster=world.forecaster(home),
        new_pseudonym=partial(keys.new, f"pseudonym {name}"),
        view=LedgerView(dso.terms),
        history=list(home.profile.net_watts[:past]),
        steps_per_day=SECONDS_PER_DAY // world.profiles.timestep_seconds,
        known_until=max(-1, -world.index_of(0) - 1),
        deadline_margin_seconds=BLOCKS_TO_TRADE * scenario.chain.block_seconds,
    )
    silent = range(world.first_timestep, world.last_timestep + 1) if not home.override.reports else ()
    meter_state = MeterState(
        address=member.meter,
        dso=dso.address,
        patience_seconds=scenario.dso.deposit_window_seconds + scenario.dso.dispute_window_seconds,
        silent=frozenset(silent),
    )
    return HomeActors(
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


def introduce(cast: Cast, chain_id: int) -> None:
    """Open the journal with everything that a reader needs to understand the rest."""
    world, journal = cast.world, cast.stage.outside.journal
    scenario, at = world.scenario, cast.stage.now
    fields: dict[str, object] = {
        "scenario": scenario.run.name,
        "title": scenario.run.title,
        "seed": cast.seed,
        "source": world.profiles.source,
        "timezone": world.profiles.timezone,
        "genesis": world.genesis,
        "timestep_seconds": world.timestep_seconds,
        "gate": scenario.time.gate_timesteps,
        "horizon": scenario.time.horizon_timesteps,
        "first_timestep": world.first_timestep,
        "last_timestep": world.last_timestep,
        "block_seconds": scenario.chain.block_seconds,
        "chain_id": chain_id,
        "contract": cast.stage.outside.contract,
        "dso": cast.dso_state.address,
        "privacy_profile": scenario.privacy.profile,
        "deposit_window_seconds": scenario.dso.deposit_window_seconds,
    }
    journal.append(at, "run", fields)
    for schedule in cast.dso_state.policy.schedules:
        prices = {name: getattr(schedule, name) for name in type(schedule).__slots__}
        journal.append(at, "prices", prices)
    first, until = local_day(world)
    for home in cast.homes:
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
            "start_unix": world.genesis + (first - world.index_of(0)) * world.timestep_seconds,
            "production_watts": list(profile.production_watts[first:until]),
            "consumption_watts": list(profile.consumption_watts[first:until]),
        }
        journal.append(at, "day", day)


def plan_days(cast: Cast) -> None:
    """Put the market day of DESIGN 12 on the agenda: at each boundary measure, close the gate, deposit, forecast."""
    world, stage, time, timeline = cast.world, cast.stage, cast.world.scenario.time, cast.terms.timeline
    stage.at(stage.now, partial(stage.give, cast.dso, Woken(phase=Phase.OPEN, timestep=world.first_timestep)))
    deliveries = range(world.first_timestep, world.last_timestep + 1)
    for boundary in range(world.last_timestep + 2):
        at = timeline.begin(boundary)
        over, gated = boundary - 1, boundary + time.gate_timesteps
        wanted = boundary + time.gate_timesteps + time.horizon_timesteps
        for home in cast.homes:
            if over >= 0 and world.index_of(over) >= 0:
                stage.at(at, partial(_measure, world, stage, home, over))
            for phase, timestep in ((Phase.GATE, gated), (Phase.DELIVERED, over), (Phase.FORECAST, wanted)):
                if timestep in deliveries:
                    stage.at(at, partial(stage.give, home.agent, Woken(phase=phase, timestep=timestep)))


def _measure(world: World, stage: Stage, home: HomeActors, timestep: int) -> None:
    """Let physics happen for one timestep, as far as the home keeps to its envelope."""
    profile, index = home.setup.profile, world.index_of(timestep)
    delivering = timestep >= world.first_timestep
    consumed = profile.consumption_watts[index]
    produced = profile.production_watts[index] if home.setup.override.delivers or not delivering else 0
    produced, consumed = _held_back(home, timestep, produced, consumed)
    seconds = world.timestep_seconds
    measured = Measured(timestep=timestep, produced=produced * seconds, consumed=consumed * seconds)
    stage.give(home.agent, measured)
    if delivering:
        fields = {
            "home": home.setup.profile.name,
            "timestep": timestep,
            "produced": measured.produced,
            "consumed": measured.consumed,
        }
        stage.outside.journal.append(stage.now, "measured", fields)
        stage.give(home.meter, measured)


def _held_back(home: HomeActors, timestep: int, produced: int, consumed: int) -> tuple[int, int]:
    """Return what a home makes and uses of what it could and would, in watts."""
    setup, plan = home.setup, home.state.plans.get(timestep)
    granted = plan.power if plan is not None and plan.stage is not PlanStage.ENDED and plan.asset_id else 0
    exports, imports = (home.state.limit(timestep, one) for one in (Direction.EXPORT, Direction.IMPORT))
    if setup.holds_back != "nothing":
        produced = min(produced, consumed + _least(max(setup.firm_export_watts, granted), exports))
    if setup.holds_back == "both" or (setup.holds_back == "inverter" and imports is not None):
        consumed = min(consumed, produced + _least(max(setup.firm_import_watts, -granted), imports))
    return produced, consumed


def _least(watts: int, limit: int | None) -> int:
    return watts if limit is None else min(watts, limit)


def write_bills(cast: Cast, folder: Path) -> None:
    """Write each home's bill exactly as the DSO signed it."""
    folder.mkdir()
    for home in cast.homes:
        for document in home.state.bills:
            (folder / f"{home.setup.profile.name}.json").write_bytes(document)
