"""From a withdrawal request to the transactions that create its assets, or to a refusal with a reason (R56-R62).

Decides: whether a request is authentic and new, then asks the rules. Knows no key and no socket.
Every refusal is a signed answer to its sender, who can show it to an auditor (R80, R85).
Invariants: a message id is answered once and the answer is replayed; a pseudonym is granted to once; money is debited
when the grant is decided, and comes back if its transaction is void.
"""

from random import Random

from petra.domain.blocks import Intent, Outcome
from petra.domain.calls import AddEnergyAsset, AddFinancialBalance
from petra.domain.messages import Body, Envelope, FailedWithdrawal, WithdrawalGranted, WithdrawAssets
from petra.domain.quantities import INT64_MAX, UINT64_MAX
from petra.domain.refusals import GrantReason, Refusal
from petra.domain.terms import NO_ADDRESS
from petra.errors import PetraError
from petra.roles.dso.fine_rules import count_request
from petra.roles.dso.requests import totals_with
from petra.roles.dso.rules import decide
from petra.roles.dso.state import Answered, DsoState, OpenGrant, Request
from petra.roles.effects import Effect, Note, Phase, Resend, Send, Submit, WakeAt
from petra.settlement.books import LEDGER, Entry
from petra.wire.envelope import address_proof_digest, envelope_hash
from petra.wire.secp256k1 import recover

ASSETS_PER_REQUEST_MAX = 32
PATIENCE_SECONDS = 30 * 86_400  # from the request's deadline: how long its answer is worth delivering


def receive(state: DsoState, envelope: Envelope, now: int, rng: Random) -> list[Effect]:
    """Put a withdrawal into the queue and answer it when its time has come; the queue is bounded.

    Only members wait; nobody else can keep them waiting.
    """
    key = (envelope.sender, envelope.message_id)
    if key in state.queue:
        return []
    if envelope.sender not in state.members:
        return answer(state, envelope, now, rng)
    if _is_busy(state, envelope) and envelope.message_id not in state.answers:
        return _refuse(state, envelope, Refusal(reason=GrantReason.BUSY), rng)
    due = now + rng.randint(0, state.policy.delay_seconds_max)
    state.queue[key] = (due, envelope)
    state.asked[envelope_hash(envelope.raw)] = key
    return [WakeAt(at=due, phase=Phase.SERVE, timestep=0)] if due > now else serve(state, now, rng)


def serve(state: DsoState, now: int, rng: Random) -> list[Effect]:
    """Answer every queued withdrawal whose time has come, in the order of arrival."""
    due = [key for key, (at, _) in state.queue.items() if at <= now]
    envelopes = [state.queue.pop(key)[1] for key in due]
    return [effect for envelope in envelopes for effect in answer(state, envelope, now, rng)]


def answer(state: DsoState, envelope: Envelope, now: int, rng: Random) -> list[Effect]:
    """Grant or refuse a withdrawal, exactly once; a repeated message id gets the answer that it got before."""
    answered = state.answers.get(envelope.message_id)
    if answered is not None and answered.sender == envelope.sender:
        return [Resend(message_id=answered.message_id)]
    if answered is not None:
        return _refuse(state, envelope, Refusal(reason=GrantReason.MALFORMED), rng)  # another one's message id
    checked = _authentic(state, envelope, now)
    decision = decide(state, checked, now) if isinstance(checked, Request) else checked
    if isinstance(checked, Request):
        count_request(state, checked, decision, now)
    if isinstance(decision, Refusal):
        return _refuse(state, envelope, decision, rng)
    granted = reply(state, envelope, WithdrawalGranted(request_id=envelope.message_id), rng)
    return [*_grant(state, decision.request, now), granted, _granted_note(decision.request)]


def confirm(state: DsoState, outcome: Outcome, now: int) -> list[Effect]:
    """Forget a grant's transaction once it is done; undo its debit and its count once it is void."""
    open_grant = state.open_grants.pop(outcome.intent_id, None)
    if open_grant is None or outcome.done:
        return []
    member, asset = open_grant.member, open_grant.asset
    if open_grant.is_money:
        state.books.post(
            Entry(at=now, from_account=LEDGER, to_account=member.address, amount=asset.amount, memo="void withdrawal")
        )
        state.moved(member.address, withdrawn=-asset.amount)
    else:
        _count(state, open_grant, -1)
        if state.grid is not None:
            state.grid.give_back(member.address, asset, asset.start)
    return [Note(kind="void-grant", fields={"home": member.name, "intent": outcome.intent_id})]


