"""A DSO, a home and its meter as a user brings them up: from the deployment to the first grant, as real processes."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event

import pytest

from petra.network.deployment import read_deployment
from petra.network.ports import choose_ports
from petra.network.secret_files import write_secret
from petra.processes import ChildProcess, free_port
from petra.runtime.creation import NewHome, create_home
from petra.store.keystore import Keystore
from petra.tools import find_anvil
from tests.integration.cli.microgrid import ENROL, WORK, petra, token_of
from tests.integration.runtime.secrets import found_secrets

PASSWORD, SECRET = "correct horse battery", "7b" * 32
PATIENCE_SECONDS = 60
RULES = '\n[[rule]]\nkind = "rate"\nrequests = 100\nseconds = 10\n'


@pytest.fixture
def node() -> Iterator[str]:
    """Run a node that makes a block every second, and return its URL."""
    anvil, port = find_anvil(), free_port()
    assert anvil is not None
    flags = "--quiet --block-time 1 --hardfork paris --block-base-fee-per-gas 0 --gas-price 0 --accounts 0 --order fifo"
    child = ChildProcess([str(anvil), "--port", str(port), *flags.split()])
    try:
        child.wait_for_port(port, timeout_seconds=20)
        yield f"http://127.0.0.1:{port}"
    finally:
        child.stop()


class Services:
    """Services that run in a directory; their logs lie there too."""

    def __init__(self, place: Path, stack: ExitStack) -> None:
        """Start with none."""
        self.place = place
        self._stack = stack

    def ask(self, *arguments: str | Path, code: int = 0) -> str:
        """Run a command to its end, in this process; return what it printed."""
        done = petra(*arguments, password=PASSWORD)
        assert done.exit_code == code, done.output
        return done.stderr if code else done.stdout

    def start(self, verb: str, directory: str) -> subprocess.Popen[bytes]:
        """Start a service; it ends with the test."""
        log = self._stack.enter_context((self.place / f"{verb}.log").open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "petra", verb, "run", "--dir", str(self.place / directory)],
            env=os.environ | {"PETRA_PASSWORD": PASSWORD},
            stderr=log,
        )
        self._stack.callback(process.wait)
        self._stack.callback(process.kill)
        return process

    def until(self, happens: Callable[[], bool]) -> None:
        """Wait for what must happen soon; show the logs where it does not."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not happens():
            logs = "\n".join(path.read_text(encoding="utf-8") for path in self.place.glob("*.log"))
            assert time.monotonic() < deadline, logs
            Event().wait(0.3)


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    """Run services that end with the test."""
    with ExitStack() as stack:
        yield Services(tmp_path, stack)


def set_keys(path: Path, **changed: object) -> None:
    """Change keys of a service's file that are in it."""
    text = path.read_text(encoding="utf-8")
    for key, value in changed.items():
        text, count = re.subn(rf"(?m)^{key} = .*$", f"{key} = {json.dumps(value)}", text)
        assert count == 1, key
    path.write_text(text, encoding="utf-8")


def prepare(
    services: Services, node: str, *of_dso: str, enrol: Sequence[str] = ENROL, https: bool = False, **changed: object
) -> None:
    """Deploy, make the DSO with a door for probes, invite a home and make it.

    `of_dso` are more options of `petra dso init`, `enrol` those of the invitation; `https`: the home goes through the
    gateway; `changed` are keys of dso.toml before the first run.
    """
    place, deployment = services.place, services.place / "deployment.json"
    write_secret(place / "dso.key", SECRET)
    chain = ("--rpc", node, "--dso-key", place / "dso.key", "--block-seconds", "1", "--out", deployment)
    services.ask("deploy", *chain, "--timestep-seconds", "10", "--gate", "1", "--genesis-in", "0")
    origin = ("--deployment", deployment, "--dso-key", place / "dso.key")
    services.ask("dso", "init", "--dir", place / "dso", *origin, "--block-seconds", "1", *of_dso)
    (port,) = choose_ports(1)
    set_keys(place / "dso" / "dso.toml", metrics_port=port, **changed)
    with (place / "dso" / "dso.toml").open("a", encoding="utf-8") as file:
        file.write(RULES)
    invitation = place / "home-1.json"
    services.ask("dso", "enrol", "home 1", *enrol, "--dir", place / "dso", "--out", invitation)
    (place / "day.csv").write_text("timestep,produced_watts,consumed_watts\n0,3000,500\n")
    new = NewHome(invitation=invitation, https=https, profile=place / "day.csv", work=WORK)
    create_home(place / "home", new, PASSWORD)


