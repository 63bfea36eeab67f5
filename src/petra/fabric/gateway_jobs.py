"""What passes between the gateway's web server and the thread of its service: questions, and their answers.

Decides: nothing. The web server's thread asks and waits; the service's thread takes the jobs in its own time, so that
directory, mailboxes and roles are touched by one thread only. Invariant: a job is answered at most once; an answer
that comes too late is dropped.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from petra.fabric.refusals import LinkReason


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the web server says: an HTTP status and a JSON object."""

    status: int
    fields: Mapping[str, object] = field(default_factory=dict)
    retry_ms: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Deliver:
    """Somebody brought an envelope."""

    raw: bytes
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetch:
    """Somebody wants the mail of an account, and may wait for it."""

    proof: str
    waits: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """Somebody has stored, or refuses, an envelope from its mailbox."""

    proof: str
    hash: bytes
    refusal: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prices:
    """Somebody wants the price schedule."""


Question = Deliver | Fetch | Settle | Prices


@dataclass(frozen=True, slots=True, eq=False)
class Job:
    """A question and where its answer goes."""

    question: Question
    answered: "asyncio.Future[Answer]"

    def answer(self, answer: Answer) -> None:
        """Answer from the service's thread."""
        with contextlib.suppress(RuntimeError):  # the web server has gone
            self.answered.get_loop().call_soon_threadsafe(self._set, answer)

    def _set(self, answer: Answer) -> None:
        if not self.answered.done():
            self.answered.set_result(answer)


NOT_NOW: Final = Answer(status=503, fields={"reason": LinkReason.BUSY}, retry_ms=1_000)


class Jobs:
    """The queue between the two threads; bounded."""

    def __init__(self, jobs_max: int, ring: Callable[[], None]) -> None:
        """Start empty; `ring` wakes the service."""
        self._jobs_max = jobs_max
        self._ring = ring
        self._jobs: deque[Job] = deque()
        self._closed = False

    async def ask(self, question: Question, seconds: float, late: Answer) -> Answer:
        """Return the service's answer; `late` where it takes longer, 503 where too many wait."""
        if self._closed or len(self._jobs) >= self._jobs_max:
            return NOT_NOW
        job = Job(question, asyncio.get_running_loop().create_future())
        self._jobs.append(job)
        self._ring()
        try:
            return await asyncio.wait_for(job.answered, seconds)
        except TimeoutError:
            return late

    def take(self) -> Job | None:
        """Return the oldest job, None if there is none."""
        return self._jobs.popleft() if self._jobs else None

    def close(self) -> None:
        """Put off everybody who asks or has asked."""
        self._closed = True
        while (job := self.take()) is not None:
            job.answer(NOT_NOW)

    def __len__(self) -> int:
        """Return how many jobs wait."""
        return len(self._jobs)
