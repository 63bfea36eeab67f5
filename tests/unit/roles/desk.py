"""A DSO at its desk for tests: homes with real keys that ask it, a real ledger that it issues on, meters that tell."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import count
from random import Random
from typing import Any

from petra.domain.blocks import LedgerRecord, Outcome
from petra.domain.calls import Call
from petra.domain.messages import (
    Body,
    Envelope,
    FailedWithdrawal,
    MeterReading,
    RequestedAsset,
    WithdrawalGranted,
    WithdrawAssets,
)
from petra.domain.refusals import GrantReason, Refusal
from petra.domain.terms import Address, Terms
from petra.ledger import transition
from petra.ledger.fold import LedgerView
from petra.roles.dso import agent
from petra.roles.dso.state import DsoState, Member, Policy
from petra.roles.effects import Effect, Event, LedgerAdvanced, MessageArrived, Phase, Send, Submit, Woken
from petra.roles.meter import FIRST_LINK, link_of
from petra.store.keys import SimulatedKeys
from petra.wire.envelope import Header, address_proof_digest, seal
from tests.unit.settlement.test_lines import PRICES

T = 900
GENESIS = 1_800_000_000
FIRST, LAST = 2, 20
DOMAIN = bytes(range(32))
EUR = 10**9
POLICY = Policy(
    schedules=(PRICES,),
    horizon_timesteps=4,
    deposit_window_seconds=600,
    dispute_window_seconds=3_600,
    tolerance_per_mille=50,
    import_limit_watts=None,
    export_limit_watts=None,
    delay_seconds_max=0,
)


def begin(timestep: int) -> int:
    """Return the unix second at which a timestep begins."""
    return GENESIS + timestep * T


NOW = begin(4)  # timestep 5 is the first that can be traded, 8 the last within the horizon


class Desk:
    """A DSO with homes that have 10 EUR each; it settles from timestep `first` on."""

    def __init__(
        self, *, homes: Sequence[str] = "abc", first: int = FIRST, member: dict[str, Any] | None = None, **limits: Any
    ) -> None:
        """Enrol the homes and open their accounts."""
        self.keys = SimulatedKeys(1)
        self.dso = self.keys.new("dso")
        self.terms = Terms(dso=self.dso, genesis=GENESIS, timestep_seconds=T, gate=0, max_length=96, max_price=10**12)
        base = Member(
            name="",
            address=Address(""),
            meter=Address(""),
            node=None,
            firm_import_watts=1_000,
            firm_export_watts=500,
            production_capacity_watts=5_000,
            consumption_capacity_watts=4_000,
            opening_balance=10 * EUR,
            credit_limit=0,
        )
        self.members = {
            name: replace(base, name=name, address=self.keys.new(name), meter=self.keys.new(f"meter {name}"))
            for name in homes
        }
        self.members = {name: replace(one, **(member or {})) for name, one in self.members.items()}
        self.state = DsoState(
            address=self.dso,
            terms=self.terms,
            policy=replace(POLICY, **limits),
            signature_domain=DOMAIN,
            first_timestep=first,
            last_timestep=LAST,
            members={one.address: one for one in self.members.values()},
            view=LedgerView(self.terms),
            next_to_settle=first,
        )
        self.state.open_accounts(GENESIS)
        ledger = transition.deploy(self.terms)
        assert not isinstance(ledger, Refusal)
        self.ledger = ledger
        self.rng = Random(1)
        self._ids = count(1)
        self._links: dict[str, bytes] = {}

    # ---- what homes and meters say

    def pseudonym(self, home: str = "a") -> Address:
        """Return a fresh address of a home."""
        return self.keys.new(f"pseudonym {home}")

    def asset(
        self, power: int = 0, start: int = 5, end: int | None = None, amount: int = 0, to: Address | None = None
    ) -> RequestedAsset:
        """Return one asset to ask for; money alone has no interval."""
        first, last = (start, start if end is None else end) if power else (0, 0)
        return RequestedAsset(anon_address=to or self.pseudonym(), power=power, start=first, end=last, amount=amount)

    def say(self, sender: Address, body: Body, *, message_id: bytes | None = None, until: int = 2**40) -> Envelope:
        """Seal a message to the DSO, with the proofs of its pseudonyms unless they are there already."""
        message_id = message_id or next(self._ids).to_bytes(16)
        if isinstance(body, WithdrawAssets):
            body = WithdrawAssets(assets=tuple(self._proven(one, sender, message_id) for one in body.assets))
        header = Header(
            message_id=message_id, sender=sender, recipient=self.dso, sequence=0, created=GENESIS, deadline=until
        )
        return seal(header, body, partial(self.keys.sign, sender), DOMAIN)

    def request(
        self, home: str, *assets: RequestedAsset, message_id: bytes | None = None, until: int = 2**40
    ) -> Envelope:
        """Seal a withdrawal."""
        body = WithdrawAssets(assets=assets)
        return self.say(self.members[home].address, body, message_id=message_id, until=until)

    def reading(self, home: str, timestep: int, produced: int, consumed: int) -> Envelope:
        """Seal a meter's registers, chained to the reading that was made before."""
        previous = self._links.get(home, FIRST_LINK)
        body = MeterReading(timestep=timestep, produced=produced, consumed=consumed, previous=previous)
        self._links[home] = link_of(body)
        return self.say(self.members[home].meter, body)

    def _proven(self, asset: RequestedAsset, sender: Address, message_id: bytes) -> RequestedAsset:
        if asset.proof:
            return asset
        digest = address_proof_digest(DOMAIN, message_id, sender, asset.anon_address)
        return replace(asset, proof=self.keys.sign(asset.anon_address, digest))

    # ---- what happens to the DSO

    def give(self, event: Event, now: int = NOW) -> list[Effect]:
        """Let the DSO take an event."""
        return agent.step(self.state, event, now, self.rng)

    def hear(self, envelope: Envelope, now: int = NOW) -> list[Effect]:
        """Let the DSO take a message."""
        return self.give(MessageArrived(envelope=envelope), now)

    def ask(self, home: str, *assets: RequestedAsset, now: int = NOW) -> list[Effect]:
        """Let a home withdraw."""
        return self.hear(self.request(home, *assets), now)

    def settle(self, timestep: int) -> list[Effect]:
        """Let the cut-off of a timestep pass."""
        return self.give(Woken(phase=Phase.SETTLE, timestep=timestep), self.state.cut_off(timestep) + 1)

    def records(self, calls: Sequence[tuple[Call, Address]], at: int) -> tuple[LedgerRecord, ...]:
        """Put calls into a block and return what it tells; each must succeed."""
        records = []
        for index, (call, sender) in enumerate(calls):
            told = transition.apply(self.ledger, call, sender, at)
            assert not isinstance(told, Refusal), (call, told)
            digest = next(self._ids).to_bytes(32)
            records.append(
                LedgerRecord(
                    transaction_hash=digest, block_number=1, transaction_index=index, timestamp=at, events=told
                )
            )
        return tuple(records)

    def mine(self, *calls: tuple[Call, Address], at: int = NOW) -> list[Effect]:
        """Put calls into a block and let the DSO read it."""
        return self.read(self.records(calls, at), at)

    def read(self, records: tuple[LedgerRecord, ...], now: int) -> list[Effect]:
        """Let the DSO read records."""
        return self.give(LedgerAdvanced(records=records, outcomes=(), view=self.state.view), now)

    def mine_grants(self, effects: Sequence[Effect], at: int = NOW) -> list[int]:
        """Put the DSO's own transactions into a block, let it read it, and return the ids of the new assets."""
        intents = [effect.intent for effect in effects if isinstance(effect, Submit)]
        first = self.ledger.next_asset_id
        records = self.records([(intent.call, intent.sender) for intent in intents], at)
        ends = tuple(ended(intent.intent_id, done=True) for intent in intents)
        self.give(LedgerAdvanced(records=records, outcomes=ends, view=self.state.view), at)
        return list(range(first, self.ledger.next_asset_id))

    def void(self, effects: Sequence[Effect]) -> list[Effect]:
        """Let every transaction of these effects fail."""
        ends = tuple(ended(one.intent.intent_id, done=False) for one in effects if isinstance(one, Submit))
        return self.give(LedgerAdvanced(records=(), outcomes=ends, view=self.state.view))

    def balance(self, home: str) -> int:
        """Return a home's account in nano-units."""
        return self.state.books.balance(self.members[home].address)


def ended(intent_id: str, *, done: bool) -> Outcome:
    """Return how a transaction ended."""
    return Outcome(intent_id=intent_id, done=done, transaction_hash=bytes(32), block_number=1, gas_used=0)


def reason(effects: Sequence[Effect]) -> GrantReason | None:
    """Return why a withdrawal was refused, None if it was granted; there must be exactly one answer."""
    (answer,) = (effect.body for effect in effects if isinstance(effect, Send))
    if isinstance(answer, FailedWithdrawal):
        assert not any(isinstance(effect, Submit) for effect in effects), "a refusal issues nothing"
        return GrantReason(answer.reason)
    assert isinstance(answer, WithdrawalGranted)
    return None
