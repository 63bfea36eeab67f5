"""Ports of 127.0.0.1 for a network's nodes.

Decides: which ports, and what is said of one that is taken. Invariant: ports that are chosen together differ.
"""

import contextlib
import socket
from collections.abc import Sequence

from petra.errors import InputError


def choose_ports(count: int, first: int | None = None) -> list[int]:
    """Return free ports: a row from `first` on, or any; InputError where one of the row is taken or none."""
    if first is not None:
        if not 1024 <= first <= 65_536 - count:
            raise InputError(f"--first-port {first}: must be 1024 .. {65_536 - count}, for {count} ports in a row")
        ports = list(range(first, first + count))
        require_free_ports(ports)
        return ports
    with contextlib.ExitStack() as held:  # all at once, or the system might give one twice
        return [held.enter_context(_listener(0)).getsockname()[1] for _ in range(count)]


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
