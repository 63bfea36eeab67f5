"""Hypothesis strategies for message bodies: any value that their fields can hold."""

from hypothesis import strategies as st

from petra.domain.messages import (
    BillStatement,
    Body,
    Curtailment,
    Direction,
    Enrol,
    Enrolled,
    FailedWithdrawal,
    MessageReceipt,
    MeterReading,
    PriceSchedule,
    RequestedAsset,
    WithdrawalGranted,
    WithdrawAssets,
)
from petra.wire.secp256k1 import checksum_address

uint64 = st.integers(0, 2**64 - 1)
int64 = st.integers(-(2**63), 2**63 - 1)
addresses = st.binary(min_size=20, max_size=20).map(checksum_address)
message_ids = st.binary(min_size=16, max_size=16)
hashes = st.binary(min_size=32, max_size=32)
# What UTF-8 can hold; four bytes a character at most.
reasons = st.text(st.characters(codec="utf-8"), max_size=16)

requested_assets = st.builds(
    RequestedAsset,
    anon_address=addresses,
    power=int64,
    start=uint64,
    end=uint64,
    amount=uint64,
    proof=st.just(b"") | st.binary(min_size=65, max_size=65),
)
grants = st.builds(WithdrawalGranted, request_id=message_ids)
failures = st.builds(FailedWithdrawal, request_id=message_ids, anon_address=addresses, reason=reasons)
bodies: st.SearchStrategy[Body] = st.one_of(
    st.builds(WithdrawAssets, assets=st.lists(requested_assets, max_size=5).map(tuple)),
    grants,
    failures,
    st.builds(
        PriceSchedule,
        from_timestep=uint64,
        retail=uint64,
        feed_in=uint64,
        local=uint64,
        grid_fee=uint64,
        imbalance=uint64,
        bulk=uint64,
    ),
    st.builds(MeterReading, timestep=uint64, produced=uint64, consumed=uint64, previous=hashes),
    st.builds(BillStatement, document=st.binary(max_size=5_000)),
    st.builds(MessageReceipt, envelope_hash=hashes),
    st.builds(
        Enrol,
        token=st.binary(max_size=64),
        meter=addresses,
        curve_key=hashes,
        meter_curve_key=hashes,
        meter_proof=st.binary(min_size=65, max_size=65),
    ),
    st.builds(Enrolled, request_id=message_ids, document=st.binary(max_size=2_000)),
    st.builds(
        Curtailment,
        number=uint64,
        direction=st.sampled_from(Direction),
        limit_watts=uint64,
        start=uint64,
        end=uint64,
    ),
)
