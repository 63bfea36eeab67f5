"""The DSO's HTTPS gateway as a `Link`: a mailbox for each account, and the checks of the other links (DESIGN 5).

Decides: who may bring and fetch what. A web server runs in a thread of its own and asks; everything else happens in
the service's thread, in `receive`. It stores nothing: what waits in a mailbox stands in the DSO's database.
Invariants: 202 is said after the commit; mail is handed only to whoever signs for its account, and stays until that one
says that it is stored; mailboxes are bounded, and those of accounts that stay away are given up.
"""

import base64
import threading
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, field
from typing import Final

from petra.domain.messages import Kind
from petra.domain.terms import Address
from petra.fabric.directory import Directory
from petra.fabric.frames import Refused, Stored
from petra.fabric.gateway_app import gateway_app, refusal
from petra.fabric.gateway_jobs import Answer, Deliver, Fetch, Job, Jobs, Prices, Settle
from petra.fabric.gateway_thread import GatewayThread, Tls
from petra.fabric.intake import Intake
from petra.fabric.limits import Limits, RateLimit
from petra.fabric.mailbox_proof import proven_account
from petra.fabric.outcomes import Outcomes
from petra.fabric.refusals import LinkReason
from petra.ports import Arrival
from petra.wire.envelope import envelope_hash

_AWAY_SECONDS: Final = 120.0
_GUESTS_MAX: Final = 1_000
_FETCHED_MAX: Final = 100
_FETCHED_BYTES_MAX: Final = 8 * 1024 * 1024
_MAILBOX_BYTES_MAX: Final = 32 * 1024 * 1024


@dataclass(slots=True)
class _Mailbox:
    """The mail of one account, and the request that waits for it."""

    seen: float
    mail: dict[bytes, bytes] = field(default_factory=dict)
    length: int = 0
    waiting: Job | None = None


