"""Cap'n Proto bodies: what comes back, what is refused, what may change."""

import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import capnp  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.messages import (
    BillStatement,
    Body,
    FailedWithdrawal,
    Kind,
    MeterReading,
    PriceSchedule,
    RequestedAsset,
    WithdrawalGranted,
    WithdrawAssets,
)
from petra.domain.refusals import GrantReason
from petra.domain.terms import NO_ADDRESS, Address
from petra.errors import MessageError
from petra.wire.bodies import ANSWER_BYTES, body_bytes_max, decode_body, encode_body, kind_of
from tests.unit.wire.message_strategies import bodies, failures, grants

READING = MeterReading(timestep=57, produced=1_800_000, consumed=900_000, previous=bytes(range(32)))
ASSET = RequestedAsset(anon_address=NO_ADDRESS, power=-2_000, start=57, end=58, amount=7, proof=bytes(65))
REQUEST = WithdrawAssets(assets=(ASSET, ASSET))
FAILURE = FailedWithdrawal(request_id=bytes(16), anon_address=NO_ADDRESS, reason=GrantReason.NETWORK.value)
SCHEDULE = PriceSchedule(from_timestep=1, retail=2, feed_in=3, local=4, grid_fee=5, imbalance=6, bulk=7)


def words(*values: int) -> bytes:
    """Return one flat Cap'n Proto message of one segment with these 64-bit words."""
    header = bytes(4) + len(values).to_bytes(4, "little")
    return header + b"".join(value.to_bytes(8, "little") for value in values)


# ------------------------------------------------------------------------------------------------------------- refusals


@given(st.sampled_from(Kind), st.binary(max_size=400))
def test_random_bytes_give_a_body_or_a_message_error(kind: Kind, data: bytes) -> None:
    """Whatever bytes come, nothing but MessageError is raised, also where the length of an answer is right."""
    for hostile in (data, data.ljust(ANSWER_BYTES, b"\0"), words() + data):
        try:
            body = decode_body(kind, hostile)
        except MessageError:
            continue
        assert kind_of(body) is kind


@given(bodies, st.data())
def test_damaged_bodies_give_a_body_or_a_message_error(body: Body, data: st.DataObject) -> None:
    """Honest bytes with some bytes overwritten reach deeper into the parser than random ones, and no further."""
    kind, damaged = kind_of(body), bytearray(encode_body(body))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        assert kind_of(decode_body(kind, bytes(damaged))) is kind
    except MessageError:
        pass


@pytest.mark.parametrize("body", [REQUEST, FAILURE, SCHEDULE, READING, BillStatement(document=b"bill")])
def test_truncated_bodies_are_refused(body: Body) -> None:
    """No proper prefix of a body is a body."""
    data = encode_body(body)
    for length in range(len(data)):
        with pytest.raises(MessageError):
            decode_body(kind_of(body), data[:length])


def test_a_list_that_claims_more_than_it_holds_is_refused() -> None:
    """Half a billion assets of no size in 32 bytes are refused before anyone counts them."""
    bomb = words(1 << 48, 1 | 7 << 32, (2**29 - 1) << 2)
    with pytest.raises(MessageError, match="shape"):
        decode_body(Kind.WITHDRAW_ASSETS, bomb)


def test_pointers_that_meet_again_and_again_are_refused() -> None:
    """A thousand assets whose proofs all point at the same 65 bytes would make 65 KB of 24."""
    count, size = 1_000, 3  # each asset: one word of data, pointers to address and proof
    elements = [
        word
        for index in range(count)
        for word in (
            0,
            1 | (size * (count - index) - 2) << 2 | 2 << 32 | 20 << 35,
            1 | (size * (count - index) - 3) << 2 | 2 << 32 | 65 << 35,
        )
    ]
    tag = count << 2 | 1 << 32 | 2 << 48
    bomb = words(1 << 48, 1 | 7 << 32 | size * count << 35, tag, *elements, *[0] * 9)
    with pytest.raises(MessageError, match="shape"):
        decode_body(Kind.WITHDRAW_ASSETS, bomb)


@pytest.mark.parametrize("kind", Kind)
def test_bodies_above_the_limit_are_refused(kind: Kind) -> None:
    """A body that is longer than its kind may be is refused by its length alone."""
    with pytest.raises(MessageError, match="at most"):
        decode_body(kind, bytes(body_bytes_max(kind) + 8))


def test_bodies_above_the_limit_are_not_written() -> None:
    """A bill that nobody would read is not sent."""
    with pytest.raises(MessageError, match="too long"):
        encode_body(BillStatement(document=bytes(body_bytes_max(Kind.BILL))))


@pytest.mark.parametrize(
    "body",
    [
        replace(READING, previous=bytes(31)),
        replace(READING, produced=-1),
        replace(READING, produced=2**64),
        replace(FAILURE, request_id=bytes(17)),
        replace(FAILURE, anon_address=Address("0x12")),
        replace(FAILURE, reason=65 * "x"),
        WithdrawAssets(assets=(replace(ASSET, power=2**63),)),
        WithdrawAssets(assets=(replace(ASSET, proof=bytes(64)),)),
    ],
)
def test_values_that_do_not_fit_are_not_written(body: Body) -> None:
    """A value outside its field is refused by the writer, never cut."""
    with pytest.raises(MessageError, match="does not fit"):
        encode_body(body)


