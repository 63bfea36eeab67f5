"""JSON-RPC over HTTP, with one connection that is kept open and batches of requests.

Decides: how requests travel. It does not know what they mean.
Invariant: an answer is either the node's result, or its failure as a value, or a ChainError that names the node.
"""

import http.client
import itertools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from petra.errors import ChainError, InputError

Request = tuple[str, Sequence[Any]]
METHOD_NOT_FOUND = -32601


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A node's own "no" to one request."""

    code: int
    message: str


class JsonRpc:
    """A connection to one node; made at the first request, and again where the node closed it while it was idle."""

    def __init__(self, url: str, *, timeout_seconds: float = 60) -> None:
        """Take http(s)://host[:port][/path]; InputError where it is none."""
        parts = urlsplit(url)
        try:
            port = parts.port
        except ValueError:
            port = None
        if parts.scheme not in {"http", "https"} or not parts.hostname or (port is None and ":" in parts.netloc):
            raise InputError(f"{url!r} is no address of a node: write it as http://127.0.0.1:8545")
        self.url = url
        kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = kind(parts.hostname, port, timeout=timeout_seconds)
        self._path = parts.path or "/"
        self._ids = itertools.count(1)

    def call(self, method: str, *parameters: Any) -> Any:
        """Return the result of one request; ChainError where the node fails it."""
        answer = self.try_call(method, *parameters)
        if isinstance(answer, Failure):
            raise ChainError(f"the node at {self.url} failed {method}: {answer.message}")
        return answer

    def try_call(self, method: str, *parameters: Any) -> Any:
        """Return the result of one request or the node's Failure."""
        return self._answer(self._post(self._request(method, parameters)))

    def batch(self, requests: Sequence[Request], *, size: int = 100) -> list[Any]:
        """Return for each request its result or the node's Failure, in order; `size` requests travel at a time.

        The node may work on the requests of a batch in any order.
        """
        answers: list[Any] = []
        for begin in range(0, len(requests), size):
            bodies = [self._request(*request) for request in requests[begin : begin + size]]
            replies = self._post(bodies)
            if not isinstance(replies, list):
                raise self._nonsense(replies)
            by_id = {reply.get("id"): reply for reply in replies if isinstance(reply, dict)}
            answers += [self._answer(by_id.get(body["id"])) for body in bodies]
        return answers

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _request(self, method: str, parameters: Sequence[Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(parameters)}

    def _post(self, body: Any) -> Any:
        payload = json.dumps(body, separators=(",", ":")).encode()
        try:
            text = self._exchange(payload)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            problem = str(error) or type(error).__name__
            raise ChainError(f"no node answers at {self.url} ({problem}): start it, or name another one") from error
        try:
            return json.loads(text)
        except ValueError as error:
            raise self._nonsense(text[:80]) from error

    def _exchange(self, payload: bytes) -> bytes:
        reused = self._connection.sock is not None
        try:
            return self._exchange_once(payload)
        except (ConnectionError, http.client.BadStatusLine):
            # A node may close an idle connection just when we use it again; a fresh one that fails has no such excuse.
            self._connection.close()
            if not reused:
                raise
            return self._exchange_once(payload)

    def _exchange_once(self, payload: bytes) -> bytes:
        self._connection.request("POST", self._path, payload, {"Content-Type": "application/json"})
        return self._connection.getresponse().read()

    def _answer(self, reply: Any) -> Any:
        if not isinstance(reply, dict) or not ("result" in reply or "error" in reply):
            raise self._nonsense(reply)
        error = reply.get("error")
        if error is None:
            return reply.get("result")
        if not isinstance(error, dict):
            raise self._nonsense(reply)
        return Failure(code=error.get("code", 0), message=str(error.get("message", error)))

    def _nonsense(self, reply: Any) -> ChainError:
        return ChainError(f"what answers at {self.url} is no Ethereum node: {str(reply)[:80]!r}")
