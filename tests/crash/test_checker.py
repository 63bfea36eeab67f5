"""The judge of the crash harness sees what it must see: each kind of loss, doubling and invention is named."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from petra.runtime.testbed_consistency import consistency
from petra.runtime.testbed_layout import Testbed
from tests.crash.rig import Rig
from tests.crash.test_faults import until

pytestmark = [pytest.mark.slow, pytest.mark.anvil]

CARRIER = "SELECT coalesce(carrier, intent_id) FROM wanted WHERE intent_id LIKE 'grant:%' LIMIT 1"
TAMPERED = [
    ("dso/dso.db", "DELETE FROM messages WHERE kind = 'withdrawAssets'", "counts as delivered, and nobody has it"),
    ("dso/dso.db", "UPDATE messages SET raw = x'00' WHERE position = 3", "was altered"),
    ("dso/dso.db", f"DELETE FROM outbox WHERE intent_id = ({CARRIER})", "the DSO's diary wants no such grant"),
    ("dso/dso.db", "UPDATE entries SET amount = amount + 1 WHERE memo = 'withdrawal'", "otherwise than granted"),
    (
        "dso/dso.db",
        "INSERT INTO entries (at, from_account, to_account, amount, memo, reference) "
        "SELECT at, from_account, to_account, amount, memo, reference FROM entries WHERE memo = 'deposit' LIMIT 1",
        "deposits are credited that the ledger does not hold",
    ),
    ("homes/pv-1/home.db", "DELETE FROM pseudonyms", "without keeping its key"),
    ("homes/pv-1/home.db", "DELETE FROM messages WHERE direction = 'out'", "received that nobody sent"),
    ("homes/pv-1/home.db", "DELETE FROM outbox", "the outbox 0"),
]


@pytest.fixture(scope="module")
def copy(rig: Rig, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A copy of a testbed's files after some deposits; its services are down meanwhile, so the chain adds nothing."""
    until(lambda: has_credited(rig.testbed.dso.directory / "dso.db"), "a deposit on an account")
    for place in rig.testbed.places:
        rig.stop(place)
    target = tmp_path_factory.mktemp("checker") / "copy"
    shutil.copytree(rig.testbed.directory, target)
    yield target
    for place in rig.testbed.places:
        rig.revive(place)


def has_credited(database: Path) -> bool:
    """Say whether the DSO has credited a deposit."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        return bool(opened.execute("SELECT 1 FROM entries WHERE memo = 'deposit'").fetchall())


def tampered(testbed: Testbed, copy: Path, target: Path, database: str, statement: str) -> list[str]:
    """Return what the checker says of a copy in which one statement was carried out."""
    shutil.copytree(copy, target)
    with closing(sqlite3.connect(target / database)) as opened:
        opened.execute(statement)
        opened.commit()
    return consistency(replace(testbed, directory=target))


def test_an_untouched_copy_has_no_difference(rig: Rig, copy: Path) -> None:
    """What follows is due to the tampering alone."""
    assert consistency(replace(rig.testbed, directory=copy)) == []


@pytest.mark.parametrize("case", TAMPERED, ids=[named for _, _, named in TAMPERED])
def test_tampering_is_named(rig: Rig, copy: Path, tmp_path: Path, case: tuple[str, str, str]) -> None:
    """One statement in one database is enough."""
    database, statement, named = case
    problems = tampered(rig.testbed, copy, tmp_path / "tampered", database, statement)
    assert any(named in problem for problem in problems), problems
