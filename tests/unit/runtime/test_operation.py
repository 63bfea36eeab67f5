"""The process around a service: signals, exit codes, what it logs and what it tells its supervisor."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from petra.errors import InputError
from petra.network.ports import choose_ports
from petra.runtime.logs import Log, opened_log
from petra.runtime.operation import Supervisor, run
from tests.unit.runtime.toy_service import ToyService

CHECKOUT = Path(__file__).resolve().parents[3]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """Log into a file."""
    with opened_log(path=tmp_path / "log") as log:
        yield log


def logged(path: Path) -> list[dict[str, object]]:
    """Return the lines of a log."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_taken_port_of_the_metrics_is_bad_input(log: Log) -> None:
    """The service is not started, and closed."""
    service = ToyService()
    with socket.create_server(("127.0.0.1", 0)) as other, pytest.raises(InputError, match="metrics_port"):
        run(service, role="dso", log=log, metrics_port=other.getsockname()[1])
    assert (service.number, service.closed) == (0, True)


def test_service_that_cannot_start_is_bad_input(log: Log) -> None:
    """What the operator must change is raised, not logged away."""
    service = ToyService(refuses=True)
    with pytest.raises(InputError, match="is not the deployment's"):
        run(service, role="prosumer", log=log)
    assert service.closed


def test_failing_disk_ends_with_3_and_is_logged_without_addresses(tmp_path: Path, log: Log) -> None:
    """The world's failure is named in the log, once, and no address stands there."""
    service = ToyService(fails_at=2)
    handler = signal.getsignal(signal.SIGTERM)
    assert run(service, role="dso", log=log) == 3
    assert service.closed
    assert signal.getsignal(signal.SIGTERM) is handler
    failures = [line for line in logged(tmp_path / "log") if line["event"] == "failed"]
    assert [(line["kind"], line["message"]) for line in failures] == [
        ("StoreError", "dso.db: disk I/O error for (digits)")
    ]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)])
def test_signal_ends_the_loop_and_the_supervisor_hears_of_it(tmp_path: Path, number: int, code: int) -> None:
    """READY after the start, WATCHDOG from the loop, STOPPING at the end; the log's last line says which signal."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(str(tmp_path / "notify"))
        supervisor.settimeout(10)
        command = [sys.executable, "-m", "tests.unit.runtime.toy_service", str(tmp_path / "notify"), "0"]
        with subprocess.Popen(command, cwd=CHECKOUT, stderr=subprocess.PIPE, text=True) as process:
            assert supervisor.recv(100) == b"READY=1"
            assert supervisor.recv(100) == b"WATCHDOG=1"
            process.send_signal(number)
            _, log = process.communicate(timeout=10)
        assert process.returncode == code
        last = ""
        while last != "STOPPING=1":
            last = supervisor.recv(100).decode()
    lines = [json.loads(line) for line in log.splitlines()]
    assert [line["event"] for line in lines] == ["starting", "started", "stopping"]
    assert lines[-1]["signal"] == signal.Signals(number).name


def test_supervisor_that_is_gone_is_no_reason_to_stop(tmp_path: Path) -> None:
    """A socket that nobody listens at, and none at all, are passed over."""
    Supervisor(address=str(tmp_path / "nobody")).tell("READY=1")
    Supervisor(address="@petra-nobody-listens-here").tell("READY=1")
    Supervisor().tell("READY=1")


def test_node_that_fails_is_told_once_and_its_return_too(tmp_path: Path, log: Log) -> None:
    """Three rounds with a failing node are one line; a fourth with a good one another."""

    class Flapping(ToyService):
        def turn(self) -> None:
            super().turn()
            assert self.ledger is not None
            self.ledger.trouble = "http://dso:hunter2@node: refused" if self.number < 4 else None

    assert run(Flapping(fails_at=6), role="dso", log=log) == 3
    lines = logged(tmp_path / "log")
    told = [(line["event"], line.get("message")) for line in lines if str(line["event"]).startswith("node")]
    assert told == [("node-fails", "http://node: refused"), ("node-is-back", None)]


def test_dso_that_cannot_be_reached_is_told_once_a_reason_and_its_return_too(tmp_path: Path, log: Log) -> None:
    """A home trades on meanwhile, so nothing else would tell its operator; two reasons that alternate are two lines."""

    class Cut(ToyService):
        def turn(self) -> None:
            super().turn()
            self.link.failure = [None, "away", "revoked", "away", "revoked", None, None][self.number - 1]

    assert run(Cut(fails_at=7), role="prosumer", log=log) == 3
    lines = logged(tmp_path / "log")
    told = [(line["event"], line.get("message")) for line in lines if str(line["event"]).startswith("link")]
    assert told == [("link-fails", "away"), ("link-fails", "revoked"), ("link-is-back", None)]


def test_free_port_serves_while_the_service_runs(log: Log) -> None:
    """The door of the metrics is closed with the service: its port is free again."""
    (port,) = choose_ports(1)
    run(ToyService(fails_at=1), role="meter", log=log, metrics_port=port)
    socket.create_server(("127.0.0.1", port)).close()
