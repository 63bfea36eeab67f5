"""What befalls a machine beside a kill: a full disk, an old backup, a second DSO, a DSO that is away (R79, R85)."""

import resource
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from time import monotonic

import pytest

from petra.domain.events import AssetAdded, OfferAccepted
from petra.runtime.testbed import SERVE
from petra.runtime.testbed_layout import Place, holder
from petra.store.database import Database
from petra.store.restored import accept_place
from tests.crash.failing_fsync import IS_POSSIBLE
from tests.crash.rig import READY_SECONDS, TIMESTEP_SECONDS, Rig, now, rest

BAD_INPUT, WORLD_FAILED = 2, 3
PATIENCE_SECONDS = 40.0

pytestmark = [pytest.mark.slow, pytest.mark.anvil]


def until(condition: Callable[[], bool], what: str) -> None:
    """Wait until a condition holds."""
    deadline = monotonic() + PATIENCE_SECONDS
    while not condition():
        assert monotonic() < deadline, f"not seen: {what}"
        rest(0.1)


def copied(place: Place, target: Path) -> Path:
    """Copy a service's directory while the service is down."""
    shutil.copytree(place.directory, target)
    return target


def refusal(rig: Rig, directory: Path) -> str:
    """Start a DSO in a directory, see it end with exit code 3 before it was ready, and return what it logged."""
    arguments = {"role": "dso", "directory": str(directory), "password": rig.testbed.password}
    while True:
        child = rig.nursery.fork(SERVE, "second dso", arguments)
        assert rig.nursery.wait_ended([child], READY_SECONDS), "it goes on"
        assert child.ready_at is None
        if child.exit_code != BAD_INPUT:  # that is: the lease which the copy holds has not run out yet
            assert child.exit_code == WORLD_FAILED
            return (directory / "service.log").read_text(encoding="utf-8")
        rest(1)


@pytest.mark.parametrize("role", ["dso", "prosumer", "meter"])
def test_a_service_whose_disk_is_full_ends_and_goes_on_later(rig: Rig, role: str) -> None:
    """It ends with exit code 3, because memory must not be ahead of the disk, and loses nothing."""
    place = rig.place(role)
    rig.stop(place)
    child = rig.begin(place)
    rig.nursery.wait_ready([child], READY_SECONDS)
    # No file may grow any more: what the kernel answers is what SQLite gets of a full disk.
    resource.prlimit(child.process_id, resource.RLIMIT_FSIZE, (0, 0))
    assert rig.nursery.wait_ended([child], PATIENCE_SECONDS)
    assert child.exit_code == WORLD_FAILED
    rig.revive(place)
    assert rig.problems() == []


@pytest.mark.skipif(not IS_POSSIBLE, reason="the kernel is asked to fail fsync by a filter of Linux")
@pytest.mark.parametrize("role", ["dso", "prosumer", "meter"])
def test_a_service_whose_disk_fails_at_fsync_ends_and_goes_on_later(rig: Rig, role: str) -> None:
    """Whether the last commit was kept is open then, so the process ends; the next start finds out, and goes on."""
    place = rig.place(role)
    rig.stop(place)
    arguments = {"role": role, "directory": str(place.directory), "password": rig.testbed.password}
    task = "tests.crash.failing_fsync:serve_until_the_disk_fails"
    child = rig.nursery.fork(task, place.name, arguments)
    assert rig.nursery.wait_ended([child], PATIENCE_SECONDS), "it goes on without a disk"
    assert child.ready_at is not None
    assert child.exit_code == WORLD_FAILED
    assert "disk I/O error" in place.log.read_text(encoding="utf-8")
    rig.revive(place)
    assert rig.problems() == []


def test_a_dso_on_an_old_backup_refuses_to_sign(rig: Rig, tmp_path: Path) -> None:
    """A database that knows less than the chain is named as such; the newer one goes on."""
    dso = rig.testbed.dso
    rig.stop(dso)
    old = tmp_path / "old.db"
    with closing(sqlite3.connect(dso.directory / "dso.db")) as source, closing(sqlite3.connect(old)) as target:
        source.backup(target)
    granted = len(rig.records())
    rig.revive(dso)
    until(lambda: len(rig.records()) > granted + 4, "grants after the backup")
    rig.stop(dso)
    restored = copied(dso, tmp_path / "restored")
    for suffix in ("-wal", "-shm"):
        (restored / f"dso.db{suffix}").unlink(missing_ok=True)
    shutil.copyfile(old, restored / "dso.db")
    assert "database-copied" in refusal(rig, restored)
    database = Database.open(restored / "dso.db")
    accept_place(database)  # an operator says that nobody else will ever sign: he is wrong, and the chain knows
    database.close()
    assert "nonce-beyond-ours" in refusal(rig, restored)
    rig.revive(dso)
    assert rig.problems() == []


def test_a_second_dso_on_a_copy_refuses_to_sign(rig: Rig, tmp_path: Path) -> None:
    """Two processes on copies of one database: the second names the copy and ends; the first goes on."""
    dso = rig.testbed.dso
    rig.stop(dso)
    copy = copied(dso, tmp_path / "copy")
    rig.revive(dso)
    assert "database-copied" in refusal(rig, copy)
    assert holder(dso) is not None
    assert rig.problems() == []


def test_trading_goes_on_while_the_dso_is_down(rig: Rig) -> None:
    """Homes trade what was granted; withdrawals that wait are granted or refused as expired when the DSO is back."""
    dso = rig.testbed.dso
    grants = sum(isinstance(event, AssetAdded) for record in rig.records() for event in record.events)
    until(
        lambda: sum(isinstance(e, AssetAdded) for record in rig.records() for e in record.events) >= grants + 2,
        "grants of a new timestep",
    )
    rig.kill(dso)
    down_since = now()
    rest(4 * TIMESTEP_SECONDS)
    traded = [
        record
        for record in rig.records()
        if record.timestamp > down_since and any(isinstance(event, OfferAccepted) for event in record.events)
    ]
    rig.revive(dso)
    assert traded, "no home traded while the DSO was away"
    rest(TIMESTEP_SECONDS)
    with closing(sqlite3.connect(f"file:{dso.directory / 'dso.db'}?mode=ro", uri=True)) as database:
        refused = database.execute("SELECT fields FROM notes WHERE kind = 'refused'").fetchall()
    assert any("Expired" in fields for (fields,) in refused)
    assert rig.problems() == []