def bound_and_freeze(services: Services, dso: Path, home: Path) -> None:
    """Let the operator curtail the home's export for some minutes to come, and stop all withdrawals."""
    timeline = read_deployment(home / "deployment.json").terms.timeline
    start = timeline.current(int(time.time())) + 2  # noqa: TID251 the services live by the wall clock
    timesteps = ("--start-timestep", start, "--end-timestep", start + 60)
    services.ask(
        *("dso", "curtail", "--dir", dso, "--direction", "export", "--limit-watts", "700", "--home", "home 1"),
        *(str(word) for word in timesteps),
    )
    services.ask("dso", "freeze", "--dir", dso)


@pytest.mark.anvil
@pytest.mark.slow
def test_home_joins_is_granted_and_is_revoked(node: str, services: Services) -> None:
    """Orders are taken while all run, both sides' evidence holds, a stop is clean, and no log betrays anything."""
    prepare(services, node)
    token = token_of(services.place / "home-1.json")
    dso_directory, home_directory = services.place / "dso", services.place / "home"

    def status() -> dict[str, object]:
        return dict(json.loads(services.ask("dso", "status", "--dir", dso_directory, "--json")))

    def heard(kind: str) -> list[object]:
        shown = services.ask("evidence", "show", "--dir", home_directory, "--kind", kind, "--json")
        return list(json.loads(shown)["messages"])

    dso = services.start("dso", "dso")
    services.until(lambda: status()["ready"] == "yes")
    assert "another process uses these keys" in services.ask("dso", "run", "--dir", dso_directory, code=2)
    home, meter = services.start("prosumer", "home"), services.start("meter", "home/meter")
    services.until(lambda: status()["members"] == 1)
    services.until(lambda: heard("withdrawalGranted") != [])
    assert not (home_directory / "invitation.json").exists()
    bound_and_freeze(services, dso_directory, home_directory)
    services.until(lambda: heard("curtailment") != [] and heard("failedWithdrawal") != [])
    limits = ("prosumer", "status", "--dir", home_directory, "--json")
    services.until(lambda: json.loads(services.ask(*limits))["curtailments"].get("export_watts_now") == 700)
    services.ask("dso", "revoke", "home 1", "--dir", dso_directory)
    services.until(lambda: status()["revoked"] == 1)
    for process in (dso, home, meter):
        process.send_signal(signal.SIGTERM)
    assert [process.wait(20) for process in (dso, home, meter)] == [0, 0, 0]
    for directory in (dso_directory, home_directory, home_directory / "meter"):
        services.ask("evidence", "verify", "--dir", directory)
    no_secret_is_logged(services.place, token)


@pytest.mark.anvil
@pytest.mark.slow
def test_port_that_is_taken(node: str, services: Services) -> None:
    """A DSO whose door for homes is somebody else's says which port, and ends with 2."""
    prepare(services, node)
    text = (services.place / "dso" / "dso.toml").read_text(encoding="utf-8")
    (port,) = (int(line.partition(" = ")[2]) for line in text.splitlines() if line.startswith("port = "))
    taker = ChildProcess([sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1"])
    try:
        taker.wait_for_port(port, timeout_seconds=20)
        told = services.ask("dso", "run", "--dir", services.place / "dso", code=2)
    finally:
        taker.stop()
    assert str(port) in told
    assert "Traceback" not in told


def no_secret_is_logged(place: Path, token: str) -> None:
    """Check every log for the keys, tokens and passwords of this test, and for names of homes."""
    secrets = [SECRET, PASSWORD, token]
    for directory in (place / "dso" / "keys", place / "home" / "keys", place / "home" / "meter" / "keys"):
        keys = Keystore.open(directory, PASSWORD)
        secrets.append(keys.curve[1].hex())
        keys.close()
    logs = [path.read_text(encoding="utf-8") for path in place.glob("*.log")]
    assert len(logs) == 3 and all(logs)
    for log in logs:
        assert found_secrets(log, secrets) == []
        assert "home 1" not in log
        assert all(json.loads(line)["level"] in {"info", "warning"} for line in log.splitlines())
