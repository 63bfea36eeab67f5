"""What a service shows while it runs: /metrics, /health and /ready on 127.0.0.1 (docs/reference/metrics.md).

Decides: what counts as alive and as ready. It reads a few attributes of the service and never waits for it.
Invariant: no metric names an account, a home or a pseudonym, and nothing can be changed through this door.
"""

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import metadata
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from petra.errors import InputError
from petra.runtime.figures import Figure

SILENT_SECONDS: Final = 30.0  # a loop that has not come round for so long is stuck: a round waits 0.25 s at most
_POLL_SECONDS: Final = 0.1  # how soon it sees that it shall end
_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"


class Worker(Protocol):
    """A service's way to the ledger, as far as it is watched."""

    trouble: str | None
    head: int


class Way(Protocol):
    """A service's way to others, as far as it is watched: by the loop's thread alone."""

    def trouble(self) -> str | None:
        """Return why its server cannot be reached, None while it can."""
        ...


class Sized(Protocol):
    """What has a length."""

    def __len__(self) -> int: ...


class Watched(Protocol):
    """A service, as far as it is watched: `number` of events taken, `now` of the last round."""

    number: int
    now: int

    @property
    def postbox(self) -> Sized:
        """Messages that wait for their recipients."""
        ...

    @property
    def link(self) -> Way:
        """The way to others."""
        ...

    @property
    def ledger(self) -> Worker | None:
        """The way to the ledger; meters have none."""
        ...

    @property
    def figures(self) -> Callable[[], Sequence[Figure]]:
        """What else it shows; called from the metrics' thread."""
        ...


@dataclass(slots=True, kw_only=True)
class Pulse:
    """How the loop around a service stands.

    Attributes:
        service: None until there is one.
        started: its diary is replayed.
        rounds: how many there were. seen: when the last one ended, by the monotonic clock.
        troubles: what the `node` and the `link` to the DSO have failed with since they last worked.
    """

    role: str
    service: Watched | None = None
    started: bool = False
    rounds: int = 0
    troubles: dict[str, set[str]] = field(default_factory=dict)
    seen: float = field(default_factory=time.monotonic)

    def beat(self) -> None:
        """Note the end of a round."""
        self.rounds += 1
        self.seen = time.monotonic()

    def stuck(self) -> str | None:
        """Return why the process is no longer alive, None while it is; a replay may take its time."""
        if self.started and time.monotonic() - self.seen > SILENT_SECONDS:
            return f"no round for more than {SILENT_SECONDS:g} s"
        return None

    def unready(self) -> str | None:
        """Return why the service cannot serve now, None where it can.

        A service whose database does not write ends at its next round: here it is stuck, or gone.
        """
        if self.service is None or not self.started:
            return "its diary is not replayed yet"
        if (reason := self.stuck()) is not None:
            return reason
        if self.service.ledger is not None and self.service.ledger.trouble is not None:
            return "its node does not answer"
        return None


class _ServiceCollector(Collector):
    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse

    def collect(self) -> Iterable[Metric]:
        """Yield what the service shows now."""
        pulse, service = self._pulse, self._pulse.service
        facts = {"role": pulse.role, "version": metadata.version("petra-tes")}
        yield InfoMetricFamily("petra_service", "What this process is.", facts)
        yield _gauge("petra_ready", "1 while the service can serve.", pulse.unready() is None)
        yield _counter("petra_rounds", "Rounds: collect, step, commit, release.", pulse.rounds)
        if service is None:
            return
        yield _counter("petra_events", "Events that the role has taken, all that its diary holds.", service.number)
        yield _gauge("petra_messages_waiting", "Messages not acknowledged by their recipients.", len(service.postbox))
        yield _gauge("petra_last_round_timestamp_seconds", "Unix second of the last round.", service.now)
        if pulse.role != "dso":
            about = "1 while the DSO, and a meter's home, can be reached."
            yield _gauge("petra_link_up", about, not pulse.troubles.get("link"))
        if service.ledger is not None:
            yield _gauge("petra_ledger_up", "1 while the node answers.", service.ledger.trouble is None)
            yield _gauge("petra_ledger_head_block", "Number of the newest block seen.", service.ledger.head)
        yield from map(_family, service.figures())


def _family(figure: Figure) -> Metric:
    family = CounterMetricFamily if figure.counts else GaugeMetricFamily
    metric = family(figure.name, figure.about, labels=[figure.label] if figure.label else [])
    for value, number in figure.values.items():
        metric.add_metric([value] if figure.label else [], float(number))
    return metric


def _gauge(name: str, help_text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, help_text, value=float(value))


def _counter(name: str, help_text: str, value: int) -> CounterMetricFamily:
    return CounterMetricFamily(name, help_text, value=float(value))


def registry_of(pulse: Pulse) -> CollectorRegistry:
    """Return the metrics of a service and its process."""
    registry = CollectorRegistry()
    registry.register(_ServiceCollector(pulse))
    ProcessCollector(registry=registry)
    return registry


class Door:
    """The HTTP server of a service's metrics, in a thread of its own."""

    def __init__(self, port: int, pulse: Pulse) -> None:
        """Listen at a port of 127.0.0.1 (0: any); InputError where it is taken."""
        handler = type("Handler", (_Handler,), {"pulse": pulse, "registry": registry_of(pulse)})
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as error:
            raise InputError(
                f"port {port} of 127.0.0.1 is taken: choose another metrics_port, or stop what listens there"
            ) from error
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(_POLL_SECONDS,), name="metrics", daemon=True
        )
        self._thread.start()

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._server.server_port

    def close(self) -> None:
        """Stop listening."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(timeout=5)


class _Handler(BaseHTTPRequestHandler):
    pulse: Pulse
    registry: CollectorRegistry
    timeout = 5
    server_version, sys_version = "petra", ""

    def do_GET(self) -> None:
        """Answer one of the three questions."""
        match self.path:
            case "/metrics":
                self._answer(200, generate_latest(self.registry), _TEXT)
            case "/health":
                self._verdict(self.pulse.stuck())
            case "/ready":
                self._verdict(self.pulse.unready())
            case _:
                self._answer(404, b"there are /metrics, /health and /ready\n", _TEXT)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: a probe a second is no news."""

    def _verdict(self, problem: str | None) -> None:
        self._answer(200 if problem is None else 503, f"{problem or 'yes'}\n".encode(), _TEXT)

    def _answer(self, code: int, body: bytes, kind: str) -> None:
        self.send_response(code)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        with contextlib.suppress(OSError):  # who asked has gone
            self.end_headers()
            self.wfile.write(body)
