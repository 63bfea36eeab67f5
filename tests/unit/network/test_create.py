"""What is refused before a network is made, and that a failure leaves nothing behind."""

from pathlib import Path

import pytest

from petra.errors import InputError, MissingTool, StoreError, WorldError
from petra.network import control
from petra.network.create import create_network
from petra.tools import find_geth

SAYS_VERSION = 'case "$*" in --version) echo "geth version 1.13.15-stable"; exit;; esac\n'


def pretend_geth(path: Path, monkeypatch: pytest.MonkeyPatch, then: str) -> None:
    """Put a script in geth's place, which knows its version and then does something else."""
    path.write_text("#!/bin/sh\n" + SAYS_VERSION + then + "\n", encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PETRA_GETH", str(path))


@pytest.mark.parametrize("version", ["1.14.0-stable", "1.17.2-stable", "2.0.0", ""])
def test_a_geth_without_clique_does_not_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    """Newer releases cannot sign blocks by themselves."""
    other = tmp_path / "geth"
    other.write_text(f"#!/bin/sh\necho geth version {version}\n", encoding="utf-8")
    other.chmod(0o755)
    monkeypatch.setenv("PETRA_GETH", str(other))
    assert find_geth() is None


def test_without_geth_the_message_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written."""
    monkeypatch.setenv("PETRA_GETH", str(tmp_path / "missing"))
    with pytest.raises(MissingTool, match="make network-tools"):
        control.up(tmp_path / "network")
    assert not list(tmp_path.iterdir())


def test_all_figures_out_of_bounds_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two slips, two lines."""
    pretend_geth(tmp_path / "geth", monkeypatch, "exit 1")
    with pytest.raises(InputError) as caught:
        create_network(tmp_path / "network", validators=21, period_seconds=0)
    assert [problem.partition(":")[0] for problem in caught.value.problems] == ["--validators 21", "--period 0"]
    assert not (tmp_path / "network").exists()


def test_a_path_that_no_socket_can_have_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel would cut it off, and the node could not be reached."""
    pretend_geth(tmp_path / "geth", monkeypatch, "exit 1")
    with pytest.raises(InputError, match="too long for a node's socket"):
        create_network(tmp_path / ("n" * 100), validators=4, period_seconds=1)


def test_a_directory_with_something_else_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network never mixes with other files."""
    pretend_geth(tmp_path / "geth", monkeypatch, "exit 1")
    (tmp_path / "network").mkdir()
    (tmp_path / "network" / "diary").write_text("dear", encoding="utf-8")
    with pytest.raises(InputError, match="in use already"):
        control.up(tmp_path / "network")
    assert [path.name for path in (tmp_path / "network").iterdir()] == ["diary"]


def test_a_network_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Geth's own words are told."""
    pretend_geth(tmp_path / "geth", monkeypatch, "echo the disk is full >&2; exit 1")
    with pytest.raises(StoreError, match="the disk is full"):
        control.up(tmp_path / "network")
    assert [path.name for path in tmp_path.iterdir()] == ["geth"]


def test_a_network_that_does_not_start_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files go, since nobody has used them yet."""
    starts = 'case "$*" in *--http*) echo "Fatal: no luck"; exit 1;; esac'
    pretend_geth(tmp_path / "geth", monkeypatch, starts)
    with pytest.raises(WorldError, match="node 1 ended at once: Fatal: no luck"):
        control.up(tmp_path / "network", validators=2)
    assert [path.name for path in tmp_path.iterdir()] == ["geth"]


def test_nothing_runs_where_nothing_is(tmp_path: Path) -> None:
    """`down` never fails for want of a network."""
    assert control.down(tmp_path / "network") == 0
    assert control.down(tmp_path / "network", remove=True) == 0


def test_only_a_networks_directory_is_removed(tmp_path: Path) -> None:
    """A slip in --dir costs nothing."""
    (tmp_path / "diary").write_text("dear", encoding="utf-8")
    with pytest.raises(InputError, match="is no network's directory"):
        control.down(tmp_path, remove=True)
    assert (tmp_path / "diary").exists()
