"""Bad input to the verbs of live services: one clear message each, exit code 2, nothing changed."""

import json
import socket
import sqlite3
from pathlib import Path

import pytest
from typer.testing import Result

from petra.runtime import clock
from petra.store.keystore import Keystore
from tests.integration.cli.microgrid import (
    DSO_SECRET,
    ENROL,
    PASSWORD,
    Microgrid,
    make_microgrid,
    petra,
    snapshot,
    token_of,
)


@pytest.fixture
def grid(tmp_path: Path) -> Microgrid:
    """Return a DSO, a home and its meter, none of which runs."""
    return make_microgrid(tmp_path)


def set_line(directory: Path, old: str, new: str) -> None:
    """Replace a text of a service's file."""
    (path,) = directory.glob("*.toml")
    text = path.read_text(encoding="utf-8")
    assert old in text, text
    path.write_text(text.replace(old, new), encoding="utf-8")


def refused(result: Result, told: str) -> None:
    """Check that there is exit code 2 and one message."""
    problems = [line for line in result.stderr.splitlines() if line.startswith("petra: ")]
    assert result.exit_code == 2, result.output
    assert len(problems) == 1, result.stderr
    assert told in problems[0]
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("verb", "old", "new", "told"),
    [
        ("dso", "lease_seconds = 10", "lease_second = 10", "dso.toml: [dso] lease_second: unknown key"),
        ("dso", "publish_port = ", "# publish_port = ", "dso.toml: [fabric] publish_port: Field required"),
        ("prosumer", 'name = "home 1"', "name = 1", "home.toml: [home] name"),
        ("meter", 'sensor = "profile"', 'sensor = "sml"', "meter.toml: [meter] sensor"),
    ],
)
def test_wrong_and_missing_keys(grid: Microgrid, verb: str, old: str, new: str, told: str) -> None:
    """A key that is misspelt, missing or of another type is told with file, section and key."""
    directory = {"dso": grid.dso, "prosumer": grid.home, "meter": grid.meter}[verb]
    set_line(directory, old, new)
    before = snapshot(grid.place)
    refused(petra(verb, "run", "--dir", directory), told)
    assert snapshot(grid.place) == before


@pytest.mark.parametrize("verb", ["dso", "prosumer", "meter"])
def test_wrong_password(grid: Microgrid, verb: str) -> None:
    """It opens nothing, and is not repeated."""
    directory = {"dso": grid.dso, "prosumer": grid.home, "meter": grid.meter}[verb]
    before = snapshot(grid.place)
    result = petra(verb, "run", "--dir", directory, password="hunter2 hunter2")
    refused(result, "the password is wrong")
    assert "hunter2" not in result.output
    assert snapshot(grid.place) == before


def test_password_that_nobody_gives(grid: Microgrid, tmp_path: Path) -> None:
    """Without a terminal, a file or the environment there is nobody to ask; a file for all to read is no secret."""
    refused(petra("meter", "run", "--dir", grid.meter, password=None), "PETRA_PASSWORD")
    open_file = tmp_path / "password"
    open_file.write_text(PASSWORD + "\n", encoding="utf-8")
    open_file.chmod(0o644)
    refused(petra("meter", "run", "--dir", grid.meter, "--password-file", open_file, password=None), "chmod 600")
    open_file.write_text("\n", encoding="utf-8")
    open_file.chmod(0o600)
    refused(petra("meter", "run", "--dir", grid.meter, "--password-file", open_file, password=None), "first line")


@pytest.mark.parametrize(("verb", "file"), [("dso", "dso.db"), ("meter", "meter.db")])
def test_database_of_a_newer_version(grid: Microgrid, verb: str, file: str) -> None:
    """Both versions are named, and the tables stay as they are."""
    directory = grid.dso if verb == "dso" else grid.meter
    with sqlite3.connect(directory / file) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    database.close()
    before = snapshot(grid.place)
    refused(petra(verb, "run", "--dir", directory), "9999")
    assert snapshot(grid.place) == before


