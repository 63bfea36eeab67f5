"""Ports of 127.0.0.1 for a network's nodes.

Decides: which ports, and what is said of one that is taken. Invariant: ports that are chosen together differ.
"""

import contextlib
import secrets
import socket
from collections.abc import Sequence

from petra.errors import InputError

_FIRST, _LAST = 12_000, 29_999  # below what Linux (32768) and others (49152) give to outgoing connections
_ATTEMPTS = 200


def choose_ports(count: int, first: int | None = None) -> list[int]:
    """Return free ports: a row from `first` on, or any; InputError where one of the row is taken or none."""
    if first is not None:
        if not 1024 <= first <= 65_536 - count:
            raise InputError(f"--first-port {first}: must be 1024 .. {65_536 - count}, for {count} ports in a row")
        ports = list(range(first, first + count))
        require_free_ports(ports)
        return ports
    with contextlib.ExitStack() as held:  # all at once, so that none is given twice
        return [_free(held) for _ in range(count)]


def _free(held: contextlib.ExitStack) -> int:
    """Hold and return a free port that the system gives to nobody by itself.

    A port that the system gave us may be an outgoing connection's by the time that its service starts.
    """
    for _ in range(_ATTEMPTS):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST + 1)
        try:
            held.enter_context(_listener(port))
        except OSError:
            continue
        return port
    raise InputError(f"no free port was found between {_FIRST} and {_LAST}: name one")


def require_free_ports(ports: Sequence[int]) -> None:
    """Raise InputError with every port at which somebody listens."""
    problems = []
    for port in ports:
        try:
            _listener(port).close()
        except OSError:
            problems.append(f"port {port} of 127.0.0.1 is taken: stop what listens there, or choose other ports")
    if problems:
        raise InputError(problems)


def _listener(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        # As servers do: a connection that was closed a minute ago does not keep a port.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except OSError:
        listener.close()
        raise
    return listener
