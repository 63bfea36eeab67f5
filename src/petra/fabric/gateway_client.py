"""A home's `Link` over HTTPS, for where ZeroMQ cannot pass: it posts envelopes and fetches its mail (DESIGN 5).

Decides: when to ask again, and what to tell the operator when that fails. Two threads speak with the gateway, one posts
and settles, one waits for mail; messages are opened in the service's thread, in `receive`.
Invariants: only what the server's account signed is handed over, once until it is settled; queues are bounded, and what
does not fit is refused by `send`.
"""

import base64
import binascii
import queue
import threading
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from petra.domain.terms import Address
from petra.fabric.frames import Busy, Refused, Stored
from petra.fabric.gateway_app import OCTETS
from petra.fabric.https import Https, NoAnswer, Reply
from petra.fabric.intake import Intake
from petra.fabric.limits import Limits
from petra.fabric.mailbox_proof import mailbox_proof
from petra.fabric.outcomes import Outcomes
from petra.fabric.refusals import LinkReason
from petra.ports import Arrival
from petra.wire.envelope import envelope_hash

_MAIL_SECONDS: Final = 20.0  # how long the gateway may let us wait for mail
_SETTLING_SECONDS: Final = 0.5  # how long mail that was fetched may wait for us before it is fetched again
_PAUSE_SECONDS: Final = (0.1, 2.0)
_HANDED_MAX: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """Where a gateway is and how we know it.

    Attributes:
        url: such as `https://dso.example:8443`; without TLS only through a proxy or an onion service.
        account: who signs what it says.
        authority: certificate that vouches for it, PEM; None = those of the operating system.
    """

    url: str
    account: Address
    authority: Path | None = None


@dataclass(frozen=True, slots=True)
class _Post:
    raw: bytes


