"""The feeder rule in real processes: withdrawals are refused for want of room, homes cope, a crash changes nothing."""

import json
import time
from dataclasses import replace
from pathlib import Path

import pytest

from petra.domain.blocks import LedgerRecord
from petra.domain.events import AssetAdded
from petra.domain.terms import Address
from petra.grid import Feeder
from petra.play.world import HomeSetup, World
from petra.roles.dso.state import Member
from petra.runtime.config import DsoConfig
from petra.runtime.creation import create_dso
from petra.runtime.testbed_feeder import feeder_problems
from petra.store.books import NoteStore
from petra.store.codec import encode
from petra.store.database import Database
from petra.store.registry import MemberStore
from tests.crash.rig import Rig, rest, small_world
from tests.integration.cli.microgrid import PASSWORD, make_microgrid, new_dso
from tests.unit.grid import made_up

LINE_AMPERE = 5.0  # 3.1 kW at the lowest allowed voltage
PATIENCE_SECONDS = 40


def narrow_feeder() -> Feeder:
    """Return a feeder behind whose line to e nobody can feed much."""
    lines = tuple(
        replace(line, rating_ampere=LINE_AMPERE) if line.branch == "l2" else line for line in made_up.FEEDER.branches
    )
    return replace(made_up.FEEDER, branches=lines)


def stressed_world() -> World:
    """Return the case study's homes at the end of that line, with three times their sun."""
    world, feeder = small_world(), narrow_feeder()
    grid = world.scenario.grid.model_copy(update={"rule": "feeder"})

    def placed(home: HomeSetup) -> HomeSetup:
        sun = tuple(3 * watts for watts in home.profile.production_watts)
        profile = replace(home.profile, node="e", production_watts=sun)
        rating = 3 * home.production_capacity_watts
        return replace(
            home, profile=profile, firm_import_watts=1_000, firm_export_watts=0, production_capacity_watts=rating
        )

    scenario = world.scenario.model_copy(update={"grid": grid})
    return replace(world, scenario=scenario, feeder=feeder, homes=tuple(map(placed, world.homes)))


def notes(rig: Rig, kind: str) -> list[dict[str, object]]:
    """Return what the DSO noted of a kind."""
    database = Database.open(DsoConfig.load(rig.testbed.dso.directory).database)
    try:
        return [json.loads(note.fields) for note in NoteStore(database).read() if note.kind == kind]
    finally:
        database.close()


def until_more(rig: Rig, refused: int, granted: int) -> None:
    """Wait until the DSO has refused and granted so much more for the feeder's sake."""
    before = len(notes(rig, "refused")), len(notes(rig, "granted"))
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(notes(rig, "refused")) < before[0] + refused or len(notes(rig, "granted")) < before[1] + granted:
        assert time.monotonic() < deadline, (before, notes(rig, "refused"), notes(rig, "granted"))
        rest(0.3)


@pytest.mark.slow
@pytest.mark.anvil
def test_feeder_rule_refuses_homes_cope_and_a_crash_leaves_the_book_equal(tmp_path: Path) -> None:
    """Killed around a commit, the DSO starts again, for its book is the same; and books, ledger and homes agree."""
    rig = Rig(tmp_path / "testbed", world=stressed_world())
    try:
        until_more(rig, refused=1, granted=2)
        for point in ("dso.commit.before", "dso.commit.after"):
            rig.crash(rig.testbed.dso, point)
        until_more(rig, refused=1, granted=2)
        assert rig.problems() == []
        assert {one["reason"] for one in notes(rig, "refused")} == {"Network"}
        assert rig.problems_at_rest() == []
        rig.revive(rig.testbed.dso)
        assert notes(rig, "alarm") == []
        assert any(isinstance(event, AssetAdded) for record in rig.records() for event in record.events)
    finally:
        rig.close()


def test_grants_that_were_not_safe_are_told(tmp_path: Path) -> None:
    """What the check of a testbed would say if the DSO had granted more than the line carries, or to a stranger."""
    grid = make_microgrid(tmp_path)
    new = replace(new_dso(tmp_path), feeder=narrow_feeder(), unenrolled=(0, 0))
    config = create_dso(grid.place / "with-feeder", new, PASSWORD)
    member = Member(
        name="home 1",
        address=Address("0xA"),
        meter=Address("0xB"),
        node="e",
        firm_import_watts=0,
        firm_export_watts=0,
        production_capacity_watts=10**6,
        consumption_capacity_watts=0,
        opening_balance=0,
        credit_limit=0,
        first_timestep=2,
    )
    database = Database.open(config.database)
    try:
        with database.transaction() as connection:
            MemberStore(database).put(connection, member.address, encode(Member, member))

        def told(*watts: int, address: str = "0xC", start: int = 3) -> list[str]:
            events = tuple(
                AssetAdded(anon_address=Address(address), asset_id=number, power=power, start=start, end=start)
                for number, power in enumerate(watts)
            )
            record = LedgerRecord(
                transaction_hash=bytes(32), block_number=1, transaction_index=0, timestamp=0, events=events
            )
            return list(feeder_problems(config.directory, database, {Address("0xC"): "home 1"}, [record]))

        assert told(3_000) == []
        assert ["power=200" in problem for problem in told(3_000, 200)] == [True]
        assert [problem.startswith("feeder: 0xD was issued") for problem in told(1, address="0xD")] == [True]
        assert len(told(1, start=1)) == 1  # it was not there yet
    finally:
        database.close()
