"""Who is a member of the microgrid: enrolment by one-time token, and revocation, while the DSO runs (R39, DESIGN 5).

Decides: whether a newcomer is taken in, from which timestep on, and what it is told. Knows a token's hash only, never
the token.
Invariants: a token serves one account; an account, a meter and a key of the fabric belong to one home; a revoked
account is granted nothing more and does not come back, and what it was granted is settled to the end. Where there is a
feeder, everybody's envelope is safe together with all that was granted.
"""

import hashlib
import json
from dataclasses import asdict, replace
from random import Random

from petra.domain.messages import Enrol, Enrolled, Envelope, PriceSchedule
from petra.domain.refusals import EnrolmentReason
from petra.domain.terms import Address
from petra.errors import PetraError
from petra.grid import Envelope as GridEnvelope
from petra.roles.dso.grants import reply
from petra.roles.dso.pricing import tell
from petra.roles.dso.state import DsoState, Invitation, Member
from petra.roles.effects import Effect, EnrolmentOpened, MemberTerms, Note, Resend
from petra.settlement.prices import in_force_from
from petra.wire.envelope import meter_proof_digest
from petra.wire.secp256k1 import recover

NO_KEY = bytes(32)


def open_enrolment(state: DsoState, order: EnrolmentOpened, now: int) -> list[Effect]:
    """Take note of a token that the operator handed out; its home's name must be free."""
    taken = {member.name for member in state.members.values()}
    taken |= {one.terms.name for one in state.tokens.values() if one.used_by is None and now <= one.expires}
    if order.token_hash in state.tokens or order.terms.name in taken:
        fields = {"home": order.terms.name, "problem": "the name or the token is in use"}
        return [Note(kind="enrolment-refused", fields=fields)]
    state.tokens[order.token_hash] = Invitation(terms=order.terms, expires=order.expires)
    return []


def enrol(state: DsoState, envelope: Envelope, now: int, rng: Random) -> list[Effect]:
    """Take a newcomer in, or say why not; tell it its terms and the prices.

    Who asks again with the same token, meter and keys is told the same: its first answer may have been lost.
    """
    answered, body = state.answers.get(envelope.message_id), envelope.body
    assert isinstance(body, Enrol), "the agent sends only enrolments here"
    if answered is not None and answered.sender == envelope.sender:
        return [Resend(message_id=answered.message_id)]
    member = state.members.get(envelope.sender)
    if member is not None and _is_repeated(state, member, body):
        return [_answer(state, envelope, _document(state, member), rng)]
    if state.grid is not None:
        state.grid.expire(state.terms.timeline.current(now))
    if reason := _refusal(state, envelope.sender, body, now):
        fields = {"account": envelope.sender, "problem": reason.value}
        return [_answer(state, envelope, {"refused": reason.value}, rng), Note(kind="enrolment-refused", fields=fields)]
    member = _admit(state, envelope.sender, body, now)
    effects: list[Effect] = [_answer(state, envelope, _document(state, member), rng)]
    for schedule in _schedules(state, member):
        effects += tell(state, member.address, schedule, now, rng)
    return [*effects, _enrolled(member)]


def revoke(state: DsoState, account: Address, now: int) -> list[Effect]:
    """Take a home out: nothing more is granted; its timesteps are settled as far as it was granted anything.

    Its room on the feeder is free when these have passed.
    """
    member = state.members.get(account)
    if member is None or account in state.revoked:
        return [Note(kind="revocation-refused", fields={"account": account})]
    granted = [
        timestep for timestep, own in state.granted.get(account, {}).items() if own.production or own.consumption
    ]
    last = max([state.terms.timeline.current(now), *granted])
    state.revoked[account] = last
    if state.grid is not None:
        state.grid.leave(account, last)
    return [Note(kind="revoked", fields={"home": member.name, "account": account, "settled_until": last})]


def _enrolled(member: Member) -> Note:
    fields = {
        "home": member.name,
        "account": member.address,
        "meter": member.meter,
        "first_timestep": member.first_timestep,
    }
    return Note(kind="enrolled", fields=fields)


def _is_repeated(state: DsoState, member: Member, body: Enrol) -> bool:
    invitation = state.tokens.get(_hash(body.token))
    keys = (body.meter, body.curve_key, body.meter_curve_key)
    return (
        invitation is not None
        and invitation.used_by == member.address
        and keys == (member.meter, member.curve_key, member.meter_curve_key)
        and member.address not in state.revoked
    )


