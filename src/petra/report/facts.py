"""What happened in a run, read once from its journal: who asked, offered, traded, metered, was settled.

Decides: whose an address is, and which offer a trade belongs to. Knows no file, no unit of display and no picture.
Invariant: a pure function of the journal; energies are joules, powers watts, money nano-units, all exact integers.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from petra.domain.quantities import energy_of
from petra.errors import InputError
from petra.report.kinds import Note

UNKNOWN = "?"  # an address that no home's withdrawal names, such as the DSO's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A home asked for assets; `answer` is granted, refused or unanswered, `reason` the refusal's word."""

    at: int
    home: str
    timestep: int
    request: str
    pseudonym: str
    power: int
    amount: int
    answer: str = "unanswered"
    answered_at: int | None = None
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """An energy asset that the DSO issued."""

    at: int
    home: str
    address: str
    asset_id: int
    power: int
    start: int
    end: int
    transaction: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """An offer as it was posted; `rescinded_at` is None where nobody took it back."""

    at: int
    home: str
    address: str
    offer_id: int
    asset_id: int
    price: int
    power: int
    start: int
    end: int
    transaction: str
    rescinded_at: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trade:
    """An accepted offer, or part of one; `energy` > 0 in joules, `asset_id` the acceptor's."""

    at: int
    posted_at: int
    seller: str
    buyer: str
    seller_address: str
    buyer_address: str
    start: int
    end: int
    energy: int
    payment: int
    price: int
    offer_id: int
    asset_id: int
    block: int
    transaction: str

    @property
    def waited(self) -> int:
        """Virtual seconds from the posted offer to the accepted trade."""
        return self.at - self.posted_at


@dataclass(slots=True)
class Facts:
    """The run, by subject; keys are (home, timestep), request ids, offer ids or homes.

    Attributes:
        settled: what stands last for a home and timestep, so that a late reading replaces what was assumed.
        transfers: assets that changed hands, by transaction.
        transactions: hashes of those that told something.
    """

    run: Note
    prices: list[Note] = field(default_factory=list)
    members: dict[str, Note] = field(default_factory=dict)
    days: list[Note] = field(default_factory=list)
    forecasts: dict[tuple[str, int], Note] = field(default_factory=dict)
    withdrawals: dict[str, Withdrawal] = field(default_factory=dict)
    grants: list[Grant] = field(default_factory=list)
    offers: dict[int, Offer] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    transfers: dict[str, list[Note]] = field(default_factory=dict)
    deposits: list[Note] = field(default_factory=list)
    voids: list[Note] = field(default_factory=list)
    void_grants: int = 0
    readings_refused: list[Note] = field(default_factory=list)
    readings_missing: list[Note] = field(default_factory=list)
    measured: dict[tuple[str, int], Note] = field(default_factory=dict)
    settled: dict[tuple[str, int], Note] = field(default_factory=dict)
    messages: dict[str, Note] = field(default_factory=dict)
    books: Note | None = None
    transactions: set[str] = field(default_factory=set)
    homes_by_address: dict[str, str] = field(default_factory=dict)

    @property
    def timesteps(self) -> range:
        """The delivery timesteps."""
        return range(self.run["first_timestep"], self.run["last_timestep"] + 1)

    @property
    def seconds(self) -> int:
        """T, the length of a timestep."""
        return int(self.run["timestep_seconds"])

    def begin(self, timestep: int) -> int:
        """Return the unix second at which a timestep begins."""
        return int(self.run["genesis"]) + timestep * self.seconds

    def home_of(self, address: str) -> str:
        """Return the home behind an address."""
        return self.homes_by_address.get(address, UNKNOWN)

    @property
    def transaction_count(self) -> int:
        """Transactions of the run: those that told something and those that were void."""
        return len(self.transactions) + len(self.voids)


def read_facts(journal: Sequence[Note]) -> Facts:
    """Return a journal's facts; the journal must begin with its `run` line and have the fields of `kinds`."""
    assert journal and journal[0]["kind"] == "run", "a journal begins with its `run` line"
    reader = _Reader(facts=Facts(run=journal[0]))
    for note in journal:
        reader.take(note)
    return reader.facts


