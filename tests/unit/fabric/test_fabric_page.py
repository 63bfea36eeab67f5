"""The page about the fabric names tests that exist, for every service that the paper leans on."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
PAGE = ROOT.joinpath("docs", "explanation", "fabric.md").read_text(encoding="utf-8")
SERVICES = {
    "group membership",
    "discovery",
    "leader election",
    "voting",
    "consensus on values",
    "mutual exclusion",
    "ordered, atomic multicast",
    "time synchronisation",
    "reconfiguration after failure",
    "group coordination",
    "deployment",
}


def test_every_service_is_shown_by_tests_that_exist() -> None:
    """Each row of the table names at least one test, by file and name."""
    table = PAGE.split("\n## The services")[1].split("\n## ")[0]
    rows = {row[0]: re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[-1]) for row in _rows(table)}
    assert rows.keys() >= SERVICES
    for service, tests in rows.items():
        assert tests, f"{service} is shown by nothing"
        for path, name in tests:
            assert f"def {name}(" in ROOT.joinpath(path).read_text(encoding="utf-8"), f"{service}: {path}::{name}"


def _rows(table: str) -> list[list[str]]:
    lines = [line for line in table.splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in line.strip("| ").split(" | ")] for line in lines if "---" not in line][1:]