def _refusal(state: DsoState, account: Address, body: Enrol, now: int) -> EnrolmentReason | None:
    """Return the first reason not to enrol an account, in the order of the words."""
    invitation = state.tokens.get(_hash(body.token))
    if invitation is None:
        return EnrolmentReason.UNKNOWN_TOKEN
    if now > invitation.expires:
        return EnrolmentReason.TOKEN_EXPIRED
    if invitation.used_by is not None:
        return EnrolmentReason.TOKEN_USED
    if account in state.members:
        return EnrolmentReason.ALREADY_ENROLLED
    addresses = {state.address, *(one for member in state.members.values() for one in (member.address, member.meter))}
    known = (one in addresses or one in state.pseudonyms for one in (account, body.meter))
    if body.meter == account or any(known):
        return EnrolmentReason.ADDRESS_IN_USE
    keys = {one for member in state.members.values() for one in (member.curve_key, member.meter_curve_key)} - {NO_KEY}
    if body.curve_key in keys or body.meter_curve_key in keys:
        return EnrolmentReason.KEY_IN_USE
    digest = meter_proof_digest(state.signature_domain, account, body.meter, body.meter_curve_key)
    try:
        proven = recover(digest, body.meter_proof) == body.meter
    except PetraError:
        proven = False
    return _feeder_refusal(state, invitation.terms, now) if proven else EnrolmentReason.METER_NOT_PROVEN


def _feeder_refusal(state: DsoState, terms: MemberTerms, now: int) -> EnrolmentReason | None:
    """Say why a home cannot be connected; what others were granted is no reason, for it passes."""
    if state.grid is None:
        return None
    if not state.grid.has_node(terms.node):
        return EnrolmentReason.NODE_UNKNOWN
    return EnrolmentReason.NO_ROOM if state.grid.first_safe(_promised(state, terms, now)) is None else None


def _promised(state: DsoState, terms: MemberTerms, now: int) -> GridEnvelope:
    """Return what a home is promised without a grant from the next timestep on."""
    assert terms.node is not None, "a home without a node was refused"
    return GridEnvelope(
        node=terms.node,
        import_watts=terms.firm_import_watts,
        export_watts=terms.firm_export_watts,
        first=max(0, state.terms.timeline.current(now) + 1),
    )


def _join_feeder(state: DsoState, account: Address, terms: MemberTerms, now: int) -> int:
    """Let a home have its envelope as soon as there is room; return from which timestep on."""
    if state.grid is None:
        return state.terms.timeline.current(now) + 1
    promised = _promised(state, terms, now)
    first = state.grid.first_safe(promised)
    assert first is not None, "a home without room was refused"
    state.grid.join(account, replace(promised, first=first))
    return first


def _admit(state: DsoState, account: Address, body: Enrol, now: int) -> Member:
    invitation = state.tokens[_hash(body.token)]
    first = _join_feeder(state, account, invitation.terms, now)
    member = Member(
        address=account,
        meter=body.meter,
        curve_key=body.curve_key,
        meter_curve_key=body.meter_curve_key,
        first_timestep=max(state.first_timestep, first),
        **asdict(invitation.terms),
    )
    state.tokens[_hash(body.token)] = replace(invitation, used_by=account)
    state.admit(member, now)
    return member


def _answer(state: DsoState, envelope: Envelope, document: dict[str, object], rng: Random) -> Effect:
    text = json.dumps(document, sort_keys=True).encode()
    return reply(state, envelope, Enrolled(request_id=envelope.message_id, document=text), rng)


def _schedules(state: DsoState, member: Member) -> tuple[PriceSchedule, ...]:
    return in_force_from(state.policy.schedules, member.first_timestep)


def _document(state: DsoState, member: Member) -> dict[str, object]:
    """Return what a home must know: what was agreed, how the DSO settles, and the prices from its first timestep on."""
    return {
        "account": member.address,
        "meter": member.meter,
        "first_timestep": member.first_timestep,
        "terms": {
            "name": member.name,
            "node": member.node,
            "firm_import_watts": member.firm_import_watts,
            "firm_export_watts": member.firm_export_watts,
            "production_capacity_watts": member.production_capacity_watts,
            "consumption_capacity_watts": member.consumption_capacity_watts,
            "opening_balance": member.opening_balance,
            "credit_limit": member.credit_limit,
        },
        "policy": {
            "horizon_timesteps": state.policy.horizon_timesteps,
            "deposit_window_seconds": state.policy.deposit_window_seconds,
            "dispute_window_seconds": state.policy.dispute_window_seconds,
            "tolerance_per_mille": state.policy.tolerance_per_mille,
            "billing_timesteps": state.policy.billing_timesteps,
        },
        "schedules": [asdict(schedule) for schedule in _schedules(state, member)],
    }


def _hash(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
