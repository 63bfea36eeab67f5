"""What the DSO knows: who its members are, what it granted them, what they metered, and its books.

Decides nothing: the modules beside it decide. Nobody else may know this: it says who is who (R35).
Invariants: a pseudonym belongs to one member for ever; a grant is counted from the moment it is decided until its
transaction is void; the books sum to zero.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal

from petra.domain.messages import Curtailment, Envelope, PriceSchedule, RequestedAsset
from petra.domain.refusals import Refusal
from petra.domain.terms import NO_ADDRESS, Address, Terms
from petra.ledger.fold import LedgerView
from petra.roles.dso.grid_book import GridBook, Kept
from petra.roles.dso.readings import Readings
from petra.roles.effects import CurtailmentOrdered, Frozen, MemberTerms
from petra.roles.receipts import Receipts
from petra.settlement.bills import CommunityTrade, SettledTimestep
from petra.settlement.books import OWNER, Books, Entry

GridRule = Literal["feeder", "limits", "connection", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A home as the DSO enrolled it.

    Attributes:
        address: identity key; signs withdrawals. meter: the meter's key; signs readings.
        firm_import_watts, firm_export_watts: what the home may use without a grant (L and F of DESIGN 7).
        production_capacity_watts: rating of its plant. consumption_capacity_watts: rating of its connection.
        opening_balance, credit_limit: nano-units.
        curve_key, meter_curve_key: public keys of home and meter on the fabric; zeros or nothing = none.
        first_timestep: the first that is settled for it; 0 = it was there from the beginning.
    """

    name: str
    address: Address
    meter: Address
    node: str | None
    firm_import_watts: int
    firm_export_watts: int
    production_capacity_watts: int
    consumption_capacity_watts: int
    opening_balance: int
    credit_limit: int
    curve_key: bytes = b""
    meter_curve_key: bytes = b""
    first_timestep: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the DSO decided before the run; only `schedules` grow meanwhile.

    Attributes:
        schedules: price schedules, each checked. horizon_timesteps: how far ahead assets may be withdrawn.
        deposit_window_seconds: from the end of a timestep to its cut-off.
        dispute_window_seconds: from the cut-off until a provisional settlement becomes final.
        tolerance_per_mille: share of the sold energy that may stay undelivered at the retail price.
        import_limit_watts, export_limit_watts: what all homes together may draw or feed; None = not limited.
        delay_seconds_max: an answer takes 0 .. so many seconds.
        billing_timesteps: so many timesteps stand on one bill; 0 = one bill for all, when the last is over.
        queue_max, queue_max_per_member: withdrawals that may wait for their answer, of all and of each home.
        grid_rule: what keeps withdrawals within the grid; see `rules`.
        rules: further ones that the operator added, in the order in which they are asked; see `fine_rules`.
        curtailments: ordered as soon as the DSO opens.
    """

    schedules: tuple[PriceSchedule, ...]
    horizon_timesteps: int
    deposit_window_seconds: int
    dispute_window_seconds: int
    tolerance_per_mille: int
    import_limit_watts: int | None
    export_limit_watts: int | None
    delay_seconds_max: int
    billing_timesteps: int = 0
    queue_max: int = 4_096
    queue_max_per_member: int = 256
    grid_rule: GridRule = "connection"
    rules: "tuple[Rule, ...]" = ()
    curtailments: tuple[CurtailmentOrdered, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Invitation:
    """A one-time token, as its hash tells it: what was agreed, until when it is taken, and who has used it."""

    terms: MemberTerms
    expires: int
    used_by: Address | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """The answer to a request.

    Attributes:
        sender: whose request it was. message_id: the answer's.
        deadline: the request's, unix seconds.
        request_hash: how a protest names the request. protested: the answer's hash was put on the ledger.
    """

    sender: Address
    message_id: bytes
    deadline: int
    request_hash: bytes
    protested: bool = False


@dataclass(slots=True, kw_only=True)
class Statement:
    """Where a member's last bill ended, and what moved since; nano-units.

    Attributes:
        opening, on_ledger: the account, and what stood at pseudonyms, at the end of the last bill.
        withdrawn, deposited: what went to pseudonyms (less what was void) and what came back since.
        on_its_way: what was granted and does not stand on the ledger yet.
    """

    opening: int
    on_ledger: int = 0
    withdrawn: int = 0
    deposited: int = 0
    on_its_way: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A withdrawal whose signatures are checked.

    Attributes:
        totals: by timestep that it touches, in order, what its member would then have been granted.
    """

    message_id: bytes
    member: Member
    assets: tuple[RequestedAsset, ...]
    deadline: int
    totals: "Mapping[int, Granted]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """A rule's consent to a request, whole."""

    request: Request


