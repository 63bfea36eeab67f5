"""What stands in a service's directory: `dso.toml`, `home.toml` or `meter.toml`, with units in the key names.

Decides: what may be written, which values make sense, and what belongs to a service's birth. It opens nothing else.
Invariants: unknown keys are refused and all problems of a file are told at once; no problem repeats a value that may
hold a password; files are written with mode 0600 and never over another.
"""

import os
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import AfterValidator, Field, PrivateAttr, model_validator

from petra.domain.messages import PriceSchedule
from petra.domain.terms import Address
from petra.errors import InputError, StoreError, WorldError
from petra.scenario.load import parse_toml
from petra.scenario.rules import Capacity, Rules, rule_problems
from petra.scenario.schema import GridRules, Schedule, Seconds, Watts
from petra.scenario.section import Section
from petra.wire.secp256k1 import parse_address

DEPLOYMENT_FILE, INVITATION_FILE, KEYS_FOLDER = "deployment.json", "invitation.json", "keys"


def _address(text: str) -> Address:
    try:
        return parse_address(text)
    except WorldError as error:
        raise ValueError("an address is 0x and 40 hexadecimal digits (EIP-55)") from error


Count = Annotated[int, Field(ge=0, lt=2**48)]  # of timesteps, or one timestep's number
Port = Annotated[int, Field(ge=1, le=65_535)]
PortOrNone = Annotated[int, Field(ge=0, le=65_535)]
Confirmations = Annotated[int, Field(ge=0, le=64)]
Account = Annotated[Address, AfterValidator(_address)]
CurveKey = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Endpoint = Annotated[str, Field(pattern=r"^tcp://\S+:[0-9]{1,5}$")]
BlockSeconds = Annotated[int, Field(ge=1, le=600)]
Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$")]
Texts = Annotated[tuple[str, ...], Field(strict=False)]
_NODE_URL = re.compile(r"https?://\S+")
_DATABASE_URL = re.compile(r"(sqlite:///|postgresql\+psycopg://)\S+")


class Node(Section):
    """What all sections share that name a chain: its deployment and nodes.

    `deployment` is a path from the service's directory. `rpc` are URLs of nodes; the deployment's if left out.
    `confirmations`: blocks on top of one that make it final.
    """

    deployment: str = DEPLOYMENT_FILE
    rpc: Texts = Field(default=(), repr=False)
    confirmations: Confirmations = 3

    @model_validator(mode="after")
    def _nodes(self) -> Self:
        # A URL may hold a password: say which, not what. Pydantic tells no input of a whole section.
        if wrong := [place for place, url in enumerate(self.rpc, start=1) if not _NODE_URL.fullmatch(url)]:
            raise ValueError(f"rpc: number {wrong[0]} is no URL: write http://HOST:PORT or https://...")
        return self


class Operation(Section):
    """[operation]: how the process is watched.

    `metrics_port`: of 127.0.0.1, for /metrics, /health and /ready; 0 = none. `log_file`: from the service's directory;
    stderr if left empty. `clock`: what to do where the system's clock is not synchronised.
    """

    metrics_port: PortOrNone = 0
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_file: str = ""
    clock: Literal["warn", "refuse"] = "warn"


class ServiceConfig(Section):
    """A service's file; `directory` is where it lies."""

    FILE: ClassVar[str]
    operation: Operation = Operation()
    _directory: Path = PrivateAttr(default=Path())

    @property
    def directory(self) -> Path:
        """The service's directory, absolute."""
        return self._directory

    @property
    def keys(self) -> Path:
        """The keystore's directory."""
        return self._directory / KEYS_FOLDER

    def path(self, name: str) -> Path:
        """Return a path of the file, which is told from the service's directory."""
        return self._directory / name

    def placed(self, directory: Path) -> Self:
        """Return the same in another directory."""
        moved = self.model_copy()
        moved._directory = directory.resolve()
        return moved

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read the file of a directory.

        Raises:
            InputError: there is none, or with every problem that it has.
        """
        path = directory / cls.FILE
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError as error:
            raise InputError(f"{path}: is not there; `init` makes it, or name another --dir") from error
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: cannot be read: {error}") from error
        return parse_toml(cls, text, str(path)).placed(directory)

    def save(self, directory: Path) -> Self:
        """Write the file into a directory that has none, and return the same, placed there.

        Raises:
            InputError: there is one. StoreError: the disk refused.
        """
        path = directory / self.FILE
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(self.to_toml())
        except FileExistsError as error:
            raise InputError(f"{path}: is there already; a service is made once") from error
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from error
        return self.placed(directory)

    def to_toml(self) -> str:
        """Return the file's text."""
        return to_toml({name: getattr(self, name) for name in type(self).model_fields})

    def birth(self) -> str:
        """Return, as JSON, the sections that must not change once the service has a diary: its replay needs them."""
        return self.model_dump_json(include=self._of_birth())

    def _of_birth(self) -> set[str] | dict[str, set[str]]:
        return set()


