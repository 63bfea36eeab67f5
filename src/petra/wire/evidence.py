"""Evidence: the messages that one side kept, exported as JSON lines, and what anybody can check in them (R80, R85).

Decides: whether the rows are one unbroken chain, whether each was signed by whom it names, and which requests have no
answer. It believes nobody: it needs no key, no database and no chain, only the deployment that the signatures are for.
Invariant: what is written is read back equal; any altered, lost, added or reordered row is named. Rows cut off at the
end can only be missed by who does not know the newest link.

    {"petra_evidence": 1, "chain_id": .., "contract": "0x..", "dso": "0x..", "account": "0x..", "before": "<link>"}
    {"position": 1, "direction": "out", "at": <unix second>, "raw": "<envelope>", "link": "<32 bytes>"}

link = keccak256(link before || direction (0 in, 1 out) || keccak256(raw)); a store's first link before is 32 zero
bytes. Bytes are hexadecimal text.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from petra.domain.messages import (
    Enrol,
    Enrolled,
    Envelope,
    FailedWithdrawal,
    Kind,
    MessageReceipt,
    MeterReading,
    WithdrawalGranted,
    WithdrawAssets,
)
from petra.domain.terms import NO_ADDRESS, Address
from petra.errors import MessageError
from petra.wire.envelope import open_envelope, signature_domain
from petra.wire.keccak import keccak256

VERSION: Final = 1
FIRST_LINK: Final = bytes(32)
Direction = Literal["in", "out"]
_DIRECTION_BYTES: Final[dict[Direction, bytes]] = {"in": b"\0", "out": b"\1"}
_OTHER: Final[dict[Direction, Direction]] = {"in": "out", "out": "in"}
_NEEDS_ANSWER: Final = (WithdrawAssets, MeterReading, Enrol)


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceLine:
    """One message that came in or went out at a unix second, with its place in the chain."""

    position: int
    direction: Direction
    at: int
    raw: bytes
    link: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What one account kept, from some row on.

    Attributes:
        dso: who owes answers. account: whose messages these are.
        before: the link before the first line.
    """

    chain_id: int
    contract: Address
    dso: Address
    account: Address
    before: bytes
    lines: tuple[EvidenceLine, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A request without an answer or a receipt; `hash` is what a protest puts on the ledger."""

    position: int
    direction: Direction
    kind: str
    message_id: bytes
    deadline: int
    hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What a check found: what is wrong, a sentence each, and what was asked and not answered."""

    problems: tuple[str, ...]
    unanswered: tuple[Unanswered, ...]


def next_link(before: bytes, direction: Direction, raw: bytes) -> bytes:
    """Return the link of a message that follows another."""
    return keccak256(before + _DIRECTION_BYTES[direction] + keccak256(raw))


def check(evidence: Evidence) -> Findings:
    """Check the chain, every signature, and that every request has one answer."""
    problems = chain_problems(evidence.lines, evidence.before)
    domain = signature_domain(evidence.chain_id, evidence.contract)
    opened: list[tuple[EvidenceLine, Envelope]] = []
    for line in evidence.lines:
        try:
            envelope = open_envelope(line.raw, domain)
        except MessageError as error:
            problems.append(f"line {line.position}: {error}")
            continue
        ours = envelope.sender if line.direction == "out" else envelope.recipient
        published = line.direction == "in" and ours == NO_ADDRESS and envelope.kind is Kind.PRICE_SCHEDULE
        if ours != evidence.account and not published:
            problems.append(f"line {line.position}: {line.direction}, but neither of nor for {evidence.account}")
            continue
        opened.append((line, envelope))
    problems += _contradictions(opened)
    return Findings(problems=tuple(problems), unanswered=tuple(_unanswered(opened, evidence.dso)))


def chain_problems(lines: Sequence[EvidenceLine], before: bytes = FIRST_LINK) -> list[str]:
    """Return where the chain of links breaks."""
    problems = []
    link, position = before, None
    for line in lines:
        if position is not None and line.position != position + 1:
            problems.append(f"line {line.position}: follows line {position}; what stood between is missing")
        if line.link != next_link(link, line.direction, line.raw):
            problems.append(f"line {line.position}: its link does not follow the one before: something was altered")
        link, position = line.link, line.position
    return problems


def _contradictions(opened: Sequence[tuple[EvidenceLine, Envelope]]) -> list[str]:
    """Return who signed two things under one name: messages, or answers to one request; and false receipts."""
    problems = []
    named: dict[tuple[Address, bytes], tuple[int, bytes]] = {}
    answered: dict[tuple[Address, bytes], tuple[int, object]] = {}
    sent = {(line.direction, one.message_id): keccak256(line.raw) for line, one in opened}
    hashes = {(line.direction, keccak256(line.raw)) for line, _ in opened}
    for line, one in opened:
        first, raw = named.setdefault((one.sender, one.message_id), (line.position, line.raw))
        if raw != line.raw:
            problems.append(f"line {line.position}: {one.sender} signed another message under the id of line {first}")
        if isinstance(one.body, MessageReceipt):
            if (_OTHER[line.direction], one.body.envelope_hash) not in hashes:
                problems.append(f"line {line.position}: a receipt by {one.sender} for a message that is not here")
        elif (request_id := _request_of(one)) is not None:
            if (_OTHER[line.direction], request_id) not in sent:
                problems.append(f"line {line.position}: {one.sender} answers a request that is not here")
            first, body = answered.setdefault((one.sender, request_id), (line.position, one.body))
            if body != one.body:
                problems.append(f"line {line.position}: {one.sender} answered otherwise in line {first}")
    return problems


def _unanswered(opened: Sequence[tuple[EvidenceLine, Envelope]], dso: Address) -> Iterator[Unanswered]:
    answers = {(line.direction, one.sender, _request_of(one)) for line, one in opened}
    receipts = {
        (line.direction, one.sender, one.body.envelope_hash)
        for line, one in opened
        if isinstance(one.body, MessageReceipt)
    }
    for line, one in opened:
        if one.recipient != dso or not isinstance(one.body, _NEEDS_ANSWER):
            continue
        back, digest = _OTHER[line.direction], keccak256(line.raw)
        if (back, one.recipient, one.message_id) in answers or (back, one.recipient, digest) in receipts:
            continue
        yield Unanswered(
            position=line.position,
            direction=line.direction,
            kind=one.kind.value,
            message_id=one.message_id,
            deadline=one.deadline,
            hash=digest,
        )


def _request_of(envelope: Envelope) -> bytes | None:
    """Return the id of the request that a message answers."""
    match envelope.body:
        case WithdrawalGranted(request_id=request_id) | FailedWithdrawal(request_id=request_id):
            return request_id
        case Enrolled(request_id=request_id):
            return request_id
        case _:
            return None


# ---- as text


def to_lines(evidence: Evidence) -> Iterator[str]:
    """Yield the export line by line, without line ends."""
    yield json.dumps(
        {
            "petra_evidence": VERSION,
            "chain_id": evidence.chain_id,
            "contract": evidence.contract,
            "dso": evidence.dso,
            "account": evidence.account,
            "before": evidence.before.hex(),
        }
    )
    for line in evidence.lines:
        fields = {"position": line.position, "direction": line.direction, "at": line.at}
        yield json.dumps(fields | {"raw": line.raw.hex(), "link": line.link.hex()})


def from_lines(texts: Iterable[str]) -> Evidence:
    """Return what an export says, unchecked.

    Raises:
        MessageError: with the number of the first line that is none.
    """
    header: dict[str, Any] | None = None
    lines: list[EvidenceLine] = []
    for number, text in enumerate(texts, start=1):
        try:
            fields = json.loads(text)
            if header is None:
                header = _header(fields)
            else:
                lines.append(_line(fields))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise MessageError(f"line {number} of the evidence cannot be read: {error}") from error
    if header is None:
        raise MessageError("there is no evidence: the file is empty")
    return Evidence(**header, lines=tuple(lines))


def _header(fields: Any) -> dict[str, Any]:
    if fields["petra_evidence"] != VERSION:
        raise ValueError(f"version {fields['petra_evidence']} is not known here, only {VERSION}")
    return {
        "chain_id": _whole(fields["chain_id"]),
        "contract": Address(_text(fields["contract"])),
        "dso": Address(_text(fields["dso"])),
        "account": Address(_text(fields["account"])),
        "before": _hash(fields["before"]),
    }


def _line(fields: Any) -> EvidenceLine:
    direction = fields["direction"]
    if direction not in _DIRECTION_BYTES:
        raise ValueError(f"a direction is in or out, not {direction!r:.20}")
    return EvidenceLine(
        position=_whole(fields["position"]),
        direction=direction,
        at=_whole(fields["at"]),
        raw=bytes.fromhex(_text(fields["raw"])),
        link=_hash(fields["link"]),
    )


def _whole(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(f"a whole number is needed, not {value!r:.20}")
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"text is needed, not {value!r:.20}")
    return value


def _hash(value: object) -> bytes:
    digest = bytes.fromhex(_text(value))
    if len(digest) != 32:
        raise ValueError(f"a link has 32 bytes, not {len(digest)}")
    return digest
