"""A proxy between client and node that does what networks and nodes do to us, on command or by a seed.

A fault is a function of one HTTP exchange. It may forward the requests to the node, all or some, once or twice, and say
what the client gets: answers, a status, bytes that mean nothing, half of the bytes, or a closed connection.
"""

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from petra.wire.transaction import transaction_hash

Messages = list[dict[str, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the client gets; `share` < 1 sends only the beginning of the body and closes, 0 not even a header."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    share: float = 1


@dataclass(slots=True, kw_only=True)
class Exchange:
    """One HTTP request of the client, and the way to the node."""

    requests: Messages
    is_batch: bool
    to_node: Callable[[bytes], bytes]

    def forward(self, requests: Messages | None = None) -> Messages:
        """Let the node answer all requests, or these."""
        asked = self.requests if requests is None else requests
        replies: Messages = json.loads(self.to_node(json.dumps(asked).encode())) if asked else []
        return replies

    def answer(self, replies: Messages, *, share: float = 1) -> Answer:
        """Return replies in the form in which the client asked."""
        return Answer(body=json.dumps(replies if self.is_batch else replies[0]).encode(), share=share)


Fault = Callable[[Exchange], Answer]
CLOSED = Answer(share=0)


@dataclass(slots=True, kw_only=True)
class Rule:
    """Meets `times` exchanges that name the method ("" = any) with a fault, after letting `after` of them pass."""

    fault: Fault
    method: str = ""
    after: int = 0
    times: int = 1

    def takes(self, exchange: Exchange) -> bool:
        """Say whether this exchange is met, and count it."""
        if self.times == 0 or not any(self.method in request["method"] for request in exchange.requests):
            return False
        if self.after:
            self.after -= 1
            return False
        self.times -= 1
        return True


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that are killed leave broken connections behind."""


@dataclass(slots=True)
class FaultProxy:
    """Listens at `url`, forwards to the node at `target`, and follows its rules; use it as a context manager."""

    target: str
    rules: list[Rule] = field(default_factory=list)
    chaos: tuple[Random, float, Sequence[Fault]] | None = None  # chance, share of exchanges, which faults
    _server: _Server = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def url(self) -> str:
        """Where the client finds its node."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def plant(self, fault: Fault, method: str = "", *, after: int = 0, times: int = 1) -> None:
        """Meet coming exchanges with a fault."""
        self.rules.append(Rule(fault=fault, method=method, after=after, times=times))

    def __enter__(self) -> Self:
        """Start to listen."""
        self._server = _Server(("127.0.0.1", 0), _handler_of(self))
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop."""
        self._server.shutdown()
        self._server.server_close()

    def meet(self, exchange: Exchange) -> Answer:
        """Answer one exchange by the first rule that takes it, by chance, or as the node does."""
        with self._lock:
            rule = next((rule for rule in self.rules if rule.takes(exchange)), None)
            fault = rule.fault if rule else self._drawn()
        return fault(exchange) if fault else exchange.answer(exchange.forward())

    def _drawn(self) -> Fault | None:
        if self.chaos is None:
            return None
        rng, share, faults = self.chaos
        return rng.choice(faults) if rng.random() < share else None


def _handler_of(proxy: FaultProxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # header and body in one packet: the second would wait for the first one's receipt

        def do_POST(self) -> None:
            """Meet one exchange."""
            try:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            except ValueError:  # the client was killed in the middle of its request
                self.close_connection = True
                return
            is_batch = isinstance(asked, list)
            exchange = Exchange(
                requests=asked if is_batch else [asked], is_batch=is_batch, to_node=_way_to(proxy.target)
            )
            try:
                answer = proxy.meet(exchange)
            except (OSError, http.client.HTTPException):
                answer = CLOSED  # the node is not there
            with contextlib.suppress(OSError):  # the client has lost its patience
                self._give(answer)

        def _give(self, answer: Answer) -> None:
            if answer.share < 1:
                self.close_connection = True
            if not answer.share:
                return
            self.send_response(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: int(len(answer.body) * answer.share)])

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


def _way_to(target: str) -> Callable[[bytes], bytes]:
    def ask(body: bytes) -> bytes:
        connection = http.client.HTTPConnection(urlsplit(target).netloc, timeout=20)
        try:
            connection.request("POST", "/", body, {"Content-Type": "application/json"})
            return connection.getresponse().read()
        finally:
            connection.close()

    return ask


# ------------------------------------------------------------------------------------------------ faults of the network


def drop(exchange: Exchange) -> Answer:
    """Lose the request: the node never sees it."""
    return CLOSED


def lose_answer(exchange: Exchange) -> Answer:
    """Let the node carry it out, and lose the answer: commit unknown."""
    exchange.forward()
    return CLOSED


def reset_in_the_middle(exchange: Exchange) -> Answer:
    """Let the node carry out the first half of a batch, and cut the connection."""
    exchange.forward(exchange.requests[: len(exchange.requests) // 2])
    return CLOSED


def duplicate(exchange: Exchange) -> Answer:
    """Deliver the request twice; the client gets the second answer."""
    exchange.forward()
    return exchange.answer(exchange.forward())


def truncate(exchange: Exchange) -> Answer:
    """Cut the answer in its middle."""
    return exchange.answer(exchange.forward(), share=0.5)


def delay(seconds: float) -> Fault:
    """Hold the request back."""

    def delayed(exchange: Exchange) -> Answer:
        time.sleep(seconds)  # noqa: TID251 this is the fault
        return exchange.answer(exchange.forward())

    return delayed


def deliver_late(seconds: float) -> Fault:
    """Close the connection, and bring the request to the node some time after: the next attempt overtakes it."""

    def late(exchange: Exchange) -> Answer:
        timer = threading.Timer(seconds, exchange.forward)
        timer.daemon = True
        timer.start()
        return CLOSED

    return late


# --------------------------------------------------------------------------------------------------- faults of the node


def garbage(exchange: Exchange) -> Answer:
    """Carry it out, and answer noise."""
    exchange.forward()
    return Answer(body=b"\x00\xff<html>502")


def status(code: int, *, done: bool = False, retry_after: str = "") -> Fault:
    """Answer an HTTP status; `done`: after carrying it out."""

    def refused(exchange: Exchange) -> Answer:
        if done:
            exchange.forward()
        headers = (("Retry-After", retry_after),) if retry_after else ()
        return Answer(status=code, body=b"busy", headers=headers)

    return refused


def wrong_ids(exchange: Exchange) -> Answer:
    """Answer as if to other requests."""
    return exchange.answer([reply | {"id": 10**9} for reply in exchange.forward()])


def reverse(exchange: Exchange) -> Answer:
    """Answer a batch in the opposite order, which is allowed."""
    return exchange.answer(exchange.forward()[::-1])


def forget_one(exchange: Exchange) -> Answer:
    """Leave the last answer of a batch out."""
    replies = exchange.forward()
    return exchange.answer(replies[:-1]) if exchange.is_batch else Answer(body=b"{}")


def one_error_for_all(exchange: Exchange) -> Answer:
    """Answer a batch with a single error object, as nodes do that limit rates."""
    return Answer(body=b'{"jsonrpc":"2.0","id":null,"error":{"code":-32005,"message":"limit exceeded"}}')


def fail(words: str, *, done: bool = False) -> Fault:
    """Answer each request with a JSON-RPC error; `done`: after carrying it out."""

    def failed(exchange: Exchange) -> Answer:
        if done:
            exchange.forward()
        reply = {"jsonrpc": "2.0", "error": {"code": -32000, "message": words}}
        return exchange.answer([reply | {"id": request["id"]} for request in exchange.requests])

    return failed


def change(edit: Callable[[dict[str, Any], Any], Any]) -> Fault:
    """Carry it out, and replace each result by `edit(request, result)`."""

    def changed(exchange: Exchange) -> Answer:
        by_id = {request["id"]: request for request in exchange.requests}
        replies = exchange.forward()
        for reply in replies:
            if "result" in reply:
                reply["result"] = edit(by_id[reply["id"]], reply["result"])
        return exchange.answer(replies)

    return changed


def swallow(exchange: Exchange) -> Answer:
    """Answer a send with the right hash, and forget the transaction."""
    def reply(request: dict[str, Any]) -> dict[str, Any]:
        digest = transaction_hash(bytes.fromhex(request["params"][0][2:]))
        return {"jsonrpc": "2.0", "id": request["id"], "result": "0x" + digest.hex()}

    return exchange.answer([reply(request) for request in exchange.requests])


def lag(last_block: int) -> Fault:
    """Answer like a node that has got no block after this one."""

    def seen(request: dict[str, Any], result: Any) -> Any:
        match request["method"]:
            case "eth_getTransactionReceipt" | "eth_getBlockByNumber":
                number = result and int(result.get("blockNumber") or result["number"], 16)
                return None if number and number > last_block else result
            case "eth_getLogs":
                return [log for log in result if int(log["blockNumber"], 16) <= last_block]
            case _:
                return result

    def lagging(exchange: Exchange) -> Answer:
        asked = [
            request | {"params": [hex(last_block), False]} if request["params"] == ["latest", False] else request
            for request in exchange.requests
        ]
        return change(seen)(Exchange(requests=asked, is_batch=exchange.is_batch, to_node=exchange.to_node))

    return lagging