class DsoSection(Node):
    """[dso]: who and where the DSO is.

    `database`: dso.db in the directory if left empty, or postgresql+psycopg://...; a password in it is better left to
    PGPASSFILE. `first_timestep`: settled from here on; the current one at the first start if left out.
    `lease_seconds`: after how long a standby takes over from a process that fell silent. `block_seconds`: the chain's
    period, which invitations tell.
    """

    name: Name = "dso"
    database: str = Field(default="", repr=False)
    first_timestep: Count | None = None
    lease_seconds: Annotated[int, Field(ge=2, le=600)] = 10
    block_seconds: BlockSeconds = 5

    @model_validator(mode="after")
    def _reachable(self) -> Self:
        if self.database and not _DATABASE_URL.fullmatch(self.database):
            raise ValueError("database: write sqlite:///PATH or postgresql+psycopg://..., or leave it empty")
        return self


class FabricSection(Section):
    """[fabric]: where homes reach the DSO.

    `host` is listened at; `public_host` stands in invitations, the same if left empty. `gateway_port`: HTTPS for homes
    without ZeroMQ, with certificate and key as PEM files; 0 = none. `enrolments_per_minute`: what
    one network address may ask of the door for newcomers. `answer_step_ms`: answers leave at whole multiples of so many
    milliseconds, so that their moment does not tell which rule decided; 0 = at once.
    """

    host: str = "127.0.0.1"
    public_host: str = ""
    port: Port
    enrol_port: Port
    publish_port: Port
    enrolments_per_minute: Annotated[int, Field(ge=1, le=100_000)] = 30
    answer_step_ms: Annotated[int, Field(ge=0, le=10_000)] = 100
    gateway_port: PortOrNone = 0
    gateway_certificate: str = ""
    gateway_key: str = ""

    @model_validator(mode="after")
    def _ports_and_files(self) -> Self:
        ports = [port for port in (self.port, self.enrol_port, self.publish_port, self.gateway_port) if port]
        if len(set(ports)) < len(ports):
            raise ValueError("each door needs a port of its own")
        if bool(self.gateway_port) != bool(self.gateway_certificate and self.gateway_key):
            raise ValueError("gateway_port, gateway_certificate and gateway_key go together")
        return self

    @property
    def told_host(self) -> str:
        """What others connect to."""
        return self.public_host or self.host


class PolicySection(Section):
    """[policy]: how the DSO grants and settles.

    `tolerance_percent`: share of the sold energy that may stay undelivered at the retail price.
    `import_limit_watts`, `export_limit_watts`: what all homes together may draw or feed; not limited if left out.
    `delay_seconds_max`: an answer takes 0 .. so many seconds. `billing_timesteps`: 0 = one bill at the end.
    """

    horizon_timesteps: Annotated[int, Field(ge=1, le=100_000)] = 96
    deposit_window_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900
    dispute_window_seconds: Seconds = 3_600
    tolerance_percent: Annotated[int, Field(ge=0, le=100)] = 5
    delay_seconds_max: Seconds = 2
    import_limit_watts: Watts | None = None
    export_limit_watts: Watts | None = None
    billing_timesteps: Count = 0

    @property
    def capacity(self) -> Capacity:
        """What the connection carries, as far as it is limited."""
        return Capacity(import_watts=self.import_limit_watts, export_watts=self.export_limit_watts)


