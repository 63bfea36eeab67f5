"""Exported evidence: what is found when somebody altered it, lost some of it, or contradicted himself."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.messages import (
    Body,
    FailedWithdrawal,
    MessageReceipt,
    MeterReading,
    PriceSchedule,
    RequestedAsset,
    WithdrawalGranted,
    WithdrawAssets,
)
from petra.domain.refusals import GrantReason
from petra.domain.terms import NO_ADDRESS, Address
from petra.errors import MessageError
from petra.wire.envelope import Header, seal, signature_domain
from petra.wire.evidence import FIRST_LINK, Direction, Evidence, EvidenceLine, check, from_lines, next_link, to_lines
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import SecretKey

HOME, DSO, OTHER = (SecretKey(bytes([number]) * 32) for number in (1, 2, 3))
CONTRACT = Address("0x3535353535353535353535353535353535353535")
REQUEST = WithdrawAssets(
    assets=(RequestedAsset(anon_address=OTHER.address, power=100, start=5, end=5, amount=0, proof=bytes(65)),)
)
READING = MeterReading(timestep=57, produced=1_800_000, consumed=900_000, previous=bytes(32))
PRICES = PriceSchedule(from_timestep=0, retail=30, feed_in=10, local=20, grid_fee=5, imbalance=40, bulk=8)
GRANTED = WithdrawalGranted(request_id=bytes(15) + b"\1")
FAILED = FailedWithdrawal(request_id=bytes(15) + b"\1", anon_address=NO_ADDRESS, reason=GrantReason.NETWORK.value)


def message(
    number: int, body: Body, sender: SecretKey = HOME, recipient: SecretKey | None = DSO, chain_id: int = 1337
) -> bytes:
    """Seal a message under an id of this number; no recipient = it is published."""
    header = Header(
        message_id=number.to_bytes(16),
        sender=sender.address,
        recipient=recipient.address if recipient else NO_ADDRESS,
        sequence=number,
        created=1_800_000_000,
        deadline=1_800_000_900,
    )
    return seal(header, body, sender.sign, signature_domain(chain_id, CONTRACT)).raw


def kept(*messages: tuple[Direction, bytes]) -> Evidence:
    """Return what a home kept."""
    lines, link = [], FIRST_LINK
    for position, (direction, raw) in enumerate(messages, start=1):
        link = next_link(link, direction, raw)
        lines.append(EvidenceLine(position=position, direction=direction, at=1_800_000_000, raw=raw, link=link))
    return Evidence(
        chain_id=1337,
        contract=CONTRACT,
        dso=DSO.address,
        account=HOME.address,
        before=FIRST_LINK,
        lines=tuple(lines),
    )


ASKED = message(1, REQUEST)
GRANT = message(2, GRANTED, DSO, HOME)
TOLD = message(3, READING)
RECEIPT = message(4, MessageReceipt(envelope_hash=keccak256(TOLD)), DSO, HOME)
DAY = kept(("out", ASKED), ("in", GRANT), ("out", TOLD), ("in", RECEIPT))


def problems(evidence: Evidence) -> str:
    """Return all problems as one text."""
    return "\n".join(check(evidence).problems)


# ------------------------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("gone", range(len(DAY.lines)))
def test_a_lost_line_is_missed(gone: int) -> None:
    """Any line but the last is missed by its link; the last one by the answer that it gave or got."""
    lines = DAY.lines[:gone] + DAY.lines[gone + 1 :]
    found = check(replace(DAY, lines=lines))
    assert "does not follow" in "\n".join(found.problems) if gone < 3 else found.unanswered


def test_lines_out_of_order_are_named() -> None:
    """Two lines that changed places break the chain where they stand."""
    first, second, *rest = DAY.lines
    assert problems(replace(DAY, lines=(second, first, *rest))).count("does not follow") >= 2


@given(st.integers(0, 3), st.data())
def test_an_altered_message_is_found(index: int, data: st.DataObject) -> None:
    """One changed byte anywhere breaks the link, and whoever mends the links cannot mend the signature."""
    line = DAY.lines[index]
    place = data.draw(st.integers(0, len(line.raw) - 1))
    raw = bytes(byte ^ (place == at) for at, byte in enumerate(line.raw))
    lines = [*DAY.lines[:index], replace(line, raw=raw), *DAY.lines[index + 1 :]]
    assert f"line {index + 1}: its link does not follow" in problems(replace(DAY, lines=tuple(lines)))
    mended = kept(*((one.direction, one.raw) for one in lines))
    assert any(text.startswith(f"line {index + 1}: ") for text in check(mended).problems)


def test_messages_of_another_deployment_are_refused() -> None:
    """A signature is for one chain and one contract."""
    assert "line 1" in problems(kept(("out", message(1, REQUEST, chain_id=1))))
    assert len(check(replace(DAY, contract=NO_ADDRESS)).problems) == 4


@pytest.mark.parametrize(
    "foreign",
    [
        ("in", ASKED),
        ("out", GRANT),
        ("out", message(1, REQUEST, OTHER)),
        ("in", message(1, READING, DSO, OTHER)),
        ("in", message(1, GRANTED, DSO, None)),
        ("out", message(1, PRICES, DSO, None)),
    ],
)
def test_messages_of_others_are_named(foreign: tuple[Direction, bytes]) -> None:
    """What the account neither sent nor got proves nothing about it."""
    assert "neither of nor for" in problems(kept(foreign))


def test_two_messages_under_one_id_are_named() -> None:
    """Who signs two things under one id is caught by both."""
    assert "signed another message under the id of line 1" in problems(
        kept(("out", ASKED), ("out", message(1, READING)))
    )


def test_two_answers_to_one_request_are_named() -> None:
    """A DSO that grants and refuses the same request has signed both."""
    refused = message(5, FAILED, DSO, HOME)
    assert "answered otherwise in line 2" in problems(kept(("out", ASKED), ("in", GRANT), ("in", refused)))


def test_answers_and_receipts_for_nothing_are_named() -> None:
    """An answer without its request, and a receipt for other bytes than were sent."""
    assert "answers a request that is not here" in problems(kept(("in", GRANT)))
    assert "a receipt by" in problems(kept(("out", ASKED), ("in", RECEIPT)))


def test_silence_is_listed_with_the_hash_to_protest() -> None:
    """A request without an answer, a reading without a receipt; an answer by somebody else is none."""
    forged = message(2, GRANTED, OTHER, HOME)
    found = check(kept(("out", ASKED), ("in", forged), ("out", TOLD)))
    assert [(one.position, one.hash) for one in found.unanswered] == [(1, keccak256(ASKED)), (3, keccak256(TOLD))]


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"petra_evidence": 2}', "\x00", next(iter(to_lines(DAY))).replace("1337", '"1337"')],
)
def test_what_is_no_export_is_refused(text: str) -> None:
    """Text that states no evidence is one clear error."""
    with pytest.raises(MessageError):
        from_lines([text] if text else [])


@pytest.mark.parametrize(
    ("old", "new"),
    [('"out"', '"up"'), ('"position": 1', '"position": -1'), ('"raw": "01', '"raw": "0x'), ('"at": 1', '"at": 1.')],
)
def test_a_bad_line_is_named_by_its_number(old: str, new: str) -> None:
    """A line that cannot be read is named."""
    header, first, *rest = to_lines(DAY)
    assert old in first
    with pytest.raises(MessageError, match="line 2 "):
        from_lines([header, first.replace(old, new), *rest])


# -------------------------------------------------------------------------------------------------------------- success


def test_an_honest_day_has_nothing_to_find() -> None:
    """Everything was signed, follows, and has its answer; it survives being written and read."""
    found = check(from_lines(to_lines(DAY)))
    assert (found.problems, found.unanswered) == ((), ())
    assert from_lines(to_lines(DAY)) == DAY


def test_published_prices_belong_to_everybody() -> None:
    """They name no recipient, and are evidence all the same of what the DSO said."""
    assert problems(kept(("in", message(1, PRICES, DSO, None)))) == ""


def test_an_export_may_begin_in_the_middle() -> None:
    """The link before its first line stands in its head."""
    middle = replace(DAY, before=DAY.lines[1].link, lines=DAY.lines[2:])
    assert check(middle).problems == ()
    assert "does not follow" in problems(replace(middle, before=FIRST_LINK))
