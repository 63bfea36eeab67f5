"""A DSO on PostgreSQL with a feeder to keep, a home and its meter that reach it by HTTPS alone: real processes."""

import json
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest

from petra.data import load_grid
from petra.network.ports import choose_ports
from petra.runtime.config import DsoConfig
from tests.integration.cli.test_services_run import Services, node, prepare, services, set_keys
from tests.integration.fabric.certificates import self_signed
from tests.integration.store.server import Server, find_binaries

__all__ = ["node", "services"]  # fixtures
NODE = next(node.node for node in load_grid("rural1").nodes if node.connected)
FIRM = (
    *("--firm-import-watts", "1000", "--firm-export-watts", "0", "--production-capacity-watts", "9000"),
    *("--opening-balance-eur", "20"),
)
LARGE = ("--firm-import-watts", "200000", *FIRM[2:], "--node", NODE)
NOT_HERE = "tcp://127.0.0.1:9"  # nobody listens at the port for discarding


@pytest.mark.anvil
@pytest.mark.postgresql
@pytest.mark.slow
def test_home_without_zeromq_joins_a_dso_on_postgresql(
    node: str, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It joins, is granted what the feeder has room for, and is metered; an invitation without room is refused."""
    binaries, place = find_binaries(), services.place
    assert binaries is not None
    tls, (port,) = self_signed(place), choose_ports(1)
    server, processes = Server(binaries), list[subprocess.Popen[bytes]]()
    try:
        feeder = ("--feeder", "rural1", "--unenrolled-import-watts", "1000", "--unenrolled-export-watts", "0")
        gateway = {"gateway_port": port, "gateway_certificate": str(tls.certificate), "gateway_key": str(tls.key)}
        postgresql = ("--database", server.new_database())
        prepare(services, node, *postgresql, *feeder, enrol=(*FIRM, "--node", NODE), https=True, **gateway)
        again = services.ask("dso", "enrol", "home 2", *LARGE, *place_of(services), code=2)
        assert "the feeder could be overloaded though nothing is granted" in again
        assert "none of the feeder's" in services.ask("dso", "enrol", "home 2", *FIRM, *place_of(services), code=2)
        set_keys(place / "home" / "home.toml", dso_endpoint=NOT_HERE, publish_endpoint=NOT_HERE)
        set_keys(place / "home" / "meter" / "meter.toml", dso_endpoint=NOT_HERE)
        monkeypatch.setenv("SSL_CERT_FILE", str(tls.certificate))
        processes = [services.start(*one) for one in (("dso", "dso"), ("prosumer", "home"), ("meter", "home/meter"))]

        def came(directory: Path, kind: str) -> list[dict[str, object]]:
            told = services.ask("evidence", "show", "--dir", directory, "--kind", kind, "--json")
            return [one for one in json.loads(told)["messages"] if one["direction"] == "in"]

        services.until(lambda: came(place / "home", "withdrawalGranted") != [])
        readings = [place / "dso", place / "home"]
        services.until(lambda: all(came(directory, "meterReading") for directory in readings))
        services.until(lambda: came(place / "home" / "meter", "receipt") != [])
        told = json.loads(services.ask("dso", "status", "--dir", place / "dso", "--json"))
        assert (told["members"], told["ready"]) == (1, "yes")
        assert told["grid"].endswith("15 nodes, members at 1; 12 nodes with homes and no member")
        metrics = figures(place / "dso")
        assert metrics["petra_withdrawals_granted_total"] >= 1
        assert 0 < metrics['petra_feeder_used_ratio{limit="transformer"}'] < 1
        for process in processes:
            process.send_signal(signal.SIGTERM)
        assert [process.wait(20) for process in processes] == [0, 0, 0]
        services.ask("evidence", "verify", "--dir", place / "dso")
    finally:
        for process in processes:
            process.kill()
        server.stop()


def place_of(services: Services) -> tuple[str | Path, ...]:
    """Return the options of an invitation that is not written."""
    return ("--dir", services.place / "dso", "--out", services.place / "never.json")


def figures(directory: Path) -> dict[str, float]:
    """Return what a running DSO shows."""
    port = DsoConfig.load(directory).operation.metrics_port
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
