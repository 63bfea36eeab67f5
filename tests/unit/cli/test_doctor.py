"""What `petra doctor` says about a machine."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from petra.cli import doctor as module
from petra.cli.doctor import doctor

app = typer.Typer()
app.command()(doctor)


def test_doctor_fails_when_something_indispensable_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk nothing can run: exit code 2, with the remedy."""
    monkeypatch.setattr(module, "_DISK_FREE_BYTES_MIN", 10**30)
    result = CliRunner().invoke(app)
    assert result.exit_code == 2
    assert "MISSING  free disk" in result.stdout
    assert "on another disk" in result.stdout
    assert "The demo cannot run" in result.stdout


def test_doctor_passes_without_a_node(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A missing anvil costs a ledger, not the demo; the remedy names the variable that is wrong."""
    monkeypatch.setenv("PETRA_ANVIL", str(tmp_path / "anvil"))
    result = CliRunner().invoke(app)
    assert result.exit_code == 0
    assert "MISSING  anvil" in result.stdout
    assert "PETRA_ANVIL names" in result.stdout
    assert "on the ledger `memory`" in result.stdout


def test_doctor_finds_what_the_tests_run_on() -> None:
    """Everything indispensable is found here, and the JSON says the same as the exit code."""
    result = CliRunner().invoke(app, ["--json"])
    answer = json.loads(result.stdout)
    assert answer["ready"] is (result.exit_code == 0) is True
    found = {check["name"] for check in answer["checks"] if check["found"] is not None}
    assert found >= {"Python", "petra-tes", "coincurve", "case study", "contract", "free disk"}


def test_every_check_has_a_consequence_and_a_remedy() -> None:
    """Whatever may be missing, the user learns what it costs and what to do."""
    checks = json.loads(CliRunner().invoke(app, ["--json"]).stdout)["checks"]
    assert all(check["without"] and check["remedy"] for check in checks)
    assert len({check["name"] for check in checks}) == len(checks)
