"""A web server in a thread of its own: uvicorn with TLS, bound before it starts.

Decides: limits on connections, and how it starts and ends. It does not know what it serves.
Invariants: a port or certificate that cannot be used is found before a thread exists; `close` leaves neither. Whoever
connects and says nothing takes none of the files that the service needs for database, node and links.
"""

import contextlib
import resource
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn
from fastapi import FastAPI

from petra.errors import InputError

_CONNECTIONS_MAX: Final = 2_000
_HEADER_BYTES_MAX: Final = 16 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files in PEM: the certificate with its chain, and its key."""

    certificate: Path
    key: Path


class _Door(socket.socket):
    """A listening socket with so many connections at once; others are hung up on at once.

    uvicorn counts them only after TLS. Without a bound a thousand idle connections took every file of the process, and
    asyncio then logged thousands of failed accepts a second.
    """

    connections_max = _CONNECTIONS_MAX

    def accept(self) -> "tuple[socket.socket, Any]":
        """Return the next connection; BlockingIOError where there is none, or none more is let in."""
        made, place = super().accept()
        self.inside = [one for one in getattr(self, "inside", ()) if one.fileno() >= 0]
        if len(self.inside) >= self.connections_max:
            made.close()
            raise BlockingIOError
        self.inside.append(made)
        return made, place


class GatewayThread:
    """A running web server."""

    def __init__(self, app: FastAPI, address: tuple[str, int], tls: Tls | None) -> None:
        """Bind and serve.

        Raises:
            InputError: the port is taken, or the certificate or its key cannot be used.
        """
        config = uvicorn.Config(
            app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,  # it would say who asks when
            server_header=False,
            limit_concurrency=_CONNECTIONS_MAX,
            h11_max_incomplete_event_size=_HEADER_BYTES_MAX,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
            ssl_certfile=tls.certificate if tls else None,
            ssl_keyfile=tls.key if tls else None,
        )
        try:
            config.load()
        except OSError as error:  # ssl.SSLError is one
            raise InputError(f"the gateway's certificate or key cannot be used: {error}") from error
        self._socket = _bound(address)
        self.port: int = self._socket.getsockname()[1]
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._socket],), name="gateway", daemon=True
        )
        self._thread.start()

    def close(self) -> None:
        """Stop serving; requests under way are given up."""
        self._server.should_exit = True
        self._thread.join(timeout=10)
        with contextlib.suppress(OSError):
            self._socket.close()


def _bound(address: tuple[str, int]) -> socket.socket:
    host, port = address
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        family, *_, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # With the protocol named asyncio turns Nagle's delays off, 40 ms for each answer.
        made = _Door(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    except OSError as error:
        raise InputError(f"{host}:{port}: no such address: {error.strerror}") from error
    try:
        made.connections_max = min(_CONNECTIONS_MAX, files // 2)
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(place)
        made.listen(128)  # only then is a taken port refused
    except OSError as error:
        made.close()
        message = f"{host}:{port}: cannot listen here: {error.strerror}; choose another port or address"
        raise InputError(message) from error
    return made
