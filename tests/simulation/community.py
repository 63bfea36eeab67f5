"""Made-up communities to play: profiles, prices, faults and habits all follow from a seed.

Run as a program it plays one: `python -m tests.simulation.community SEED DIRECTORY`.
"""

import sys
from pathlib import Path
from random import Random

from petra.chain.memory import MemoryChain
from petra.data import HomeProfile, ProfileSet
from petra.play.world import HomeSetup, World
from petra.ports import VirtualChain
from petra.scenario.load import parse_scenario
from petra.scenario.schema import HomeOverride, Scenario
from petra.sim.run import RunResult, simulate

START = 1_800_000_000
FIRST_INDEX = 4  # steps of the past, from which homes forecast
EUR = 10**9

SCENARIO = """
[run]
name = "made-up"
title = "A made-up community"
[time]
window_from = 2027-01-15T09:00:00
window_until = 2027-01-15T10:00:00
[data]
source = "case-study"
[forecast]
method = "{method}"
[strategy]
patience_seconds = {patience}
[[prices.schedule]]
retail_ct_per_kwh = 30.0
feed_in_ct_per_kwh = 8.0
local_ct_per_kwh = 19.0
grid_fee_ct_per_kwh = 7.5
imbalance_ct_per_kwh = 45.0
bulk_ct_per_kwh = 9.1
[[prices.schedule]]
from_timestep = 2
retail_ct_per_kwh = 33.3
feed_in_ct_per_kwh = 7.7
local_ct_per_kwh = 20.0
grid_fee_ct_per_kwh = 7.5
imbalance_ct_per_kwh = 50.0
bulk_ct_per_kwh = 8.9
[chain]
block_seconds = {block}
[fabric]
delay_seconds_max = {delay}
loss = {loss}
duplication = {duplication}
[dso]
delay_seconds_max = {answer}
"""


def draw_scenario(chance: Random) -> Scenario:
    """Draw how homes forecast, how the fabric fails, how fast blocks come."""
    lossy = chance.random() < 0.5
    text = SCENARIO.format(
        method=chance.choice(["perfect", "seasonal"]),
        patience=chance.choice([0, 10, 60]),
        block=chance.choice([1, 5, 15]),
        delay=chance.choice([0, 1, 20]),
        loss=chance.choice([0.05, 0.2]) if lossy else 0.0,
        duplication=0.2 if lossy else 0.0,
        answer=chance.choice([0, 2, 30]),
    )
    return parse_scenario(text, "made-up")


def draw_world(seed: int, steps: int = 5) -> World:
    """Draw a community of 5 to 9 homes, some of which do not do what they should, with a DSO that may be away."""
    chance = Random(seed)
    scenario, timestep_seconds = draw_scenario(chance), chance.choice([300, 900])
    homes = [_draw_home(chance, f"home:{number}", FIRST_INDEX + steps) for number in range(chance.randint(5, 9))]
    genesis = START + (FIRST_INDEX - 1) * timestep_seconds
    offline: list[tuple[int, int]] = []
    if chance.random() < 0.4:
        begin = genesis + chance.randrange(steps * timestep_seconds)
        offline.append((begin, begin + chance.randrange(60, 2 * timestep_seconds)))
    limits = [chance.choice([None, 12_000]) for _ in range(2)]
    return make_world(scenario, homes, timestep_seconds, limits=limits, offline=tuple(offline))


def _draw_home(chance: Random, name: str, steps: int) -> HomeSetup:
    rating = chance.choice([0, 0, 3_000, 8_000])
    override = HomeOverride(
        name=name,
        participates=chance.random() > 0.1,
        deposits=chance.random() > 0.2,
        delivers=chance.random() > 0.2,
        reports=chance.random() > 0.15,
    )
    production = tuple(chance.randint(0, rating) for _ in range(steps))
    consumption = tuple(chance.randint(0, 2_500) for _ in range(steps))
    return make_home(
        name, production, consumption, rating=rating, override=override, balance=chance.choice([EUR, 20 * EUR])
    )


def make_home(
    name: str,
    production: tuple[int, ...],
    consumption: tuple[int, ...],
    *,
    rating: int = 0,
    override: HomeOverride | None = None,
    balance: int = 20 * EUR,
) -> HomeSetup:
    """Return a home with these powers, watts per step."""
    profile = HomeProfile(
        name=name,
        node=None,
        pv_rating_watts=rating,
        production_watts=production,
        consumption_watts=consumption,
        consumption_var=tuple(0 for _ in consumption),
    )
    return HomeSetup(
        profile=profile,
        override=override or HomeOverride(name=name),
        opening_balance=balance,
        credit_limit=EUR,
        firm_import_watts=1_000,
        firm_export_watts=rating // 2,
        production_capacity_watts=rating,
        consumption_capacity_watts=10_000,
    )


def make_world(
    scenario: Scenario,
    homes: list[HomeSetup],
    timestep_seconds: int,
    *,
    limits: list[int | None],
    offline: tuple[tuple[int, int], ...] = (),
) -> World:
    """Return a world of these homes, whose delivery begins with timestep 1."""
    profiles = ProfileSet(
        start_unix=START,
        timestep_seconds=timestep_seconds,
        timezone="UTC",
        homes=tuple(home.profile for home in homes),
        source="made up",
    )
    return World(
        scenario=scenario,
        profiles=profiles,
        feeder=None,
        homes=tuple(homes),
        first_index=FIRST_INDEX,
        first_timestep=1,
        last_timestep=profiles.steps - FIRST_INDEX,
        genesis=START + (FIRST_INDEX - 1) * timestep_seconds,
        import_limit_watts=limits[0],
        export_limit_watts=limits[1],
        offline=offline,
        timestep_seconds=profiles.timestep_seconds,
    )


def play(world: World, seed: int, directory: Path, chain: VirtualChain | None = None) -> RunResult:
    """Play a world, on the memory chain unless another is given, into a new directory."""
    directory.mkdir()
    own = MemoryChain(chain_id=world.scenario.chain.chain_id, genesis=world.starts - 60)
    return simulate(world, chain or own, seed, directory)


if __name__ == "__main__":
    play(draw_world(int(sys.argv[1])), int(sys.argv[1]), Path(sys.argv[2]))