@dataclass(slots=True)
class Granted:
    """One account and one timestep; all in watts >= 0.

    Attributes:
        production, consumption: granted, from the moment that the grant is decided; limits are about these.
        production_issued: of it, what stands on the ledger; positions are about this.
        production_deposited: given back before the cut-off, whoever had withdrawn it.
        production_released, consumption_released: of it, own assets given back before the timestep began: their room in
            the grid is free again, so that the home may not use it any more.
    """

    production: int = 0
    consumption: int = 0
    production_issued: int = 0
    production_deposited: int = 0
    production_released: int = 0
    consumption_released: int = 0

    @property
    def kept(self) -> Kept:
        """What the account may still make and use of it."""
        return Kept(self.production - self.production_released, self.consumption - self.consumption_released)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenGrant:
    """A grant whose transaction has not ended: what to undo if it is void."""

    member: Member
    asset: RequestedAsset
    is_money: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Curtailed:
    """A curtailment as it was told, and whom it is about; nobody named = everybody."""

    accounts: tuple[Address, ...]
    told: Curtailment

    def is_about(self, account: Address) -> bool:
        """Say whether an account is meant."""
        return not self.accounts or account in self.accounts


@dataclass(slots=True, kw_only=True)
class DsoState:
    """Everything the DSO knows.

    Attributes:
        signature_domain: keccak256 of the envelope domain: chain id and contract.
        tokens: open invitations by sha256 of the token.
        revoked: by account, the last timestep that is settled for it.
        pseudonyms: by pseudonym, the account that it belongs to, for ever.
        queue: withdrawals and when they are answered, by sender and message id, in order of arrival.
        answers: by request id.
        asked: sender and message id of every request that waits or is answered, by its hash.
        protests: hashes that somebody put on the ledger and that name no such request, oldest first; bounded.
        granted: by member address, then timestep.
        readings: by meter.
        settled: by timestep, then member address. settled_at: the unix second at which each timestep was settled.
        statements: by member address.
        billed_through: the last timestep that stands on bills; what came before is forgotten.
        grid: the book of the feeder; None where the rule is not about a feeder.
        freeze: the operator's last order to grant nothing. requests: when each account asked, as far as a rule counts.
        curtailments: those that may still matter, oldest first. last_curtailment: the number of the newest ever.
        conduct: by account and settled timestep, whether the home kept its envelope; where a rule asks.
    """

    address: Address
    terms: Terms
    policy: Policy
    signature_domain: bytes
    first_timestep: int
    last_timestep: int
    members: dict[Address, Member]
    view: LedgerView
    books: Books = field(default_factory=Books)
    tokens: dict[bytes, Invitation] = field(default_factory=dict)
    revoked: dict[Address, int] = field(default_factory=dict)
    pseudonyms: dict[Address, Address] = field(default_factory=dict)
    trades: dict[Address, list[CommunityTrade]] = field(default_factory=lambda: defaultdict(list))  # by account
    queue: dict[tuple[Address, bytes], tuple[int, Envelope]] = field(default_factory=dict)
    answers: dict[bytes, Answered] = field(default_factory=dict)
    asked: dict[bytes, tuple[Address, bytes]] = field(default_factory=dict)
    protests: dict[bytes, None] = field(default_factory=dict)
    open_grants: dict[str, OpenGrant] = field(default_factory=dict)  # by intent id
    granted: dict[Address, dict[int, Granted]] = field(default_factory=lambda: defaultdict(dict))
    readings: dict[Address, Readings] = field(default_factory=lambda: defaultdict(Readings))
    settled: dict[int, dict[Address, SettledTimestep]] = field(default_factory=dict)
    settled_at: dict[int, int] = field(default_factory=dict)
    next_to_settle: int = 0
    statements: dict[Address, Statement] = field(default_factory=dict)
    billed_through: int = -1
    grid: GridBook | None = None
    freeze: Frozen | None = None
    requests: dict[Address, list[int]] = field(default_factory=dict)
    curtailments: list[Curtailed] = field(default_factory=list)
    last_curtailment: int = 0
    conduct: dict[Address, dict[int, bool]] = field(default_factory=dict)
    receipts: Receipts = field(default_factory=Receipts)
    alarms: list[str] = field(default_factory=list)  # broken promises: a run with one ends with exit code 1

    def __post_init__(self) -> None:
        """Start with nothing billed."""
        self.billed_through = max(self.billed_through, self.first_timestep - 1)

    def open_accounts(self, now: int) -> None:
        """Book what the homes bring in."""
        for member in self.members.values():
            self._open_account(member, now)

    def admit(self, member: Member, now: int) -> None:
        """Take a new home in and book what it brings."""
        self.members[member.address] = member
        self._open_account(member, now)

    def _open_account(self, member: Member, now: int) -> None:
        entry = Entry(
            at=now, from_account=OWNER, to_account=member.address, amount=member.opening_balance, memo="opening"
        )
        self.books.post(entry)
        self.statements[member.address] = Statement(opening=member.opening_balance)

    def moved(self, account: Address, *, withdrawn: int = 0, issued: int = 0, deposited: int = 0) -> None:
        """Count for a member's bill what was granted to its pseudonyms, what arrived there, and what came back."""
        if statement := self.statements.get(account):
            statement.withdrawn += withdrawn
            statement.on_its_way += withdrawn - issued
            statement.deposited += deposited

    def first_of(self, member: Member) -> int:
        """Return the first timestep that is settled for a member."""
        return max(self.first_timestep, member.first_timestep)

    def settles(self, member: Member, timestep: int) -> bool:
        """Say whether a timestep is settled for a member: from its enrolment until it is revoked."""
        return member.first_timestep <= timestep <= self.revoked.get(member.address, timestep)

    def active_members(self) -> Iterator[Member]:
        """Yield the members that are not revoked."""
        return (member for member in self.members.values() if member.address not in self.revoked)

    def account_of(self, address: Address) -> Address:
        """Return the account that an address on the ledger belongs to; the DSO's own address is an account too.

        An address that no grant of these books went to belongs to the account NO_ADDRESS: whoever issued to it, the
        books keep closing, and an alarm names it.
        """
        return address if address == self.address else self.pseudonyms.get(address, NO_ADDRESS)

    def alarm(self, problem: str) -> None:
        """Note a broken promise, once."""
        if problem not in self.alarms:
            self.alarms.append(problem)

    def of(self, account: Address, timestep: int) -> Granted:
        """Return what an account was granted for a timestep; nothing is a value."""
        return self.granted.get(account, {}).get(timestep) or Granted()

    def change(self, account: Address, timestep: int) -> Granted:
        """Return the same, to be changed."""
        return self.granted[account].setdefault(timestep, Granted())

    def kept(self) -> dict[int, dict[Address, Kept]]:
        """Return by timestep and account what members may still make and use of their grants; no zeros."""
        rows: dict[int, dict[Address, Kept]] = {}
        for account in self.members:
            for timestep, own in self.granted.get(account, {}).items():
                if any(own.kept):
                    rows.setdefault(timestep, {})[account] = own.kept
        return rows

    def told_by(self, member: Member) -> Readings:
        """Return a member's readings."""
        return self.readings.get(member.meter) or Readings()

    def meter_owner(self, meter: Address) -> Member | None:
        """Return the member whose meter this is."""
        return next((member for member in self.members.values() if member.meter == meter), None)

    def cut_off(self, timestep: int) -> int:
        """Return the last unix second at which a deposit for this timestep counts."""
        return self.terms.timeline.end(timestep) + self.policy.deposit_window_seconds


Rule = Callable[[DsoState, Request, int], Grant | Refusal]
