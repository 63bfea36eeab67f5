"""A service's log: one JSON object a line, and nothing that could identify or betray."""

import json
import logging
from pathlib import Path

import pytest

from petra.errors import InputError
from petra.runtime.logs import opened_log

ADDRESS = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"


def test_log_that_cannot_be_written_is_bad_input(tmp_path: Path) -> None:
    """A folder that is not there is told with its path."""
    with pytest.raises(InputError, match="no log can be written"), opened_log(path=tmp_path / "nowhere" / "log"):
        pass


def test_addresses_keys_and_passwords_are_taken_out(tmp_path: Path) -> None:
    """Whatever looks like one is replaced, in every kind of value, also in what a library says."""
    with opened_log(path=tmp_path / "log") as log:
        log.warning(f"heard of {ADDRESS}", key="ab" * 32, inner={"list": [ADDRESS.lower()], "url": "http://me:pw@node"})
        logging.getLogger("library").error("cannot reach postgresql://dso:hunter2@db for %s", ADDRESS)
    text = (tmp_path / "log").read_text(encoding="utf-8")
    for secret in (ADDRESS, ADDRESS.lower(), "ab" * 32, "me:pw", "hunter2"):
        assert secret not in text
    first, second = (json.loads(line) for line in text.splitlines())
    assert first["event"] == "heard of (digits)"
    assert second["source"] == "library"
    assert second["message"] == "cannot reach postgresql://db for (digits)"


def test_figures_stay_and_lines_below_the_level_do_not(tmp_path: Path) -> None:
    """Numbers are numbers, each line has time and level, and debug lines are left out."""
    with opened_log("info", tmp_path / "log") as log:
        log.debug("unseen")
        log.info("round", events=7, seconds=0.5)
    (line,) = [json.loads(one) for one in (tmp_path / "log").read_text(encoding="utf-8").splitlines()]
    assert (line["level"], line["event"], line["events"], line["seconds"]) == ("info", "round", 7, 0.5)
    assert line["timestamp"].endswith("Z")
    assert (tmp_path / "log").stat().st_mode & 0o777 == 0o600


def test_log_on_a_full_disk_loses_lines_and_raises_nothing(tmp_path: Path) -> None:
    """A service that ends because its disk is full must be able to say so to nobody."""
    (tmp_path / "log").symlink_to("/dev/full")
    with opened_log(path=tmp_path / "log") as log:
        log.error("failed", message="the disk is full")