@dataclass(slots=True)
class _Reader:
    """Folds the journal; `owners` follows every asset's owner through the ledger events."""

    facts: Facts
    owners: dict[int, str] = field(default_factory=dict)

    def take(self, note: Note) -> None:
        facts, kind = self.facts, note["kind"]
        match kind:
            case "prices":
                facts.prices.append(note)
            case "day":
                facts.days.append(note)
            case "void":
                facts.voids.append(note)
            case "void-grant":
                facts.void_grants += 1
            case "reading-refused":
                facts.readings_refused.append(note)
            case "readings-missing":
                facts.readings_missing.append(note)
            case "books":
                facts.books = note
            case "message":
                facts.messages[note["message"]] = note
            case "ledger":
                self._ledger(note)
            case _:
                self._home(note)

    def _home(self, note: Note) -> None:
        facts = self.facts
        match note["kind"]:
            case "member":
                facts.members[note["home"]] = note
                facts.homes_by_address |= {note["account"]: note["home"], note["meter"]: note["home"]}
            case "forecast":
                facts.forecasts[note["home"], note["timestep"]] = note
            case "measured":
                facts.measured[note["home"], note["timestep"]] = note
            case "settled":
                facts.settled[note["home"], note["timestep"]] = note
            case "withdraw":
                names = ("at", "home", "timestep", "request", "pseudonym", "power", "amount")
                facts.withdrawals[note["request"]] = Withdrawal(**_fields(note, names))
                facts.homes_by_address[note["pseudonym"]] = note["home"]
            case "granted" | "refused":
                self._answer(note)

    def _answer(self, note: Note) -> None:
        asked = self.facts.withdrawals.get(note["request"])
        if asked is not None:
            self.facts.withdrawals[note["request"]] = replace(
                asked,
                answer=note["kind"],
                answered_at=note["at"],
                reason=note.get("reason", ""),
                detail=note.get("detail", ""),
            )

    def _ledger(self, note: Note) -> None:
        self.facts.transactions.add(note["transaction"])
        take: dict[str, Callable[[Note], None]] = {
            "AssetAdded": self._added,
            "OfferPosted": self._posted,
            "OfferRescinded": self._rescinded,
            "OfferAccepted": self._accepted,
            "AssetSplit": self._split,
            "AssetTransferred": self._transferred,
            "AssetDeposited": self.facts.deposits.append,
            "FinancialDeposited": self.facts.deposits.append,
        }
        if note["event"] in take:
            take[note["event"]](note)

    def _added(self, note: Note) -> None:
        self.owners[note["asset_id"]] = note["anon_address"]
        self.facts.grants.append(
            Grant(
                home=self.facts.home_of(note["anon_address"]),
                address=note["anon_address"],
                **_fields(note, ("at", "asset_id", "power", "start", "end", "transaction")),
            )
        )

    def _posted(self, note: Note) -> None:
        names = ("at", "offer_id", "asset_id", "price", "power", "start", "end", "transaction")
        address = self.owners.get(note["asset_id"], UNKNOWN)
        home = self.facts.home_of(address)
        self.facts.offers[note["offer_id"]] = Offer(home=home, address=address, **_fields(note, names))

    def _rescinded(self, note: Note) -> None:
        if offer := self.facts.offers.get(note["offer_id"]):
            self.facts.offers[note["offer_id"]] = replace(offer, rescinded_at=note["at"])

    def _accepted(self, note: Note) -> None:
        # In a transaction this event comes before its transfers, so the owners are still those who dealt.
        offer = self.facts.offers.get(note["offer_id"])
        if offer is None:
            raise InputError(
                f"journal: offer {note['offer_id']} is accepted in block {note['block']} but was never posted;"
                " the journal is not whole, run `petra simulate` again"
            )
        acceptor = self.owners.get(note["asset_id"], UNKNOWN)
        seller, buyer = (offer.address, acceptor) if note["power"] > 0 else (acceptor, offer.address)
        self.facts.trades.append(
            Trade(
                posted_at=offer.at,
                seller=self.facts.home_of(seller),
                buyer=self.facts.home_of(buyer),
                seller_address=seller,
                buyer_address=buyer,
                price=offer.price,
                energy=energy_of(note["power"], note["end"] - note["start"] + 1, self.facts.seconds),
                **_fields(note, ("at", "start", "end", "payment", "offer_id", "asset_id", "block", "transaction")),
            )
        )

    def _split(self, note: Note) -> None:
        self.owners[note["asset_id"]] = note["owner"]

    def _transferred(self, note: Note) -> None:
        self.owners[note["asset_id"]] = note["to_address"]
        self.facts.transfers.setdefault(note["transaction"], []).append(note)


def _fields(note: Note, names: Sequence[str]) -> dict[str, Any]:
    return {name: note[name] for name in names}
