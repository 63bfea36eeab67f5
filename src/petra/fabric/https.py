"""One connection to a web server, kept open: enough of HTTP for the gateway's client, and no more dependencies.

Decides: what a failed exchange is called in plain words. It does not know what is asked.
Invariant: an exchange ends in a `Reply` or in `NoAnswer`, within its time; answers are bounded; certificates are
checked, always.
"""

import contextlib
import http.client
import json
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from petra.errors import InputError, WorldError

_ANSWER_BYTES_MAX: Final = 16 * 1024 * 1024
_CONNECT_SECONDS: Final = 10.0


class NoAnswer(WorldError):
    """The server could not be reached, or spoke no HTTP."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A status and the JSON object of the body, empty where it was none."""

    status: int
    fields: Mapping[str, object]


class Https:
    """A connection; `abandon` may be called from another thread, all else from one."""

    def __init__(self, url: str, authority: Path | None) -> None:
        """Remember where to connect.

        Raises:
            InputError: the address is none, or the authority's certificate cannot be used.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise InputError(f"{url}: not a gateway's address; https://host:port is needed")
        self._url = url
        self._abandoned = False
        self._connection: http.client.HTTPConnection
        if parts.scheme == "http":
            self._connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=_CONNECT_SECONDS)
            return
        try:
            context = ssl.create_default_context(cafile=authority)
        except OSError as error:
            raise InputError(f"{authority}: this certificate cannot be used: {error}") from error
        self._connection = http.client.HTTPSConnection(
            parts.hostname, parts.port, timeout=_CONNECT_SECONDS, context=context
        )

    def ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], *, seconds: float = 40.0
    ) -> Reply:
        """Return the server's reply; connects where there is no connection.

        Raises:
            NoAnswer: with one sentence.
        """
        again = self._connection.sock is not None  # a kept connection may have died meanwhile: try a fresh one once
        try:
            return self._ask(method, path, body, headers, seconds)
        except (http.client.RemoteDisconnected, ConnectionError) as error:
            self._connection.close()
            if not again or self._abandoned or isinstance(error, ConnectionRefusedError):
                raise NoAnswer(f"{self._url} does not answer; trying again") from error
        except ssl.SSLCertVerificationError as error:
            self._connection.close()
            raise NoAnswer(f"{self._url} shows a certificate that we do not trust: {error.verify_message}") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            raise NoAnswer(f"{self._url} does not answer; trying again") from error
        return self.ask(method, path, body, headers, seconds=seconds)

    def abandon(self) -> None:
        """End an exchange that waits; a lost connection is not replaced any more."""
        self._abandoned = True
        held = self._connection.sock
        if held is not None:
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()

    def _ask(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str], seconds: float
    ) -> Reply:
        if self._connection.sock is None:
            self._connection.connect()
        self._connection.sock.settimeout(seconds)
        self._connection.request(method, path, body, dict(headers))
        response = self._connection.getresponse()
        text = response.read(_ANSWER_BYTES_MAX + 1)
        if len(text) > _ANSWER_BYTES_MAX:
            raise ValueError("the answer is too long")
        try:
            fields = json.loads(text) if text else {}
        except (ValueError, RecursionError):
            fields = {}
        return Reply(response.status, fields if isinstance(fields, dict) else {})
