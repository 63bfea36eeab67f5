"""Protests against denial by silence: who was not answered puts the hash of its request on the ledger (R85, DESIGN 5).

Decides: that a protested request is answered at once, and that the ledger names the answer. Anybody may protest
anything: a hash that names no request of ours is remembered, in case the request is still on its way.
Invariant: each request's answer is put on the ledger once.
"""

from collections.abc import Iterator
from dataclasses import replace
from random import Random

from petra.domain.blocks import LedgerRecord
from petra.domain.events import Protested
from petra.domain.messages import Envelope
from petra.roles.dso.grants import answer
from petra.roles.dso.state import DsoState
from petra.roles.effects import Effect, Note, Resend, SubmitProtest
from petra.wire.envelope import envelope_hash

UNKNOWN_MAX = 4_096  # hashes without a request that are remembered


def protested(state: DsoState, record: LedgerRecord, now: int, rng: Random) -> list[Effect]:
    """Answer the protests of one transaction."""
    digests = (event.digest for event in record.events if isinstance(event, Protested))
    return [effect for digest in digests for effect in _answered(state, digest, now, rng)]


def protested_before(state: DsoState, request: Envelope, now: int, rng: Random) -> list[Effect]:
    """Answer the protest against the silence on a request, if it was on the ledger before the request came."""
    if not state.protests or (digest := envelope_hash(request.raw)) not in state.protests:
        return []
    return list(_answered(state, digest, now, rng))


def _answered(state: DsoState, digest: bytes, now: int, rng: Random) -> Iterator[Effect]:
    sender_and_id = state.asked.get(digest)
    if sender_and_id is None:
        state.protests[digest] = None
        if len(state.protests) > UNKNOWN_MAX:
            del state.protests[next(iter(state.protests))]
        return
    state.protests.pop(digest, None)
    queued = state.queue.pop(sender_and_id, None)
    if queued is not None:
        yield from answer(state, queued[1], now, rng)
    answered = state.answers.get(sender_and_id[1])
    if answered is None or answered.request_hash != digest or answered.protested:
        return
    state.answers[sender_and_id[1]] = replace(answered, protested=True)
    if queued is None:
        yield Resend(message_id=answered.message_id)
    yield SubmitProtest(intent_id=f"protest:{digest.hex()}", sender=state.address, message_id=answered.message_id)
    member = state.members.get(answered.sender)
    fields = {"home": member.name if member else answered.sender, "request": sender_and_id[1].hex()}
    yield Note(kind="protest-answered", fields=fields)