def test_data_of_another_length_is_refused() -> None:
    """An id of 15 bytes, which Cap'n Proto allows, is refused with the field's name."""
    data = schema(packaged_text()).WithdrawalGranted.new_message(requestId=bytes(15)).to_bytes()
    with pytest.raises(MessageError, match="requestId has 15 bytes, not 16"):
        decode_body(Kind.WITHDRAWAL_GRANTED, data.ljust(ANSWER_BYTES, b"\0"))


@pytest.mark.parametrize("body", [FAILURE, WithdrawalGranted(request_id=bytes(16))])
def test_answers_of_another_length_are_refused(body: Body) -> None:
    """An answer that is not padded would tell by its length what was answered."""
    data = encode_body(body)
    for wrong in (data[:-8], data + bytes(8)):
        with pytest.raises(MessageError, match="every answer has 256"):
            decode_body(kind_of(body), wrong)


# -------------------------------------------------------------------------------------------------------------- success


@given(bodies)
def test_bodies_survive_the_round_trip(body: Body) -> None:
    """What is encoded decodes to the same body, of the same kind."""
    assert decode_body(kind_of(body), encode_body(body)) == body


@given(bodies)
def test_equal_bodies_give_equal_bytes(body: Body) -> None:
    """A writer's hash of a body (of a price schedule, on the ledger) is the hash of what it sends."""
    assert encode_body(replace(body)) == encode_body(body)


@given(grants, failures)
def test_both_answers_have_one_length(granted: WithdrawalGranted, failed: FailedWithdrawal) -> None:
    """Grant and refusal cannot be told apart by their size, whatever the reason."""
    assert len(encode_body(granted)) == len(encode_body(failed)) == ANSWER_BYTES


@pytest.mark.parametrize("reason", GrantReason)
def test_every_reason_of_the_dso_fits(reason: GrantReason) -> None:
    """Each word with which the DSO refuses travels whole."""
    body = replace(FAILURE, reason=reason.value)
    assert decode_body(Kind.FAILED_WITHDRAWAL, encode_body(body)) == body


def test_the_largest_batch_of_assets_fits() -> None:
    """A request may name as many pseudonyms as the contract takes in one transaction."""
    body = WithdrawAssets(assets=200 * (ASSET,))
    assert decode_body(Kind.WITHDRAW_ASSETS, encode_body(body)) == body


def test_a_month_of_quarter_hours_fits_in_a_bill() -> None:
    """A bill of 2.5 MB, more than Cap'n Proto's first segment holds, travels whole."""
    body = BillStatement(document=bytes(2_500_000))
    assert decode_body(Kind.BILL, encode_body(body)) == body


# ------------------------------------------------------------------------------------------------------------ evolution


def packaged_text() -> str:
    """Return the schema as it is shipped."""
    return resources.files("petra.wire").joinpath("petra.capnp").read_text(encoding="utf-8")


def schema(text: str) -> Any:
    """Return a schema loaded by a parser of its own, so that versions with the same ids can stand side by side."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / "petra.capnp"
        path.write_text(text, encoding="utf-8")
        return capnp.SchemaParser().load(str(path))


def test_fields_of_a_later_version_are_passed_over() -> None:
    """A reader of today understands a writer of tomorrow, inside lists and padded answers too."""
    later = schema(
        packaged_text()
        .replace("  previous @3 :Data;", "  previous @3 :Data; quality @4 :Text; volts @5 :Int64;")
        .replace("  proof @5 :Data;", "  proof @5 :Data; lot @6 :UInt64; note @7 :Text;")
        .replace("  reason @2 :Text;", "  reason @2 :Text; retryAfter @3 :UInt64;")
    )
    reading = later.MeterReading.new_message(
        timestep=57, produced=1_800_000, consumed=900_000, previous=READING.previous, quality="certified", volts=-230
    )
    asset = {"anonAddress": bytes(20), "power": -2_000, "start": 57, "end": 58, "amount": 7, "proof": bytes(65)}
    request = later.WithdrawAssets.new_message(assets=2 * [asset | {"lot": 50, "note": "heat pump"}])
    failure = later.FailedWithdrawal.new_message(
        requestId=bytes(16), anonAddress=bytes(20), reason="Network", retryAfter=30
    )
    assert decode_body(Kind.METER_READING, reading.to_bytes()) == READING
    assert decode_body(Kind.WITHDRAW_ASSETS, request.to_bytes()) == REQUEST
    assert decode_body(Kind.FAILED_WITHDRAWAL, failure.to_bytes().ljust(ANSWER_BYTES, b"\0")) == FAILURE


def test_fields_that_an_earlier_version_lacks_are_zero() -> None:
    """A reader of today finds zero where a writer of yesterday knew no field."""
    earlier = schema(packaged_text().replace("  bulk @6 :UInt64;\n", ""))
    data = earlier.PriceSchedule.new_message(
        fromTimestep=1, retail=2, feedIn=3, local=4, gridFee=5, imbalance=6
    ).to_bytes()
    assert decode_body(Kind.PRICE_SCHEDULE, data) == replace(SCHEDULE, bulk=0)


def test_importing_messages_loads_no_schema() -> None:
    """Cap'n Proto is loaded with the first body, so that commands that send none start fast."""
    code = "import sys, petra.wire.envelope, petra.wire.bodies; sys.exit('capnp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