class GatewayClient:
    """A `Link` to one gateway, for one account."""

    def __init__(
        self,
        gateway: Gateway,
        account: Address,
        sign: Callable[[bytes], bytes],
        intake: Intake,
        *,
        limits: Limits | None = None,
    ) -> None:
        """Begin to ask; `trouble` says why it fails.

        Args:
            gateway: whom to ask.
            account: whose mail to fetch.
            sign: the account's signature of a 32-byte digest; called from another thread.
            intake: what may be said to us.
            limits: queues.

        Raises:
            InputError: the address is none, or the authority's certificate cannot be used.
        """
        limits = limits or Limits()
        self._gateway = gateway
        self._account = account
        self._sign = sign
        self._intake = intake
        self._posting = Https(gateway.url, gateway.authority)
        self._fetching = Https(gateway.url, gateway.authority)
        self._outbox: queue.Queue[_Post | Stored | Refused | None] = queue.Queue(limits.queue_max)
        self._inbox: deque[bytes] = deque()
        self._answers: deque[Stored | Busy | Refused] = deque()
        self._handed: set[bytes] = set()  # mail that we have and that is not settled
        self._outcomes = Outcomes()
        self._bell, self._settled, self._stop = threading.Event(), threading.Event(), threading.Event()
        self._connected = False
        self._returned: list[Address] = []
        self._trouble: str | None = None  # with fetching
        self._post_trouble: str | None = None
        self.refusals: Counter[str] = Counter()  # what was refused, by reason
        self._threads = [
            threading.Thread(target=work, name=f"gateway-{work.__name__}", daemon=True)
            for work in (self._post_all, self._fetch_all)
        ]
        for thread in self._threads:
            thread.start()

    def trouble(self) -> str | None:
        """Return one sentence about why the gateway cannot be used; None while it can, or while the first try runs."""
        return self._trouble or self._post_trouble

    # ---- the port

    def wait(self, seconds: float) -> None:
        """Return when something has arrived, when `wake` was called, or after so many seconds."""
        self._bell.wait(seconds)
        self._bell.clear()

    def wake(self) -> None:
        """End a `wait`; from any thread."""
        self._bell.set()

    def receive(self, limit: int) -> list[Arrival]:
        """Return what arrived for us, verified and from the server's account; bad mail was refused by name."""
        arrivals: list[Arrival] = []
        while self._inbox and len(arrivals) < limit:
            raw = self._inbox.popleft()
            opened = self._intake.open(raw, {self._gateway.account})
            if isinstance(opened, LinkReason):
                self.refusals[opened] += 1
                self._settle(Refused(envelope_hash(raw), opened))
            else:
                arrivals.append(Arrival(envelope=opened, origin=self))
        if self._inbox:
            self.wake()
        return arrivals

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """Tell the gateway that these messages are stored here."""
        for arrival in arrivals:
            self._settle(Stored(envelope_hash(arrival.envelope.raw)))

    def busy(self, arrivals: Sequence[Arrival], retry_ms: int) -> None:
        """Leave these messages in the mailbox; they are fetched again."""
        for arrival in arrivals:
            self.refusals[LinkReason.BUSY] += 1
            self._handed.discard(envelope_hash(arrival.envelope.raw))

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """Tell the gateway that this message will never be taken, and why."""
        self.refusals[reason] += 1
        self._settle(Refused(envelope_hash(arrival.envelope.raw), reason))

    def send(self, recipient: Address, raw: bytes) -> bool:
        """Try to send now; False where the gateway does not answer, the queue is full, or it is for somebody else."""
        if recipient != self._gateway.account or not self._connected:
            return False
        try:
            self._outbox.put_nowait(_Post(raw))
        except queue.Full:
            return False
        self._outcomes.sent(envelope_hash(raw), recipient)
        return True

    def delivered(self) -> list[bytes]:
        """Return the hashes of envelopes that the server has stored, since the last call."""
        self._take_answers()
        return self._outcomes.delivered()

    def refused(self) -> list[tuple[bytes, str]]:
        """Return hash and reason of envelopes that the server refused, since the last call."""
        self._take_answers()
        return self._outcomes.refused()

    def returned(self) -> list[Address]:
        """Return the server's account if it has been reached anew since the last call."""
        taken, self._returned = self._returned, []
        return taken

    def close(self) -> None:
        """Stop the threads; what is under way is given up."""
        self._stop.set()
        self._settled.set()
        while True:  # a full queue would keep the end from the thread that posts
            try:
                self._outbox.put_nowait(None)
                break
            except queue.Full:
                self._outbox.get_nowait()
        for connection, thread in zip((self._posting, self._fetching), self._threads, strict=True):
            connection.abandon()
            thread.join(timeout=15)

    # ---- the service's thread

    def _take_answers(self) -> None:
        while self._answers:
            self._outcomes.answered(self._answers.popleft(), lambda: {self._gateway.account})

    def _settle(self, answer: Stored | Refused) -> None:
        try:
            self._outbox.put_nowait(answer)
        except queue.Full:  # it stays in the mailbox and comes again
            self._handed.discard(answer.hash)

    # ---- the thread that posts

    def _post_all(self) -> None:
        while (item := self._outbox.get()) is not None and not self._stop.is_set():
            try:
                if isinstance(item, _Post):
                    self._answered(item, self._posting.ask("POST", "/v1/envelopes", item.raw, {"Content-Type": OCTETS}))
                else:
                    word = f"?refusal={item.word}" if isinstance(item, Refused) else ""
                    path = f"/v1/mailbox/{item.hash.hex()}{word}"
                    self._posting.ask("DELETE", path, None, self._proof())
                self._post_trouble = None
            except NoAnswer as error:
                self._post_trouble = str(error)
            if not isinstance(item, _Post):
                self._handed.discard(item.hash)
                self._settled.set()
        self._posting.close()

    def _answered(self, item: _Post, reply: Reply) -> None:
        digest = envelope_hash(item.raw)
        if reply.status == 202:
            self._answers.append(Stored(digest))
        elif reply.status == 503:
            retry = reply.fields.get("retry_ms")
            self._answers.append(Busy(digest, retry if isinstance(retry, int) else 1_000))
        elif reply.status < 500:
            self._answers.append(Refused(digest, str(reply.fields.get("reason", LinkReason.MALFORMED))))
        self.wake()

    # ---- the thread that fetches

    def _fetch_all(self) -> None:
        pause, wait = _PAUSE_SECONDS[0], 0.0
        while not self._stop.is_set():
            try:
                reply = self._fetching.ask("GET", f"/v1/mailbox?wait={wait}", None, self._proof(), seconds=wait + 10)
                problem = None if reply.status == 200 else self._problem(reply)
            except NoAnswer as error:
                reply, problem = Reply(0, {}), str(error)
            if problem is not None:
                self._connected, self._trouble, wait = False, problem, 0.0
                self._stop.wait(pause)
                pause = min(2 * pause, _PAUSE_SECONDS[1])
                continue
            pause, wait = _PAUSE_SECONDS[0], _MAIL_SECONDS
            self._reached()
            self._mail(reply)
        self._fetching.close()

    def _reached(self) -> None:
        if not self._connected:
            self._connected, self._trouble = True, None
            self._returned.append(self._gateway.account)
            self.wake()

    def _problem(self, reply: Reply) -> str:
        reason = reply.fields.get("reason", f"HTTP {reply.status}")
        if reply.status >= 500:
            return f"{self._gateway.url} does not answer; trying again"
        words: dict[object, str] = {
            LinkReason.UNKNOWN: "does not know our account: it is not enrolled there, or was revoked",
            LinkReason.EXPIRED: "finds our clock behind its own: set the clock",
            LinkReason.FROM_THE_FUTURE: "finds our clock ahead of its own: set the clock",
        }
        return f"{self._gateway.url} {words.get(reason, f'refuses to hand out our mail: {reason}')}"

    def _mail(self, reply: Reply) -> None:
        """Hand over mail that we do not have yet; give the service time to settle it before asking again."""
        envelopes = reply.fields.get("envelopes")
        digests = [self._hand(str(text)) for text in envelopes] if isinstance(envelopes, list) else []
        if digests:
            self.wake()
        self._settled.clear()
        if any(digest in self._handed for digest in digests):
            self._settled.wait(_SETTLING_SECONDS)

    def _hand(self, text: str) -> bytes:
        """Hand over an envelope, unless it was; return its hash."""
        try:
            raw = base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            self.refusals[LinkReason.MALFORMED] += 1
            return b""
        digest = envelope_hash(raw)
        if digest not in self._handed and len(self._handed) < _HANDED_MAX:
            self._handed.add(digest)
            self._inbox.append(raw)
        return digest

    def _proof(self) -> dict[str, str]:
        now = int(self._intake.clock())
        return {"Authorization": mailbox_proof(self._account, now, self._sign, self._intake.domain)}
