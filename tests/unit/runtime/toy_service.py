"""The smallest service: it counts. As a program it runs until it is told to stop: tests send it signals."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event

from petra.errors import InputError, StoreError
from petra.runtime.figures import Figure
from petra.runtime.logs import opened_log
from petra.runtime.operation import Supervisor, run


@dataclass(slots=True)
class ToyWorker:
    """A way to the ledger that says what it is made to say."""

    trouble: str | None = None
    head: int = 17


@dataclass(slots=True)
class ToyLink:
    """A way to others that says what it is made to say."""

    failure: str | None = None

    def trouble(self) -> str | None:
        """Return the failure."""
        return self.failure


@dataclass(slots=True)
class ToyService:
    """Counts its rounds, and fails in a certain one.

    Attributes:
        refuses: it cannot start as it is configured.
        fails_at: the disk fails in this round.
    """

    refuses: bool = False
    fails_at: int = -1
    number: int = 0
    now: int = 0
    closed: bool = False
    postbox: list[bytes] = field(default_factory=lambda: [b"one", b"two"])
    link: ToyLink = field(default_factory=ToyLink)
    ledger: ToyWorker | None = field(default_factory=ToyWorker)
    figures: Callable[[], Sequence[Figure]] = tuple

    def start(self) -> None:
        """Replay nothing."""
        if self.refuses:
            raise InputError("home.toml: [home] dso: is not the deployment's")

    def turn(self) -> None:
        """Count."""
        self.number += 1
        self.now = 1_000 + self.number
        if self.number == self.fails_at:
            raise StoreError("dso.db: disk I/O error for 0x" + "ab" * 20)
        Event().wait(0.02)

    def close(self) -> None:
        """Note it."""
        self.closed = True


def main() -> int:
    """Run until a signal comes; arguments: the supervisor's socket, the port of the metrics."""
    supervisor = Supervisor(address=sys.argv[1], watchdog_seconds=0.1)
    with opened_log() as log:
        return run(ToyService(), role="meter", log=log, metrics_port=int(sys.argv[2]), supervisor=supervisor)


if __name__ == "__main__":
    sys.exit(main())