class GridSection(GridRules):
    """[grid]: what keeps withdrawals within the grid; `rule` and the var are those of a scenario.

    `rule` = "feeder" needs the other three. `feeder`: a feeder file (docs/reference/feeder-format.md), or the name of
    a grid that comes with PETra. `unenrolled_import_watts`, `unenrolled_export_watts`: what may be drawn and fed at a
    node where something is connected and nobody is a member: not yet, or no longer. It counts as if it were promised.
    """

    feeder: str = ""
    unenrolled_import_watts: Watts | None = None
    unenrolled_export_watts: Watts | None = None

    @model_validator(mode="after")
    def _feeder(self) -> Self:
        given = (bool(self.feeder), self.unenrolled_import_watts is not None, self.unenrolled_export_watts is not None)
        if given != ((self.rule == "feeder"),) * 3:
            keys = "feeder, unenrolled_import_watts and unenrolled_export_watts"
            raise ValueError(f'rule = "feeder" and {keys} go together: the promise covers whoever is connected')
        return self


class PriceSection(Schedule):
    """[[prices]]: a schedule in ct per kWh; the last that has begun holds. Later ones come by `petra dso price`."""

    from_timestep: Count = 0

    def schedule(self) -> PriceSchedule:
        """Return it in nano-EUR per kWh."""
        return self.starting_at(0)


class DsoConfig(ServiceConfig):
    """dso.toml."""

    FILE = "dso.toml"
    dso: DsoSection = DsoSection()
    fabric: FabricSection
    policy: PolicySection = PolicySection()
    grid: GridSection = GridSection()
    prices: tuple[PriceSection, ...] = Field(min_length=1, strict=False)
    rule: Rules = ()

    @model_validator(mode="after")
    def _rules_agree(self) -> Self:
        if problems := rule_problems(self.rule, self.policy.capacity):
            raise ValueError("[[rule]]: " + "; ".join(problems))
        return self

    @model_validator(mode="after")
    def _one_a_timestep(self) -> Self:
        begins = [one.from_timestep for one in self.prices]
        if begins[0] != 0 or begins != sorted(set(begins)):
            raise ValueError("prices: the first begins at timestep 0 and each later one after the one before")
        return self

    @property
    def database(self) -> str | Path:
        """What the store opens: a file, or a URL."""
        return self.dso.database or self.path("dso.db")

    def schedules(self) -> tuple[PriceSchedule, ...]:
        """Return the prices in nano-EUR per kWh."""
        return tuple(one.schedule() for one in self.prices)

    def _of_birth(self) -> set[str]:
        # A file without rules or a grid has the birth that it had before there were any.
        rules, grid = {"rule"} if self.rule else set(), {"grid"} if self.grid != GridSection() else set()
        return {"policy", "prices"} | rules | grid


class WayToDso(Section):
    """Where a home or a meter finds its DSO."""

    dso: Account
    dso_key: CurveKey
    dso_endpoint: Endpoint
    gateway_url: str = ""
    transport: Literal["zmq", "https"] = "zmq"

    @model_validator(mode="after")
    def _gateway(self) -> Self:
        if self.transport == "https" and not self.gateway_url.startswith("https://"):
            raise ValueError('transport = "https" needs gateway_url = "https://..."')
        return self


class HomeSection(Node, WayToDso):
    """[home]: who the home is and where it finds its DSO.

    `dso`: the DSO's address. `dso_key`: its key of the fabric. `transport` = "https": through `gateway_url`, where
    ZeroMQ cannot go. `listen_host`, `listen_port`: where its own meter reaches it. `block_seconds`: the chain's period.
    """

    name: Name
    enrol_endpoint: Endpoint
    publish_endpoint: Endpoint
    listen_host: str = "127.0.0.1"
    listen_port: Port
    block_seconds: BlockSeconds = 5
    confirmations: Confirmations = 1


class MeterPartySection(Section):
    """[meter]: the home's own meter: its address and its key of the fabric."""

    address: Account
    curve_key: CurveKey


class ForecastSection(Section):
    """[forecast]: what the home expects.

    `seasonal`: from its own past, which `history` (a CSV file as for meters) may open; `profile`: what the CSV file
    `profile` says, which begins again when it is over. Paths are told from the service's directory.
    """

    method: Literal["seasonal", "profile"] = "seasonal"
    profile: str = ""
    history: str = ""
    low_quantile: Annotated[float, Field(ge=0, le=0.5)] = 0.3
    high_quantile: Annotated[float, Field(ge=0.5, le=1)] = 0.7

    @model_validator(mode="after")
    def _profile(self) -> Self:
        if (self.method == "profile") != bool(self.profile):
            raise ValueError('method = "profile" and the path `profile` go together')
        return self