def _authentic(state: DsoState, envelope: Envelope, now: int) -> Request | Refusal:
    member, body = state.members.get(envelope.sender), envelope.body
    assert isinstance(body, WithdrawAssets), "the agent sends only withdrawals here"
    if member is None:
        return Refusal(reason=GrantReason.NOT_ENROLLED, arguments=(envelope.sender,))
    if member.address in state.revoked:
        return Refusal(reason=GrantReason.REVOKED)
    if now > envelope.deadline:
        return Refusal(reason=GrantReason.EXPIRED, arguments=(envelope.deadline, now))
    addresses = [asset.anon_address for asset in body.assets]
    if not 0 < len(addresses) <= ASSETS_PER_REQUEST_MAX or not all(_well_formed(body, state)):
        return Refusal(reason=GrantReason.MALFORMED)
    if len(set(addresses)) < len(addresses) or any(address in state.pseudonyms for address in addresses):
        return Refusal(reason=GrantReason.ADDRESS_ALREADY_USED)
    for asset in body.assets:
        digest = address_proof_digest(state.signature_domain, envelope.message_id, envelope.sender, asset.anon_address)
        try:
            proven = recover(digest, asset.proof) == asset.anon_address
        except PetraError:
            proven = False
        if not proven:
            return Refusal(reason=GrantReason.ADDRESS_NOT_PROVEN, arguments=(asset.anon_address,))
    return Request(
        message_id=envelope.message_id,
        member=member,
        assets=body.assets,
        deadline=envelope.deadline,
        totals=totals_with(state, member, body.assets),
    )


def _well_formed(body: WithdrawAssets, state: DsoState) -> list[bool]:
    """Say of each asset whether the contract could hold it."""
    longest = state.terms.max_length
    return [
        asset.anon_address not in (NO_ADDRESS, state.address)
        and abs(asset.power) <= INT64_MAX
        and 0 <= asset.amount <= UINT64_MAX
        and (asset.power != 0 or asset.amount > 0)
        and 0 <= asset.start <= asset.end
        and asset.end - asset.start < longest
        for asset in body.assets
    ]


def _refuse(state: DsoState, envelope: Envelope, refusal: Refusal, rng: Random) -> list[Effect]:
    body = envelope.body
    assert isinstance(body, WithdrawAssets)
    first = body.assets[0].anon_address if body.assets else NO_ADDRESS
    failed = FailedWithdrawal(request_id=envelope.message_id, anon_address=first, reason=refusal.reason.value)
    member = state.members.get(envelope.sender)
    fields = {
        "home": member.name if member else envelope.sender,
        "request": envelope.message_id.hex(),
        "reason": refusal.reason.value,
        "detail": str(refusal),
    }
    return [reply(state, envelope, failed, rng), Note(kind="refused", fields=fields)]


def _grant(state: DsoState, request: Request, now: int) -> list[Effect]:
    member = request.member
    effects: list[Effect] = []
    if state.grid is not None:
        state.grid.book(member.address, request.assets)
    for index, asset in enumerate(request.assets):
        state.pseudonyms[asset.anon_address] = member.address
        key = f"grant:{request.message_id.hex()}:{index}"
        if asset.power:
            call = AddEnergyAsset(anon_address=asset.anon_address, power=asset.power, start=asset.start, end=asset.end)
            open_grant = OpenGrant(member=member, asset=asset, is_money=False)
            _count(state, open_grant, 1)
            state.open_grants[f"{key}:energy"] = open_grant
            effects.append(Submit(intent=Intent(intent_id=f"{key}:energy", sender=state.address, call=call)))
        if asset.amount:
            state.books.post(
                Entry(
                    at=now,
                    from_account=member.address,
                    to_account=LEDGER,
                    amount=asset.amount,
                    memo="withdrawal",
                    reference=request.message_id.hex(),
                )
            )
            state.moved(member.address, withdrawn=asset.amount)
            money = AddFinancialBalance(anon_address=asset.anon_address, amount=asset.amount)
            state.open_grants[f"{key}:money"] = OpenGrant(member=member, asset=asset, is_money=True)
            effects.append(Submit(intent=Intent(intent_id=f"{key}:money", sender=state.address, call=money)))
    return effects


def _granted_note(request: Request) -> Note:
    fields = {"home": request.member.name, "request": request.message_id.hex(), "assets": len(request.assets)}
    return Note(kind="granted", fields=fields)


def _is_busy(state: DsoState, envelope: Envelope) -> bool:
    own = sum(sender == envelope.sender for sender, _ in state.queue)
    return len(state.queue) >= state.policy.queue_max or own >= state.policy.queue_max_per_member


def _count(state: DsoState, grant: OpenGrant, sign: int) -> None:
    asset = grant.asset
    for timestep in range(asset.start, asset.end + 1):
        own = state.change(grant.member.address, timestep)
        own.production += sign * max(0, asset.power)
        own.consumption += sign * max(0, -asset.power)


def reply(state: DsoState, request: Envelope, body: Body, rng: Random) -> Send:
    """Make the answer to a request and remember its id, so that a repeated request gets the same bytes again."""
    message_id, request_hash = rng.randbytes(16), envelope_hash(request.raw)
    if request.message_id not in state.answers:
        state.answers[request.message_id] = Answered(
            sender=request.sender, message_id=message_id, deadline=request.deadline, request_hash=request_hash
        )
        state.asked[request_hash] = (request.sender, request.message_id)
    return Send(
        message_id=message_id,
        sender=state.address,
        recipient=request.sender,
        deadline=min(state.terms.timeline.end(state.last_timestep), request.deadline + PATIENCE_SECONDS),
        body=body,
    )
