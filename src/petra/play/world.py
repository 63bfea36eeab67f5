"""From a scenario and its data to actors: who exists, what each knows, and what will really happen.

Decides: how a scenario's numbers become a deployment, members, homes and meters. Runs nothing.
Invariant: every problem of scenario and data together is reported at once, with place and remedy.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from petra.data import HomeProfile, ProfileSet, load_case_study, load_feeder_day, load_rural_stress
from petra.data.csv_profiles import read_profiles_csv
from petra.domain.terms import Address, Terms
from petra.errors import InputError
from petra.forecasting import Forecaster, Perfect, Seasonal
from petra.grid import Envelope, Feeder, ReactivePower, SafetyLedger
from petra.scenario.rules import Capacity, rule_problems
from petra.scenario.schema import Community, HoldsBack, HomeOverride, Scenario, nano, nano_per_kwh

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class HomeSetup:
    """One home's facts: what it has, may do and will do.

    Attributes:
        override: what the scenario says about it in particular; defaults where it says nothing.
        holds_back: what keeps it within its envelope.
    """

    profile: HomeProfile
    override: HomeOverride
    opening_balance: int
    credit_limit: int
    firm_import_watts: int
    firm_export_watts: int
    production_capacity_watts: int
    consumption_capacity_watts: int
    holds_back: HoldsBack = "inverter"

    @property
    def envelope(self) -> Envelope:
        """What the home may do at its node without a grant; only homes on a feeder have one."""
        assert self.profile.node is not None, "the feeder's homes are checked when the world is built"
        return Envelope(
            node=self.profile.node, import_watts=self.firm_import_watts, export_watts=self.firm_export_watts
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A scenario with its data, checked.

    Attributes:
        first_index: index in the profiles of the first delivery timestep.
        first_timestep, last_timestep: the delivery timesteps, as the contract counts.
        genesis: unix second at which timestep 0 begins.
        timestep_seconds: T; the data's own, unless the world is played in another time (`in_real_time`).
        offline: unix seconds [from, until) in which the DSO does nothing.
    """

    scenario: Scenario
    profiles: ProfileSet
    feeder: Feeder | None
    homes: tuple[HomeSetup, ...]
    first_index: int
    first_timestep: int
    last_timestep: int
    genesis: int
    import_limit_watts: int | None
    export_limit_watts: int | None
    offline: tuple[tuple[int, int], ...]
    timestep_seconds: int

    @property
    def capacity(self) -> Capacity:
        """What the connection carries, as far as anybody said."""
        return Capacity(import_watts=self.import_limit_watts, export_watts=self.export_limit_watts)

    @property
    def starts(self) -> int:
        """The unix second at which the contract stands and the DSO opens: on the blocks' grid, before genesis."""
        block = self.scenario.chain.block_seconds
        lead = 60 + self.scenario.fabric.delay_seconds_max + 2 * block
        return self.genesis - -(-lead // block) * block

    def index_of(self, timestep: int) -> int:
        """Return the index in the profiles of a timestep."""
        return self.first_index + timestep - self.first_timestep

    def terms(self, dso: Address) -> Terms:
        """Return the contract's terms."""
        return Terms(
            dso=dso,
            genesis=self.genesis,
            timestep_seconds=self.timestep_seconds,
            gate=self.scenario.time.gate_timesteps,
            max_length=max(96, self.last_timestep + 1),
            max_price=nano_per_kwh(self.scenario.market.max_price_ct_per_kwh),
            divisible=self.scenario.market.divisible,
        )

    def forecaster(self, home: HomeSetup) -> Forecaster:
        """Return the home's way to forecast."""
        settings = self.scenario.forecast
        if settings.method == "perfect":
            return Perfect(actual_watts=home.profile.net_watts)
        return Seasonal(low_quantile=settings.low_quantile, high_quantile=settings.high_quantile)


def build_world(scenario: Scenario, place: str, base: Path) -> World:
    """Read the scenario's data and check both against one another; relative paths are taken from `base`."""
    profiles, feeder = _read_data(scenario, base)
    zone = ZoneInfo(profiles.timezone)
    first, until = _unix(scenario.time.window_from, zone), _unix(scenario.time.window_until, zone)
    window = profiles.window(first, until)
    ahead = scenario.time.gate_timesteps + scenario.time.horizon_timesteps
    homes = tuple(_home(scenario.community, profile) for profile in profiles.homes)
    problems = _home_problems(scenario, profiles, place)
    if scenario.grid.rule == "feeder":
        here = slice(profiles.index_of(first), profiles.index_of(first) + window.steps)
        problems += _grid_problems(scenario, feeder, homes, place, here=here)
    problems += [
        f"{place}: [dso] offline {number}: its end must lie after its begin"
        for number, (begin, end) in enumerate(scenario.dso.offline, start=1)
        if _unix(begin, zone) >= _unix(end, zone)
    ]
    if scenario.dso.horizon_timesteps < ahead:
        problems.append(
            f"{place}: [dso] horizon_timesteps: {scenario.dso.horizon_timesteps} is less than gate + horizon of [time]"
            f" ({ahead}), so that no withdrawal could ever be granted"
        )
    connection = int(feeder.transformer.rated_power_va) if feeder else None
    capacity = Capacity(
        import_watts=_or(scenario.grid.import_limit_watts, connection),
        export_watts=_or(scenario.grid.export_limit_watts, connection),
    )
    problems += _rule_problems(scenario, profiles, capacity, place)
    problems += [
        f"{place}: [dso] curtailment {number} end_timestep: the window has {window.steps} timesteps, the last is"
        f" {window.steps - 1}"
        for number, one in enumerate(scenario.dso.curtailment, start=1)
        if one.end_timestep >= window.steps
    ]
    if problems:
        raise InputError(problems)
    return World(
        scenario=scenario,
        profiles=profiles,
        feeder=feeder,
        homes=homes,
        first_index=profiles.index_of(first),
        first_timestep=ahead,
        last_timestep=ahead + window.steps - 1,
        genesis=first - ahead * profiles.timestep_seconds,
        import_limit_watts=capacity.import_watts,
        export_limit_watts=capacity.export_watts,
        offline=tuple((_unix(begin, zone), _unix(end, zone)) for begin, end in scenario.dso.offline),
        timestep_seconds=profiles.timestep_seconds,
    )


def in_real_time(world: World, genesis: int, timestep_seconds: int) -> World:
    """Return the same world played at another time: each step of the data lasts so many seconds from genesis on.

    What the scenario gives in seconds for people to wait (patience, deposit and dispute windows) shrinks alike, down to
    a few seconds; the delays of fabric and DSO are the real ones, so that none is added.
    """
    scenario = world.scenario
    share = Fraction(timestep_seconds, world.timestep_seconds)

    def shrunk(seconds: int, least: int) -> int:
        return max(least, ceil(seconds * share))

    strategy, dso, block = scenario.strategy, scenario.dso, scenario.chain.block_seconds
    played = scenario.model_copy(
        update={
            "strategy": strategy.model_copy(
                update={
                    "patience_seconds": shrunk(strategy.patience_seconds, 8 * block),
                    "retry_seconds": shrunk(strategy.retry_seconds, 2),
                }
            ),
            "dso": dso.model_copy(
                update={
                    "delay_seconds_max": 0,
                    "deposit_window_seconds": shrunk(dso.deposit_window_seconds, 8 * block),
                    "dispute_window_seconds": min(timestep_seconds, dso.dispute_window_seconds),
                }
            ),
            "fabric": scenario.fabric.model_copy(update={"delay_seconds_min": 0, "delay_seconds_max": 0}),
        }
    )
    return replace(world, scenario=played, genesis=genesis, timestep_seconds=timestep_seconds, offline=())


def local_day(world: World) -> tuple[int, int]:
    """Return the steps [first, until) of the data's local day in which the window begins, cut to the data."""
    profiles = world.profiles
    zone = ZoneInfo(profiles.timezone)
    first = datetime.fromtimestamp(profiles.start_unix + world.first_index * profiles.timestep_seconds, zone)
    midnight = first.replace(hour=0, minute=0, second=0, microsecond=0)
    next_midnight = (midnight.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=zone)
    begins, ends = (int(one.timestamp()) - profiles.start_unix for one in (midnight, next_midnight))
    return max(0, begins // profiles.timestep_seconds), min(profiles.steps, ends // profiles.timestep_seconds)


def _read_data(scenario: Scenario, base: Path) -> tuple[ProfileSet, Feeder | None]:
    shipped: dict[str, Callable[[], tuple[ProfileSet, Feeder]]] = {
        "case-study": load_case_study,
        "feeder-day": load_feeder_day,
        "rural-stress": load_rural_stress,
    }
    if read := shipped.get(scenario.data.source):
        return read()
    data = scenario.data
    assert data.path is not None and data.csv is not None, "the schema says so"
    return read_profiles_csv(base / data.path, data.csv), None


def _home(community: Community, profile: HomeProfile) -> HomeSetup:
    own = next((home for home in community.home if home.name == profile.name), HomeOverride(name=profile.name))
    firm, highest = community.firm_import_watts, max(profile.consumption_watts)
    rating = profile.pv_rating_watts or max(profile.production_watts)
    return HomeSetup(
        profile=profile,
        override=own,
        opening_balance=nano(_or(own.opening_balance_eur, community.opening_balance_eur)),
        credit_limit=nano(_or(own.credit_limit_eur, community.credit_limit_eur)),
        firm_import_watts=_or(own.firm_import_watts, highest if firm == "highest" else firm),
        firm_export_watts=_or(own.firm_export_watts, _or(community.firm_export_watts, rating)),
        production_capacity_watts=_or(own.production_capacity_watts, _or(community.production_capacity_watts, rating)),
        consumption_capacity_watts=_or(own.consumption_capacity_watts, community.consumption_capacity_watts),
        holds_back=own.holds_back or community.holds_back,
    )


def _home_problems(scenario: Scenario, profiles: ProfileSet, place: str) -> list[str]:
    names = [home.name for home in profiles.homes]
    overridden = [home.name for home in scenario.community.home]
    problems = [
        f"{place}: [[community.home]] {name}: the data have no home of that name (they have {', '.join(names)})"
        for name in overridden
        if name not in names
    ]
    problems += [
        f"{place}: [[community.home]] {name}: stands there twice"
        for name in sorted(set(overridden))
        if overridden.count(name) > 1
    ]
    return problems


def _rule_problems(scenario: Scenario, profiles: ProfileSet, capacity: Capacity, place: str) -> list[str]:
    """Say what rules and curtailments name that the data do not have, and what else is wrong with the rules."""
    known = {name for home in profiles.homes for name in (home.name, home.node)}
    unknown = [
        f"{word} {number} homes: the data have no home or node {name}"
        for word, tables in (("rule", scenario.dso.rule), ("curtailment", scenario.dso.curtailment))
        for number, table in enumerate(tables, start=1)
        for name in table.homes
        if name not in known
    ]
    return [f"{place}: [dso] {problem}" for problem in (*unknown, *rule_problems(scenario.dso.rule, capacity))]


def _grid_problems(
    scenario: Scenario, feeder: Feeder | None, homes: tuple[HomeSetup, ...], place: str, *, here: slice
) -> list[str]:
    """Say why the safety ledger could promise nothing: no feeder, unsafe envelopes, or more var than it counts on."""
    if feeder is None:
        return [f'{place}: [grid] rule = "feeder": the data have no feeder; use "connection" or "limits"']
    nodeless = [home.profile.name for home in homes if home.profile.node is None]
    if nodeless:
        return [f'{place}: [grid] rule = "feeder": {", ".join(nodeless)} have no node in the data']
    grid = reactive_power(scenario)
    problems = []
    for home in homes:
        var = home.profile.consumption_var[here]
        absorbed = grid.absorbed(home.firm_import_watts, home.firm_export_watts)
        supplied = grid.supplied(home.firm_import_watts, home.firm_export_watts)
        if max(var) > absorbed or -min(var) > supplied:
            problems.append(
                f"{place}: [grid] {home.profile.name} takes {min(var)} .. {max(var)} var in the data, its envelope"
                f" allows {-supplied} .. {absorbed}: raise absorbed_var_per_watt, or supplied_var_per_watt"
                " or supplied_var_per_import_watt"
            )
    try:
        SafetyLedger(feeder, {home.profile.name: home.envelope for home in homes}, reactive=grid)
    except InputError as error:
        problems += [f"{place}: [grid] {problem}" for problem in error.problems]
    return problems


def reactive_power(scenario: Scenario) -> ReactivePower:
    """Return what the scenario counts on in var."""
    return scenario.grid.reactive


def _or(value: _T | None, default: _T) -> _T:
    return default if value is None else value


def _unix(local: datetime, zone: ZoneInfo) -> int:
    return int((local if local.tzinfo else local.replace(tzinfo=zone)).timestamp())
