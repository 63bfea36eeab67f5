"""What the processes of a testbed do: the tasks that its nursery forks.

Decides: when a service is ready: its diary is replayed, a home is enrolled and knows the prices, and final blocks are
read. Everything else is the same as in `petra dso run` and the other verbs.
Invariant: an order's arguments are plain JSON values; whatever ends a task stands in the service's own log.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import alembic.command  # noqa: F401 this is imported late elsewhere: here it is for all children
import sqlalchemy as sql

from petra.domain.messages import Kind
from petra.errors import InputError, PetraError
from petra.fabric.postbox import Postbox
from petra.ports import Link
from petra.runtime.building import build_dso, build_home, build_meter
from petra.runtime.config import (
    DsoConfig,
    ForecastSection,
    HomeConfig,
    MeterConfig,
    Operation,
    ServiceConfig,
    StrategySection,
)
from petra.runtime.creation import METER_FOLDER, PROFILE_FILE, NewHome, create_home
from petra.runtime.figures import Figure
from petra.runtime.joining import join
from petra.runtime.ledger_worker import LedgerWorker
from petra.runtime.logs import Log, opened_log
from petra.runtime.operation import run
from petra.runtime.service import Service
from petra.runtime.testbed_layout import LOG_FILE
from petra.store.keystore import eth_account
from petra.store.tables import messages

eth_account()  # as alembic
WORK = 2  # scrypt's cost: the password lies beside the keys, so it protects nothing
_BAD_INPUT, _WORLD_FAILED = 2, 3
_BUILDERS: dict[str, Callable[[Path, str], Service]] = {"dso": build_dso, "prosumer": build_home, "meter": build_meter}
_FILES: dict[str, type[DsoConfig] | type[HomeConfig] | type[MeterConfig]] = {
    "dso": DsoConfig,
    "prosumer": HomeConfig,
    "meter": MeterConfig,
}


def serve(arguments: dict[str, Any], ready: Callable[[], None]) -> int:
    """Run a service until it is told to stop: `role`, `directory`, `password`."""
    role, directory, password = arguments["role"], Path(arguments["directory"]), arguments["password"]
    config = _FILES[role].load(directory)
    with opened_log(config.operation.log_level, config.path(config.operation.log_file)) as log:
        try:
            if isinstance(config, HomeConfig):
                join(directory, password)
            service = _BUILDERS[role](directory, password)
            return run(_Announced(service, ready), role=role, log=log, metrics_port=config.operation.metrics_port)
        except InputError as error:
            return _failed(log, error, _BAD_INPUT)
        except PetraError as error:
            return _failed(log, error, _WORLD_FAILED)


def make_home(arguments: dict[str, Any], ready: Callable[[], None]) -> int:
    """Make the directories of a home and its meter.

    `directory`, `invitation`, `listen_port`, `profile` (the meter's, and the home's forecast), `strategy`,
    `block_seconds` and `password`.
    """
    directory, profile = Path(arguments["directory"]), Path(arguments["profile"])
    port = arguments["listen_port"]
    new = NewHome(invitation=Path(arguments["invitation"]), profile=profile, listen_port=port, work=WORK)
    create_home(directory, new, arguments["password"])
    config = HomeConfig.load(directory)
    changed = {
        "home": config.home.model_copy(update={"block_seconds": arguments["block_seconds"]}),
        # The day of the data passes in minutes here, so a forecast from habits of the day would know nothing.
        "forecast": ForecastSection(method="profile", profile=f"{METER_FOLDER}/{PROFILE_FILE}"),
        "strategy": StrategySection(**arguments["strategy"]),
        "operation": Operation(log_file=LOG_FILE),
    }
    rewrite(config, changed)
    rewrite(MeterConfig.load(directory / METER_FOLDER), {"operation": Operation(log_file=LOG_FILE)})
    ready()
    return 0


def rewrite(config: ServiceConfig, changed: dict[str, Any]) -> None:
    """Change sections of a service's file before its first start."""
    path = config.directory / config.FILE
    path.write_text(config.model_copy(update=changed).to_toml(), encoding="utf-8")


def _failed(log: Log, error: PetraError, code: int) -> int:
    log.error("failed", kind=type(error).__name__, message=str(error))
    return code


@dataclass(slots=True)
class _Announced:
    """A service that says once that it is ready; it runs as ever."""

    service: Service
    ready: Callable[[], None]
    is_ready: bool = False
    number: int = 0
    now: int = 0

    @property
    def postbox(self) -> Postbox:
        return self.service.postbox

    @property
    def link(self) -> Link:
        return self.service.link

    @property
    def ledger(self) -> LedgerWorker | None:
        return self.service.ledger

    @property
    def figures(self) -> Callable[[], Sequence[Figure]]:
        return self.service.figures

    def start(self) -> None:
        self.service.start()

    def turn(self) -> None:
        self.service.turn()
        self.number, self.now = self.service.number, self.service.now
        if not self.is_ready and self._serves():
            self.is_ready = True
            self.ready()

    def close(self) -> None:
        self.service.close()

    def _serves(self) -> bool:
        ledger, part = self.service.ledger, self.service.part
        if ledger is not None and ledger.head == 0:
            return False
        if part.name != "prosumer":
            return True
        named = (messages.c.kind == Kind.PRICE_SCHEDULE.value, messages.c.direction == "in")
        return bool(self.service.records.database.read(sql.select(messages.c.position).where(*named).limit(1)))