class StrategySection(Section):
    """[strategy]: how the home trades.

    `horizon_timesteps`: how far ahead of the gate it withdraws. `patience_seconds`: until a buyer posts a bid of its
    own. `retry_seconds`: after which a withdrawal without an answer is sent again. `spare_offers`: how many offers it
    accepts beyond those that would suffice. `lot_watts`: what it withdraws is a multiple of it, as its DSO may demand.
    """

    horizon_timesteps: Annotated[int, Field(ge=1, le=1_000)] = 1
    patience_seconds: Seconds = 60
    retry_seconds: Annotated[int, Field(ge=1, le=3_600)] = 15
    minimum_watts: Annotated[int, Field(ge=1, le=10**6)] = 1
    spare_offers: Annotated[int, Field(ge=0, le=10)] = 1
    lot_watts: Annotated[int, Field(ge=1, le=10**6)] = 1


class HomeConfig(ServiceConfig):
    """home.toml."""

    FILE = "home.toml"
    home: HomeSection
    meter: MeterPartySection
    forecast: ForecastSection = ForecastSection()
    strategy: StrategySection = StrategySection()

    @property
    def database(self) -> Path:
        """The file of SQLite that the store opens."""
        return self.path("home.db")

    def _of_birth(self) -> set[str]:
        return {"meter", "forecast", "strategy"}


class MeterSection(WayToDso):
    """[meter]: whose meter it is, where its readings go, and what it counts.

    `transport` = "https": to the DSO through `gateway_url`, where ZeroMQ cannot go; its home it reaches by ZeroMQ.
    `profile` is a CSV file with the columns `timestep` (or `unix`, the second at which it begins), `produced_watts` and
    `consumed_watts`. `sensor` = "profile": it begins again when it is over; "csv": nothing flows before and after it.
    `patience_seconds`: how long a reading is of use to the DSO.
    """

    deployment: str = DEPLOYMENT_FILE
    home: Account
    home_key: CurveKey
    home_endpoint: Endpoint
    sensor: Literal["profile", "csv"] = "profile"
    profile: str = "profile.csv"
    patience_seconds: Annotated[int, Field(ge=1, le=86_400 * 366)] = 86_400


class MeterConfig(ServiceConfig):
    """meter.toml."""

    FILE = "meter.toml"
    meter: MeterSection

    @property
    def database(self) -> Path:
        """The file of SQLite that the store opens."""
        return self.path("meter.db")

    def _of_birth(self) -> dict[str, set[str]]:
        # A DSO or a home may move to another place, and a sensor be exchanged: what was measured is in the diary.
        return {"meter": {"dso", "home", "patience_seconds"}}


def load_any(directory: Path) -> DsoConfig | HomeConfig | MeterConfig:
    """Read the file of whichever service lies in a directory; InputError where there is none."""
    kinds: tuple[type[DsoConfig | HomeConfig | MeterConfig], ...] = (DsoConfig, HomeConfig, MeterConfig)
    found = [kind for kind in kinds if (directory / kind.FILE).is_file()]
    if not found:
        raise InputError(f"{directory}: holds no service: none of {', '.join(kind.FILE for kind in kinds)}")
    return found[0].load(directory)


def to_toml(sections: Mapping[str, Section | tuple[Section, ...]]) -> str:
    """Return the text of a file with these sections, from which the same are read again."""
    lines = ["# docs/reference/configuration.md explains every key."]
    for name, value in sections.items():
        heading, tables = (f"[[{name}]]", value) if isinstance(value, tuple) else (f"[{name}]", (value,))
        for table in tables:
            lines += ["", heading]
            lines += [
                f"{key} = {_toml_value(inner)}"
                for key in type(table).model_fields
                if (inner := getattr(table, key)) is not None
            ]
    return "\n".join(lines) + "\n"


def _toml_value(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int() | float():
            return str(value)
        case Decimal():
            return f"{value:f}"
        case date():
            return value.isoformat()
        case tuple():
            return f"[{', '.join(map(_toml_value, value))}]"
        case _:
            text = str(value).replace("\\", "\\\\").replace('"', '\\"')
            return '"' + re.sub(r"[\x00-\x1f\x7f]", lambda found: f"\\u{ord(found[0]):04x}", text) + '"'