def test_clock_that_is_not_synchronised(grid: Microgrid, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a reason to refuse where the operator says so, and a warning elsewhere."""
    monkeypatch.setattr(clock, "clock_problem", lambda: "clock: it is not synchronised")
    warned = petra("dso", "run", "--dir", grid.dso)
    assert '"event": "clock"' in warned.stderr
    assert warned.exit_code == 3 and "no node of the chain answers" in warned.stderr  # the next thing that is wrong
    before = snapshot(grid.meter)
    set_line(grid.meter, 'clock = "warn"', 'clock = "refuse"')
    refused(petra("meter", "run", "--dir", grid.meter), "clock: it is not synchronised (or set [operation] clock")
    assert snapshot(grid.meter).keys() == before.keys()
    assert snapshot(grid.meter)["meter.db"] == before["meter.db"]


def test_taken_port(grid: Microgrid) -> None:
    """Who holds the port of the metrics is not disturbed, and the meter counts nothing."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        set_line(grid.meter, "metrics_port = 0", f"metrics_port = {other.getsockname()[1]}")
        refused(petra("meter", "run", "--dir", grid.meter), "is taken: choose another metrics_port")
    with sqlite3.connect(grid.meter / "meter.db") as database:
        assert database.execute("SELECT count(*) FROM diary").fetchone() == (0,)
    database.close()


@pytest.mark.parametrize("verb", ["dso", "meter"])
def test_two_processes_with_one_keystore(grid: Microgrid, verb: str) -> None:
    """The second one is told that another process has the keys."""
    directory = grid.dso if verb == "dso" else grid.meter
    keys = Keystore.open(directory / "keys", PASSWORD)
    before = snapshot(grid.place)
    try:
        refused(petra(verb, "run", "--dir", directory), "another process uses these keys")
        assert json.loads(petra("dso", "status", "--dir", grid.dso, "--json").stdout)["running"] is (verb == "dso")
    finally:
        keys.close()
    assert snapshot(grid.place) == before


def test_init_where_something_lies(grid: Microgrid) -> None:
    """A second `init` changes no file of the first."""
    before = snapshot(grid.place)
    invitation, deployment = grid.place / "home-1.json", grid.place / "deployment.json"
    refused(petra("prosumer", "init", "--dir", grid.home, "--invitation", invitation), "is not empty")
    key = ("--dso-key", grid.place / "dso.key")
    refused(petra("dso", "init", "--dir", grid.dso, "--deployment", deployment, *key), "is not empty")
    refused(petra("prosumer", "init", "--dir", grid.place / "new", "--invitation", deployment), "is not an invitation")
    assert snapshot(grid.place) == before


def test_database_url_that_is_none(grid: Microgrid) -> None:
    """The URL, which may hold a password, is not repeated, and no directory appears."""
    arguments = ("--deployment", grid.place / "deployment.json", "--dso-key", grid.place / "dso.key")
    result = petra("dso", "init", "--dir", grid.place / "new", *arguments, "--database", "mysql://dso:hunter2@db/x")
    refused(result, "postgresql+psycopg://")
    assert "hunter2" not in result.output
    url = "postgresql+psycopg://dso:hunter2@db:port/x"  # a port that is no number
    result = petra("dso", "init", "--dir", grid.place / "new", *arguments, "--database", url)
    refused(result, "cannot be read")
    assert "hunter2" not in result.output
    assert not (grid.place / "new").exists()


def test_orders_that_the_dso_would_refuse(grid: Microgrid) -> None:
    """A name in use, a home that is none, prices that cross or come too late: told at once, and no order is left."""
    before = json.loads(petra("dso", "status", "--dir", grid.dso, "--json").stdout)
    again = grid.place / "again.json"
    refused(petra("dso", "enrol", "home 1", *ENROL, "--dir", grid.dso, "--out", again), "a member, or invited")
    refused(petra("dso", "enrol", "home 2", *ENROL, "--dir", grid.dso, "--out", grid.place / "home-1.json"), "there al")
    refused(petra("dso", "revoke", "home 1", "--dir", grid.dso), "is no member")
    prices = [
        *("--retail-ct-per-kwh", "30", "--feed-in-ct-per-kwh", "8", "--local-ct-per-kwh", "19"),
        *("--imbalance-ct-per-kwh", "45", "--bulk-ct-per-kwh", "9", "--dir", str(grid.dso)),
    ]
    refused(petra("dso", "price", *prices, "--from-timestep", "5"), "are frozen")
    crossed = ["40" if one == "19" else one for one in prices]
    refused(petra("dso", "price", *crossed, "--from-timestep", str(2**40)), "local")
    for rich in ("1e400", "1000000001", "Infinity"):  # no column of the books holds it: the DSO would end at the join
        told = petra("dso", "enrol", "home 2", *ENROL[:-1], rich, "--dir", grid.dso, "--out", again)
        assert told.exit_code == 2 and "must be" in told.stderr, told.output
    late = ["--direction", "export", "--lift", "--start-timestep", str(2**40), "--end-timestep", str(2**60)]
    assert petra("dso", "curtail", *late, "--dir", grid.dso).exit_code == 2
    assert not again.exists()
    assert json.loads(petra("dso", "status", "--dir", grid.dso, "--json").stdout) == before


def test_prices_are_ordered_once(grid: Microgrid) -> None:
    """The DSO keeps the first prices from a timestep on, so a second order would only seem to be taken."""
    order = [
        *("--from-timestep", str(2**40), "--feed-in-ct-per-kwh", "8", "--local-ct-per-kwh", "19"),
        *("--imbalance-ct-per-kwh", "45", "--bulk-ct-per-kwh", "9", "--dir", str(grid.dso), "--retail-ct-per-kwh"),
    ]
    assert petra("dso", "price", *order, "30").exit_code == 0
    refused(petra("dso", "price", *order, "31"), "are ordered already")


def test_rules_that_name_nobody(grid: Microgrid) -> None:
    """A rule for a misspelt home would bind nobody, for good: the status tells the name before the first start."""

    def told() -> str:
        return str(json.loads(petra("dso", "status", "--dir", grid.dso, "--json").stdout)["rules"])

    assert told() == "none beside the grid's"
    rule = '\n[[rule]]\nkind = "ramp"\ndirection = "both"\nlimit_watts = 500\nhomes = ["hom 1"]\n'
    path = grid.dso / "dso.toml"
    path.write_text(path.read_text(encoding="utf-8") + rule, encoding="utf-8")
    assert told() == "ramp; neither a member nor a member's node: hom 1"


def test_freeze_and_its_end_wait_as_orders(grid: Microgrid) -> None:
    """A DSO that does not run takes them when it starts."""
    for verb in (("freeze", "--minutes", "5"), ("unfreeze",)):
        ordered = petra("dso", *verb, "--dir", grid.dso)
        assert ordered.exit_code == 0 and "when it starts" in ordered.stdout
    assert json.loads(petra("dso", "status", "--dir", grid.dso, "--json").stdout)["orders_waiting"] == 3
    assert petra("dso", "freeze", "--minutes", "0", "--dir", grid.dso).exit_code == 2


def test_curtailment_that_nobody_could_obey(grid: Microgrid) -> None:
    """Timesteps that have begun and run backwards, a home that is none, two limits or none: all at once."""
    wrong = ["--direction", "up", "--start-timestep", "5", "--end-timestep", "4", "--home", "castle"]
    result = petra("dso", "curtail", *wrong, "--dir", grid.dso)
    told = [line for line in result.stderr.splitlines() if line.startswith("petra: ")]
    assert result.exit_code == 2 and len(told) == 5, result.output
    words = ("has begun", "lies before", "export or import", "one of the two", "castle")
    assert [word in line for line, word in zip(told, words, strict=True)] == [True] * 5
    right = ["--direction", "export", "--start-timestep", str(2**40), "--end-timestep", str(2**40), "--lift"]
    ordered = petra("dso", "curtail", *right, "--dir", grid.dso)
    assert ordered.exit_code == 0 and "everybody" in ordered.stdout
    assert json.loads(petra("dso", "status", "--dir", grid.dso, "--json").stdout)["orders_waiting"] == 2


def test_protest_of_what_was_never_asked(grid: Microgrid) -> None:
    """An id that is none, and one that the home never used, are told apart."""
    refused(petra("protest", "--dir", grid.home, "0x12"), "32 hexadecimal digits")
    refused(petra("protest", "--dir", grid.home, "ab" * 16), "has sent no such message")


def test_evidence_that_cannot_be_read(grid: Microgrid) -> None:
    """Neither a directory without a service nor a file that is no export is evidence."""
    refused(petra("evidence", "show", "--dir", grid.place), "holds no service")
    refused(petra("evidence", "verify", grid.place / "day.csv"), "no evidence can be read")
    refused(petra("evidence", "verify"), "name one of the two")


def test_kind_of_message_that_is_none(grid: Microgrid) -> None:
    """A slip of the hand is not answered with an empty list."""
    refused(petra("evidence", "show", "--dir", grid.home, "--kind", "withdrawassets"), "withdrawAssets")


def test_restore_over_a_database(grid: Microgrid) -> None:
    """A database that stands is never written over, by a backup or from one."""
    before = snapshot(grid.dso)
    refused(petra("backup", "--dir", grid.dso, "--out", grid.dso / "dso.db"), "is there already")
    assert petra("backup", "--dir", grid.dso, "--out", grid.place / "copy.db").exit_code == 0
    refused(petra("restore", grid.place / "copy.db", "--dir", grid.dso), "a database stands there")
    assert snapshot(grid.dso) == before


def test_orders_wait_and_secrets_stay(grid: Microgrid) -> None:
    """What is printed of a microgrid holds no key, password or token, and the invitation waits as an order."""
    printed = "".join(
        petra(*verb).output
        for verb in (
            ("dso", "accounts", "--dir", grid.dso),
            ("dso", "accounts", "--dir", grid.dso, "--json"),
            ("dso", "status", "--dir", grid.dso),
            ("prosumer", "status", "--dir", grid.home),
            ("evidence", "show", "--dir", grid.home),
            ("evidence", "verify", "--dir", grid.dso, "--json"),
        )
    )
    assert "home 1" in printed
    assert "orders waiting    1" in printed
    for secret in (DSO_SECRET.hex(), PASSWORD, token_of(grid.place / "home-1.json")):
        assert secret not in printed
