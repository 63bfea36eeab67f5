"""A service's file: every problem at once, no secret in a problem, and what is written is read again."""

from decimal import Decimal
from pathlib import Path

import pytest

from petra.errors import InputError
from petra.runtime.config import (
    DsoConfig,
    FabricSection,
    GridSection,
    HomeConfig,
    HomeSection,
    MeterConfig,
    MeterPartySection,
    MeterSection,
    PriceSection,
    ServiceConfig,
)
from petra.wire.secp256k1 import SecretKey

ADDRESS = SecretKey(bytes(31) + b"\1").address
KEY = "ab" * 32
PRICES = PriceSection(
    retail_ct_per_kwh=Decimal("30.5"),
    feed_in_ct_per_kwh=Decimal(8),
    local_ct_per_kwh=Decimal("19.0000001"),
    imbalance_ct_per_kwh=Decimal(45),
    bulk_ct_per_kwh=Decimal(9),
)
DSO = DsoConfig(fabric=FabricSection(port=5001, enrol_port=5002, publish_port=5003), prices=(PRICES,))
HOME = HomeConfig(
    home=HomeSection(
        name="home 7",
        rpc=("http://127.0.0.1:8545",),
        dso=ADDRESS,
        dso_key=KEY,
        dso_endpoint="tcp://127.0.0.1:5001",
        enrol_endpoint="tcp://127.0.0.1:5002",
        publish_endpoint="tcp://127.0.0.1:5003",
        listen_port=5010,
    ),
    meter=MeterPartySection(address=ADDRESS, curve_key=KEY),
)
METER = MeterConfig(
    meter=MeterSection(
        dso=ADDRESS,
        dso_key=KEY,
        dso_endpoint="tcp://127.0.0.1:5001",
        home=ADDRESS,
        home_key=KEY,
        home_endpoint="tcp://127.0.0.1:5010",
        profile='odd "name" \\ with \t.csv',
    )
)


def problems_of(directory: Path, config: ServiceConfig, old: str, new: str) -> list[str]:
    """Return what is told about a file in which a text was replaced."""
    text = config.to_toml()
    assert old in text
    (directory / config.FILE).write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError) as raised:
        type(config).load(directory)
    return list(raised.value.problems)


def test_missing_file_is_told_with_its_remedy(tmp_path: Path) -> None:
    """A directory without a file names the verb that makes one."""
    with pytest.raises(InputError, match=r"home\.toml: is not there; `init` makes it"):
        HomeConfig.load(tmp_path)


