"""The process around a service: it starts, turns until it is told to stop, and says how it fares (R79, R93).

Decides: what ends the loop, and with which exit code. Knows no role and no market.
Invariants: a stop waits for the end of the round, so that nothing is half done; what ends the process is logged by
name; a supervisor hears READY only when the diary is replayed, and its watchdog only from the loop itself.
"""

import contextlib
import gc
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FrameType
from typing import Final, Protocol

from petra.errors import InputError, PetraError
from petra.runtime.logs import Log, cleaned
from petra.runtime.observation import Door, Pulse, Watched

DONE: Final = 0
WORLD_FAILED: Final = 3
INTERRUPTED: Final = 130
REASONS_MAX: Final = 5  # that are told until all is well again: some name a block or a transaction


class Running(Watched, Protocol):
    """A service, as far as it is run: `petra.runtime.service.Service`."""

    def start(self) -> None:
        """Replay the diary."""
        ...

    def turn(self) -> None:
        """Do one round."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervisor:
    """Who started us and wants to hear from us: systemd, or nobody.

    Attributes:
        address: its datagram socket (NOTIFY_SOCKET); empty = nobody. A name that begins with @ is an abstract one.
        watchdog_seconds: how often it wants a sign of life; 0 = never.
    """

    address: str = ""
    watchdog_seconds: float = 0.0

    def tell(self, state: str) -> None:
        """Send a state such as READY=1; a supervisor that is gone is no reason to stop."""
        if not self.address:
            return
        place = "\0" + self.address[1:] if self.address.startswith("@") else self.address
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as datagrams:
            datagrams.sendto(state.encode(), place)


NOBODY: Final = Supervisor()


def run(service: Running, *, role: str, log: Log, metrics_port: int = 0, supervisor: Supervisor = NOBODY) -> int:
    """Run a service until SIGTERM or SIGINT (exit code 0 or 130), or until the world fails (3); close it.

    Args:
        service: built, not started.
        role: dso, prosumer or meter; for log and metrics.
        log: where it is told what happens.
        metrics_port: of 127.0.0.1; 0 = no metrics.
        supervisor: whom to tell.

    Raises:
        InputError: the port is taken, or the service cannot start as it is configured.
    """
    pulse = Pulse(role=role, service=service)
    with contextlib.ExitStack() as stack:
        stack.callback(_close, service, log)
        if metrics_port:
            stack.callback(Door(metrics_port, pulse).close)
        stop = stack.enter_context(_stopped_by_signals())
        try:
            _start(service, pulse, log)
            supervisor.tell("READY=1")
            _loop(service, pulse, stop, log=log, supervisor=supervisor)
        except InputError:
            raise
        except PetraError as error:
            log.error("failed", kind=type(error).__name__, message=str(error))
            return WORLD_FAILED
        finally:
            supervisor.tell("STOPPING=1")
        log.info("stopping", signal=signal.Signals(stop.signal).name, events=service.number)
        return INTERRUPTED if stop.signal == signal.SIGINT else DONE


@dataclass(slots=True)
class _Stop:
    """The signal that asked for the end; 0 = none yet."""

    signal: int = 0


@contextlib.contextmanager
def _stopped_by_signals() -> Iterator[_Stop]:
    """Note SIGTERM and SIGINT instead of dying of them; the loop looks at the end of each round."""
    stop = _Stop()

    def note(number: int, frame: FrameType | None) -> None:
        stop.signal = stop.signal or number

    before = {number: signal.signal(number, note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def collect_rarely() -> None:
    """Let Python look for cycles of garbage rarely: a service makes few, and looking took an eighth of a DSO's time."""
    gc.collect()
    gc.freeze()  # what is here by now stays
    gc.set_threshold(100_000, 50, 100)


def _start(service: Running, pulse: Pulse, log: Log) -> None:
    begun = time.monotonic()
    log.info("starting", role=pulse.role)
    service.start()
    collect_rarely()
    pulse.started = True
    pulse.beat()
    log.info("started", role=pulse.role, events=service.number, seconds=round(time.monotonic() - begun, 3))


def _loop(service: Running, pulse: Pulse, stop: _Stop, *, log: Log, supervisor: Supervisor) -> None:
    told = time.monotonic()
    while not stop.signal:
        service.turn()
        pulse.beat()
        node = service.ledger.trouble if service.ledger is not None else None
        _tell_troubles(pulse, {"node": node, "link": service.link.trouble()}, log)
        if supervisor.watchdog_seconds and pulse.seen - told >= supervisor.watchdog_seconds / 2:
            told = pulse.seen
            supervisor.tell("WATCHDOG=1")


def _tell_troubles(pulse: Pulse, now: Mapping[str, str | None], log: Log) -> None:
    """Say that the node or the way to the DSO fails, once for each reason, and once that it is back."""
    for name, trouble in now.items():
        told = pulse.troubles.setdefault(name, set())
        if trouble is None and told:
            log.info(f"{name}-is-back")
            told.clear()
        elif trouble is not None and trouble not in told and len(told) < REASONS_MAX:
            log.warning(f"{name}-fails", message=trouble)
            told.add(trouble)


def _close(service: Running, log: Log) -> None:
    try:
        service.close()
    except PetraError as error:  # what ended the loop has been told, and counts
        log.error("close-failed", kind=type(error).__name__, message=cleaned(str(error)))
