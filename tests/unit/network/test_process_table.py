"""Processes that are found by what stands in their command line."""

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from petra.network.process_table import end_processes, find_processes, start_detached

WAITS = "import time; print('up', flush=True); time.sleep(60)"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS


@pytest.fixture
def mark(tmp_path: Path) -> Iterator[str]:
    """A mark that no other process has; whatever still carries it at the end is killed."""
    argument = f"--datadir={tmp_path}/node-1"
    yield argument
    for process in find_processes(argument.__eq__):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)


def wait_for(text: str, log: Path) -> None:
    """Wait until a process has said something."""
    deadline = time.monotonic() + 20
    while text not in (log.read_text(encoding="utf-8") if log.exists() else ""):
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)


def test_a_process_without_the_mark_is_left_alone(tmp_path: Path, mark: str) -> None:
    """A path that only begins alike is another network's."""
    start_detached([sys.executable, "-c", WAITS, mark + "0"], tmp_path / "log")
    wait_for("up", tmp_path / "log")
    assert end_processes(mark.__eq__) == 0
    assert len(find_processes((mark + "0").__eq__)) == 1
    assert end_processes((mark + "0").__eq__) == 1


def test_a_process_that_does_not_listen_is_killed(tmp_path: Path, mark: str) -> None:
    """Asked first, then made: nothing with the mark is left."""
    start_detached([sys.executable, "-c", DEAF, mark], tmp_path / "log")
    wait_for("up", tmp_path / "log")
    assert end_processes(mark.__eq__, timeout_seconds=0.3) == 1
    assert not find_processes(mark.__eq__)


def test_what_is_not_there_is_ended_already(mark: str) -> None:
    """Ending twice is no error."""
    assert end_processes(mark.__eq__) == 0


def test_a_detached_process_says_what_is_wrong_in_its_log(tmp_path: Path, mark: str) -> None:
    """A program that ends at once leaves its last words."""
    start_detached([sys.executable, "-c", "raise SystemExit('no luck')", mark], tmp_path / "log")
    wait_for("no luck", tmp_path / "log")
