"""Which program PETra would start."""

import sys
from pathlib import Path

import pytest

from petra.tools import find_anvil, find_checkout, find_foundry, read_version

CHECKOUT = Path(__file__).resolve().parents[2]


def make_script(path: Path, line: str) -> Path:
    """Write a shell script that can be started."""
    path.write_text(f"#!/bin/sh\n{line}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_no_other_anvil_is_used_when_the_named_one_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PETRA_ANVIL is final: whoever names a binary does not want another one to run."""
    monkeypatch.setenv("PETRA_ANVIL", str(tmp_path / "anvil"))
    assert find_anvil() is None


def test_launcher_on_the_path_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A script is no tool of Foundry's: killing it would leave its child running."""
    make_script(tmp_path / "foundry-tool", "exit 0")
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_foundry("foundry-tool") is None


def test_missing_program_has_no_version(tmp_path: Path) -> None:
    """Asking a program that is not there is no error."""
    assert read_version(tmp_path / "nothing") is None


def test_program_that_fails_has_no_version(tmp_path: Path) -> None:
    """A binary that does not run here, such as one for another C library, does not count as found."""
    assert read_version(make_script(tmp_path / "broken", "echo 1.0; exit 1")) is None


def test_version_is_the_first_line(tmp_path: Path) -> None:
    """Of what a program says about itself the first line is kept."""
    assert read_version(make_script(tmp_path / "tool", "echo tool 1.7.1; echo built today")) == "tool 1.7.1"


def test_named_anvil_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PETRA_ANVIL comes before the checkout's own anvil."""
    named = make_script(tmp_path / "my-anvil", "exit 0")
    monkeypatch.setenv("PETRA_ANVIL", str(named))
    assert find_anvil() == named


def test_native_program_on_the_path_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the checkout has no binary of its own, a native one on the PATH serves."""
    (tmp_path / "foundry-tool").symlink_to(Path(sys.executable).resolve())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_foundry("foundry-tool") == tmp_path / "foundry-tool"


def test_checkout_is_found_from_anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An editable installation knows its checkout whatever the current directory is."""
    monkeypatch.chdir(tmp_path)
    assert find_checkout() == CHECKOUT
