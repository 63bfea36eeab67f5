"""ZeroMQ as every link of ours uses it: CURVE, heartbeats, limits, a way to be woken.

Decides: socket options, and what a connection's events mean in plain words. It knows no frame.
Invariant: no socket is open without CURVE, and none keeps the process alive (linger 0).
"""

import contextlib
import socket
from collections.abc import Iterator
from typing import Final

import zmq
from zmq.utils.monitor import parse_monitor_message

from petra.errors import InputError
from petra.fabric.limits import Limits

CurveKeys = tuple[bytes, bytes]  # public and secret, 32 bytes each or their Z85 texts
Raw = zmq.Socket[bytes]

_ENDINGS: Final = zmq.EVENT_DISCONNECTED | zmq.EVENT_CLOSED | zmq.EVENT_CONNECT_RETRIED
_FAILURES: Final = (
    zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
)
WATCHED: Final = zmq.EVENT_HANDSHAKE_SUCCEEDED | _ENDINGS | _FAILURES


class Bell:
    """Ends a poll from any thread."""

    def __init__(self) -> None:
        """Make a pair of connected sockets."""
        self._ear, self._hand = socket.socketpair()
        self._ear.setblocking(False)
        self._hand.setblocking(False)

    def fileno(self) -> int:
        """Return what a poller watches."""
        return self._ear.fileno()

    def ring(self) -> None:
        """Wake whoever polls; a bell that rings already, or is gone, is left alone."""
        with contextlib.suppress(OSError):
            self._hand.send(b"\0")

    def hush(self) -> None:
        """Forget every ring so far."""
        with contextlib.suppress(BlockingIOError):
            while self._ear.recv(4096):
                pass

    def close(self) -> None:
        """Let go of both ends."""
        self._ear.close()
        self._hand.close()


def curve_socket(
    context: "zmq.Context[Raw]", kind: int, keys: CurveKeys, limits: Limits, *, bytes_max: int
) -> Raw:
    """Return a socket with our keys and limits, not bound or connected yet; an envelope has at most `bytes_max`."""
    made = context.socket(kind)
    made.linger = 0
    made.curve_publickey, made.curve_secretkey = keys
    made.sndhwm = made.rcvhwm = limits.queue_max
    made.maxmsgsize = bytes_max + 1024  # so that what is a little too long is refused by name
    made.handshake_ivl = limits.handshake_ms
    made.heartbeat_ivl = limits.heartbeat_ms
    made.heartbeat_timeout = made.heartbeat_ttl = 3 * limits.heartbeat_ms
    return made


def bind(made: Raw, endpoint: str) -> str:
    """Bind a server's socket; return the endpoint with the port that it got.

    Raises:
        InputError: the port is taken, or the endpoint cannot be used.
    """
    try:
        made.bind(endpoint)
    except zmq.ZMQError as error:
        raise InputError(f"{endpoint}: cannot listen here: {error.strerror}; choose another port or address") from error
    return made.get_string(zmq.LAST_ENDPOINT).rstrip("\0")


def events(monitor: Raw) -> Iterator[tuple[int, int]]:
    """Yield the events of a monitored socket that have come: event and value."""
    with contextlib.suppress(zmq.Again):
        while True:
            event = parse_monitor_message(monitor.recv_multipart(zmq.NOBLOCK))
            yield int(event["event"]), int(event["value"])


def failure(event: int, endpoint: str) -> str | None:
    """Return what an event of a client's socket says is wrong, None if nothing."""
    if event == zmq.EVENT_HANDSHAKE_FAILED_AUTH:
        return f"{endpoint} does not know our key: this account is not enrolled there, or was revoked"
    if event & _FAILURES:
        return f"{endpoint} cannot prove the server key that our configuration names: compare the two keys"
    if event & _ENDINGS:
        return f"{endpoint} does not answer; trying again"
    return None


def is_handshake_failure(event: int) -> bool:
    """Return whether a connection was refused or not understood."""
    return bool(event & _FAILURES)