class GatewayServer:
    """A `Link` to everybody who asks over HTTPS."""

    def __init__(
        self,
        address: tuple[str, int],
        directory: Directory,
        intake: Intake,
        *,
        tls: Tls | None,
        guests_say: Set[Kind] = frozenset(),
        limits: Limits | None = None,
    ) -> None:
        """Serve.

        Args:
            address: host and port; port 0 takes a free one, `port` tells which.
            directory: who may speak.
            intake: what may be said.
            tls: certificate and key; None = plain HTTP, for a proxy or an onion service in front.
            guests_say: what accounts may say that are not enrolled.
            limits: queues and rates.

        Raises:
            InputError: the port is taken, or the certificate or its key cannot be used.
        """
        limits = limits or Limits()
        self._directory = directory
        self._intake = intake
        self._guests_say = guests_say
        self._queue_max = limits.queue_max
        self._rate = RateLimit(limits.messages_per_second, limits.burst)
        per_minute = limits.enrolments_per_minute
        self._guest_rate = RateLimit(per_minute / 60, int(per_minute))  # what they say is stored, whoever they are
        self._mailboxes: OrderedDict[Address, _Mailbox] = OrderedDict()
        self._guests: OrderedDict[Address, None] = OrderedDict()
        self._prices: bytes | None = None
        self._outcomes = Outcomes()
        self._returned: list[Address] = []
        self._bell = threading.Event()
        self.on_arrival: Callable[[], None] = lambda: None  # called, from any thread, when `receive` has work
        self.refusals: Counter[str] = Counter()  # what was refused, by reason
        self._jobs = Jobs(limits.queue_max, self.wake)
        self._thread = GatewayThread(gateway_app(self._jobs, intake.bytes_max), address, tls)

    @property
    def port(self) -> int:
        """Where the gateway listens."""
        return self._thread.port

    def publish(self, topic: bytes, raw: bytes) -> None:
        """Show a signed price schedule to everybody."""
        self._prices = raw

    # ---- the port

    def wait(self, seconds: float) -> None:
        """Return when something has arrived, when `wake` was called, or after so many seconds."""
        self._bell.wait(seconds)
        self._bell.clear()

    def wake(self) -> None:
        """End a `wait`; from any thread."""
        self._bell.set()
        self.on_arrival()

    def receive(self, limit: int) -> list[Arrival]:
        """Return what arrived for us, verified and from accounts that may speak; others were refused by name."""
        arrivals: list[Arrival] = []
        for _ in range(4 * limit):
            job = self._jobs.take() if len(arrivals) < limit else None
            if job is None:
                break
            arrival = self._took(job)
            if arrival is not None:
                arrivals.append(arrival)
        if self._jobs or self._outcomes.any or self._returned:
            self.wake()
        return arrivals

    def acknowledge(self, arrivals: Sequence[Arrival]) -> None:
        """Tell the senders that these messages are stored here."""
        for arrival in arrivals:
            self._answer(arrival, Answer(status=202, fields={"hash": envelope_hash(arrival.envelope.raw).hex()}))

    def busy(self, arrivals: Sequence[Arrival], retry_ms: int) -> None:
        """Tell the senders that these messages were not taken, and when to try again."""
        for arrival in arrivals:
            self.refusals[LinkReason.BUSY] += 1
            digest = envelope_hash(arrival.envelope.raw).hex()
            fields = {"reason": LinkReason.BUSY, "hash": digest}
            self._answer(arrival, Answer(status=503, fields=fields, retry_ms=retry_ms))

    def refuse(self, arrival: Arrival, reason: str) -> None:
        """Tell the sender that this message will never be taken, and why."""
        self.refusals[reason] += 1
        self._answer(arrival, refusal(LinkReason(reason), envelope_hash(arrival.envelope.raw)))

    def send(self, recipient: Address, raw: bytes) -> bool:
        """Put a message into its recipient's mailbox; False if nobody fetches from it, or it is full."""
        box = self._mailboxes.get(recipient)
        if box is not None and (self._away(box) or not self._may_fetch(recipient)):
            del self._mailboxes[recipient]
            box = None
        if box is None:
            return False
        digest = envelope_hash(raw)
        if digest not in box.mail:
            if len(box.mail) >= self._queue_max or box.length + len(raw) > _MAILBOX_BYTES_MAX:
                return False
            box.mail[digest] = raw
            box.length += len(raw)
        self._outcomes.sent(digest, recipient)
        if box.waiting is not None:
            box.waiting.answer(_mail(box))
            box.waiting = None
        return True

    def delivered(self) -> list[bytes]:
        """Return the hashes of envelopes that their recipients have stored, since the last call."""
        return self._outcomes.delivered()

    def refused(self) -> list[tuple[bytes, str]]:
        """Return hash and reason of envelopes that their recipients refused, since the last call."""
        return self._outcomes.refused()

    def returned(self) -> list[Address]:
        """Return the accounts that have begun to fetch since the last call."""
        taken, self._returned = self._returned, []
        return taken

    def trouble(self) -> str | None:
        """Return None: others come to us."""
        return None

    def close(self) -> None:
        """Stop the web server; who waits for mail is told that there is none."""
        self._jobs.close()
        for box in self._mailboxes.values():
            if box.waiting is not None:
                box.waiting.answer(Answer(status=200, fields={"envelopes": []}))
        self._thread.close()

    # ---- jobs

    def _took(self, job: Job) -> Arrival | None:
        match job.question:
            case Deliver(raw=raw, place=place):
                return self._deliver(job, raw, place)
            case Fetch(proof=proof, waits=waits):
                self._fetch(job, proof, waits)
            case Settle(proof=proof, hash=digest, refusal=word):
                self._settle(job, proof, Stored(digest) if word is None else Refused(digest, word))
            case Prices() if self._prices is None:
                job.answer(Answer(status=404, fields={"reason": "not-published"}))
            case Prices():
                job.answer(Answer(status=200, fields={"envelope": _text(self._prices or b"")}))
        return None

    def _deliver(self, job: Job, raw: bytes, place: str) -> Arrival | None:
        allowed = self._rate.allows(place.encode(), time.monotonic())
        opened = self._intake.open(raw, None) if allowed else LinkReason.RATE
        if not isinstance(opened, LinkReason) and opened.kind in self._guests_say:
            if not self._guest_rate.allows(place.encode(), time.monotonic()):
                opened = LinkReason.RATE
            elif not self._directory.known(opened.sender):
                self._welcome(opened.sender)
        elif not isinstance(opened, LinkReason) and not self._directory.known(opened.sender):
            opened = LinkReason.UNKNOWN
        if isinstance(opened, LinkReason):
            self.refusals[opened] += 1
            job.answer(refusal(opened, envelope_hash(raw)))
            return None
        return Arrival(envelope=opened, origin=job)

    def _welcome(self, account: Address) -> None:
        """Let a newcomer fetch its answer; the oldest one leaves with its mailbox where there are too many."""
        self._guests[account] = None
        if len(self._guests) > _GUESTS_MAX:
            gone, _ = self._guests.popitem(last=False)
            if not self._directory.known(gone):
                self._mailboxes.pop(gone, None)

    def _fetch(self, job: Job, proof: str, waits: bool) -> None:
        account = self._proven(job, proof)
        if account is None:
            return
        box = self._mailboxes.get(account)
        now = self._intake.clock()
        if box is None or self._away(box):
            box = self._mailboxes[account] = _Mailbox(now)
            self._returned.append(account)
        box.seen = now
        if box.waiting is not None:
            box.waiting.answer(Answer(status=200, fields={"envelopes": []}))
        box.waiting = job if waits and not box.mail else None
        if box.waiting is None:
            job.answer(_mail(box))

    def _settle(self, job: Job, proof: str, answer: Stored | Refused) -> None:
        account = self._proven(job, proof)
        if account is None:
            return
        box = self._mailboxes.get(account)
        if box is not None:
            box.length -= len(box.mail.pop(answer.hash, b""))
        self._outcomes.answered(answer, lambda: {account})
        job.answer(Answer(status=204))

    def _proven(self, job: Job, proof: str) -> Address | None:
        account: Address | LinkReason = proven_account(proof, self._intake.clock(), self._intake.domain)
        if not isinstance(account, LinkReason) and not self._may_fetch(account):
            account = LinkReason.UNKNOWN
        if isinstance(account, LinkReason):
            self.refusals[account] += 1
            # Whatever is wrong with a proof, the request is not authorised.
            job.answer(Answer(status=401, fields={"reason": account}))
            return None
        return account

    def _may_fetch(self, account: Address) -> bool:
        return account in self._guests or self._directory.known(account)

    def _away(self, box: _Mailbox) -> bool:
        return abs(self._intake.clock() - box.seen) > _AWAY_SECONDS

    def _answer(self, arrival: Arrival, answer: Answer) -> None:
        assert isinstance(arrival.origin, Job), "an arrival of this link"
        arrival.origin.answer(answer)


def _mail(box: _Mailbox) -> Answer:
    """Return as much of the mail as one answer holds, at least one envelope."""
    envelopes: list[str] = []
    length = 0
    for raw in box.mail.values():
        if envelopes and (len(envelopes) >= _FETCHED_MAX or length + len(raw) > _FETCHED_BYTES_MAX):
            break
        envelopes.append(_text(raw))
        length += len(raw)
    return Answer(status=200, fields={"envelopes": envelopes})


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
