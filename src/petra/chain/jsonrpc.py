"""JSON-RPC over HTTP, with one connection that is kept open, batches of requests, and patience.

Decides: how requests travel, and which trouble is worth another try. It does not know what they mean: whoever calls
says by `call_once` that a request must not be made twice.
Invariant: an answer is either the node's result, or its failure as a value, or a ChainError that names the node.
"""

import http.client
import itertools
import json
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

from petra.chain.errors import NodeUnavailable
from petra.errors import ChainError, InputError

T = TypeVar("T")
Request = tuple[str, Sequence[Any]]
METHOD_NOT_FOUND = -32601
_OK = 200
_BUSY = {429, 500, 502, 503, 504}
_FIRST_PAUSE_SECONDS = 0.02
_LONGEST_PAUSE_SECONDS = 1.0
_BODY_BYTES = 1 << 20  # of a batch; anvil takes 2 MiB, geth 5 MiB


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A node's own "no" to one request; `data` is what it adds to its words, mostly nothing."""

    code: int
    message: str
    data: object = None


class JsonRpc:
    """A connection to one node; made at the first request, and again where it broke."""

    def __init__(self, url: str, *, timeout_seconds: float = 60, patience_seconds: float = 0) -> None:
        """Take http(s)://host[:port][/path]; InputError where it is none.

        Args:
            url: where the node is.
            timeout_seconds: how long one attempt may wait for bytes.
            patience_seconds: how long after the first attempt another one may begin.
        """
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
        self._patience_seconds = patience_seconds
        self._ids = itertools.count(1)

    def call(self, method: str, *parameters: Any) -> Any:
        """Return the result of one request that may be made twice; ChainError where the node fails it."""
        return self._result(method, self.try_call(method, *parameters))

    def call_once(self, method: str, *parameters: Any) -> Any:
        """Return the result of one request that must not be made twice; NodeUnavailable where its fate is unknown."""
        self._connection.close()  # on a fresh connection nothing can have been closed by the node in the meantime
        body = self._request(method, parameters)
        return self._result(method, self._attempt(_encoded(body), partial(self._answer, body["id"])))

    def try_call(self, method: str, *parameters: Any) -> Any:
        """Return the result of one request or the node's Failure."""
        body = self._request(method, parameters)
        return self._patiently(_encoded(body), partial(self._answer, body["id"]))

    def batch(self, requests: Sequence[Request], *, size: int = 250) -> list[Any]:
        """Return for each request its result or the node's Failure, in order; `size` requests travel at a time.

        Fewer travel where they are long: nodes refuse bodies of some megabytes. The node may work on the requests of a
        batch in any order.
        """
        answers: list[Any] = []
        waiting = deque(self._request(*request) for request in requests)
        while waiting:
            ids, texts, length = list[int](), list[bytes](), 0
            while waiting and len(ids) < size:
                text = _encoded(waiting[0])
                length += len(text)
                if ids and length > _BODY_BYTES:
                    break
                ids.append(waiting.popleft()["id"])
                texts.append(text)
            answers += self._patiently(b"[" + b",".join(texts) + b"]", partial(self._answers, ids))
        return answers

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _request(self, method: str, parameters: Sequence[Any]) -> dict[str, Any]:
        return {"jsonrpc": "2.0", "id": next(self._ids), "method": method, "params": list(parameters)}

    def _result(self, method: str, answer: Any) -> Any:
        if isinstance(answer, Failure):
            raise ChainError(f"the node at {self.url} failed {method}: {answer.message}")
        return answer

    def _patiently(self, body: bytes, read: Callable[[Any], T]) -> T:
        """Try until something usable comes back or patience ends, with longer and longer pauses."""
        last_start = time.monotonic() + self._patience_seconds
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                return self._attempt(body, read)
            except NodeUnavailable as trouble:
                wait = max(pause, trouble.pause_seconds)
                if time.monotonic() + wait > last_start:
                    raise
                time.sleep(wait)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _attempt(self, body: bytes, read: Callable[[Any], T]) -> T:
        try:
            text = self._exchange(body)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            said = str(error) or type(error).__name__
            raise NodeUnavailable(f"no node answers at {self.url} ({said}): start it, or name another one") from error
        try:
            return read(json.loads(text))
        except (ValueError, RecursionError) as error:
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
        response = self._connection.getresponse()
        text = response.read()
        if response.status in _BUSY:
            trouble = NodeUnavailable(f"the node at {self.url} is busy: HTTP {response.status} {response.reason}")
            asked = response.getheader("Retry-After", "")
            trouble.pause_seconds = int(asked) if asked.isdecimal() else 0
            raise trouble
        if response.status != _OK:
            raise ChainError(f"the node at {self.url} refuses us: HTTP {response.status} {response.reason}")
        return text

    def _answers(self, ids: Sequence[int], replies: Any) -> list[Any]:
        if not isinstance(replies, list):
            raise self._nonsense(replies)
        by_id = {reply.get("id"): reply for reply in replies if isinstance(reply, dict)}
        return [self._answer(request_id, by_id.get(request_id)) for request_id in ids]

    def _answer(self, request_id: int, reply: Any) -> Any:
        if not isinstance(reply, dict) or not ("result" in reply or "error" in reply):
            raise self._nonsense(reply)
        if reply.get("id") != request_id:
            raise self._nonsense(f"an answer to request {reply.get('id')} instead of {request_id}")
        error = reply.get("error")
        if error is None:
            return reply.get("result")
        if not isinstance(error, dict):
            raise self._nonsense(reply)
        return Failure(
            code=error.get("code", 0), message=str(error.get("message", error)), data=error.get("data")
        )

    def _nonsense(self, reply: Any) -> NodeUnavailable:
        return NodeUnavailable(f"what answers at {self.url} is no Ethereum node: {str(reply)[:80]!r}")


def _encoded(body: Any) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()