def test_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """Bytes that are no UTF-8 end in one problem."""
    (tmp_path / "meter.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match=r"meter\.toml: cannot be read"):
        MeterConfig.load(tmp_path)


def test_all_problems_are_told_at_once(tmp_path: Path) -> None:
    """An unknown key, a missing one and a wrong type are told together, each with file, section and key."""
    text = DSO.to_toml().replace("port = 5001\n", "", 1)
    text = text.replace("lease_seconds = 10", 'lease_seconds = "10"\nlease = 1')
    (tmp_path / "dso.toml").write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        DsoConfig.load(tmp_path)
    problems = raised.value.problems
    assert any("dso.toml: [fabric] port: Field required" in line for line in problems)
    assert any("dso.toml: [dso] lease: unknown key" in line for line in problems)
    assert any("dso.toml: [dso] lease_seconds:" in line and "(given: 10)" in line for line in problems)


@pytest.mark.parametrize(
    ("config", "old", "new", "told"),
    [
        (DSO, "port = 5002", "port = 5001", "a port of its own"),
        (DSO, "port = 5002", "port = 70000", "less than or equal to 65535"),
        (DSO, "gateway_port = 0", "gateway_port = 443", "go together"),
        (DSO, "from_timestep = 0", "from_timestep = 3", "the first begins at timestep 0"),
        (DSO, "imbalance_ct_per_kwh = 45", "imbalance_ct_per_kwh = 5", "imbalance"),
        (DSO, 'rule = "connection"', 'rule = "feeder"', "the promise covers whoever is connected"),
        (DSO, 'feeder = ""', 'feeder = "rural1"', "go together"),
        (DSO, 'clock = "warn"', 'clock = "ignore"', "'warn' or 'refuse'"),
        (DSO, "metrics_port = 0", "metrics_port = -1", "[operation] metrics_port"),
        (HOME, f'dso = "{ADDRESS}"', 'dso = "0x12"', "an address is 0x and 40"),
        (HOME, f'dso_key = "{KEY}"', 'dso_key = "zz"', "[home] dso_key"),
        (HOME, 'transport = "zmq"', 'transport = "https"', "needs gateway_url"),
        (HOME, 'method = "seasonal"', 'method = "profile"', "go together"),
        (HOME, "tcp://127.0.0.1:5001", "127.0.0.1:5001", "[home] dso_endpoint"),
        (METER, 'sensor = "profile"', 'sensor = "modbus"', "'profile' or 'csv'"),
    ],
)
def test_value_that_makes_no_sense_is_told(
    tmp_path: Path, config: ServiceConfig, old: str, new: str, told: str
) -> None:
    """Each wrong value is told with its file and key."""
    problems = problems_of(tmp_path, config, old, new)
    assert any(told in line and config.FILE in line for line in problems), problems


@pytest.mark.parametrize(
    ("config", "old", "new"),
    [
        (DSO, 'database = ""', 'database = "postgres://dso:hunter2@db/petra"'),
        (HOME, "http://127.0.0.1:8545", "ftp://dso:hunter2@node"),
    ],
)
def test_problem_shows_no_password(tmp_path: Path, config: ServiceConfig, old: str, new: str) -> None:
    """A URL that cannot be used is not repeated, since it may hold a password."""
    assert "hunter2" not in "".join(problems_of(tmp_path, config, old, new))


def test_password_of_a_url_is_not_shown() -> None:
    """Who prints a configuration prints no URL of a database or node."""
    secret = "postgresql+psycopg://dso:hunter2@db/petra"
    config = DSO.model_copy(update={"dso": DSO.dso.model_copy(update={"database": secret})})
    assert config.database == secret
    assert "hunter2" not in repr(config)


@pytest.mark.parametrize("config", [DSO, HOME, METER])
def test_what_is_written_is_read_again(tmp_path: Path, config: ServiceConfig) -> None:
    """A file gives the configuration that wrote it, and only its owner may read it."""
    saved = config.save(tmp_path)
    assert type(config).load(tmp_path) == saved
    assert saved.directory == tmp_path
    assert (tmp_path / config.FILE).stat().st_mode & 0o777 == 0o600


def test_file_is_never_overwritten(tmp_path: Path) -> None:
    """A second service in a directory is refused, and the first one's file stays."""
    DSO.save(tmp_path)
    with pytest.raises(InputError, match="is there already"):
        DSO.model_copy(update={"fabric": FabricSection(port=1, enrol_port=2, publish_port=3)}).save(tmp_path)
    assert DsoConfig.load(tmp_path).fabric.port == 5001


def test_prices_are_exact() -> None:
    """Ct per kWh become nano-EUR per kWh without rounding."""
    (schedule,) = DSO.schedules()
    assert (schedule.local, schedule.retail) == (190_000_001, 305_000_000)


def test_birth_names_what_a_replay_needs() -> None:
    """Prices and policy belong to a DSO's birth; ports and names may change later."""
    moved = DSO.model_copy(update={"fabric": FabricSection(port=1, enrol_port=2, publish_port=3)})
    dearer = DSO.model_copy(update={"prices": (PRICES.model_copy(update={"retail_ct_per_kwh": Decimal(31)}),)})
    assert DSO.birth() == moved.birth() != dearer.birth()
    watched = GridSection(rule="feeder", feeder="rural1", unenrolled_import_watts=0, unenrolled_export_watts=0)
    assert "rural1" in DSO.model_copy(update={"grid": watched}).birth()
