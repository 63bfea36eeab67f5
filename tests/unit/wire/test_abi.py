"""Calldata, logs and revert data: strict, complete, and equal to what Ethereum's own codec makes."""

import json
from importlib import resources
from typing import Any

import pytest
from eth_abi.abi import encode as ethereum_encode
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.calls import (
    AcceptOffer,
    AddAssets,
    AddEnergyAsset,
    Call,
    EnergyGrant,
    FinancialGrant,
    Lock,
    PostOffer,
)
from petra.domain.events import AssetAdded, LedgerEvent, Protested
from petra.domain.refusals import GrantReason, LedgerReason, Refusal
from petra.domain.terms import Address, Terms
from petra.errors import ChainError, PetraError
from petra.wire import abi
from petra.wire.keccak import keccak256
from tests.unit.wire import strategies

ANA = Address("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        bytes(4),
        abi.encode_call(PostOffer(asset_id=1, price=2))[:-1],
        abi.encode_call(PostOffer(asset_id=1, price=2)) + b"\0",
        abi.encode_call(PostOffer(asset_id=1, price=2))[:4] + b"\1" + bytes(63),
        abi.encode_call(Lock(owner=ANA, asset_id=1, money=2))[:4] + b"\xff" * 32 + bytes(64),
        abi.encode_call(AddAssets())[:-32],
        abi.encode_call(AddAssets())[:4] + b"\xff" * 128,
        abi.encode_call(AddAssets())[:4] + bytes(64) + abi.encode_call(AddAssets())[68:],
    ],
    ids=["empty", "no selector", "short", "long", "uint64", "address", "no list", "wild offsets", "shared offsets"],
)
def test_calldata_that_are_not_canonical_are_refused(data: bytes) -> None:
    """Whatever is not exactly what encode_call makes is a ChainError."""
    with pytest.raises(ChainError):
        abi.decode_call(data)


@given(st.binary(max_size=300), st.sampled_from(sorted(abi.FUNCTIONS.values())), st.data())
def test_hostile_bytes_raise_nothing_but_our_own_error(tail: bytes, signature: str, data: st.DataObject) -> None:
    """Arbitrary bytes either decode to something that encodes to the same bytes, or raise a PetraError."""
    hostile = data.draw(st.sampled_from([tail, keccak256(signature.encode())[:4] + tail]))
    for decode, encode in ((abi.decode_call, abi.encode_call), (abi.decode_refusal, abi.encode_refusal)):
        try:
            value: Any = decode(hostile)
        except PetraError:
            continue
        assert encode(value) == hostile


@pytest.mark.parametrize(
    "call",
    [
        PostOffer(asset_id=2**64, price=0),
        PostOffer(asset_id=-1, price=0),
        AddEnergyAsset(anon_address=ANA, power=2**63, start=0, end=0),
        AddEnergyAsset(anon_address=Address("0x12"), power=1, start=0, end=0),
    ],
)
def test_values_that_do_not_fit_their_type_are_refused(call: Call) -> None:
    """Nothing is cut to size: a value out of bounds is a ChainError."""
    with pytest.raises(ChainError, match="does not fit"):
        abi.encode_call(call)


def test_a_refusal_of_the_dso_has_no_revert_data() -> None:
    """Only the contract's reasons are custom errors."""
    with pytest.raises(ChainError):
        abi.encode_refusal(Refusal(reason=GrantReason.NETWORK))


def test_revert_data_of_solidity_itself_are_not_taken_for_a_refusal() -> None:
    """A panic is a defect of the contract, never a refusal."""
    with pytest.raises(ChainError):
        abi.decode_refusal(bytes.fromhex("4e487b71") + (0x11).to_bytes(32))


def test_a_log_with_too_few_topics_is_refused() -> None:
    """Indexed parameters stand in topics and nowhere else."""
    topics, data = abi.encode_event(AssetAdded(anon_address=ANA, asset_id=1, power=-5, start=3, end=4))
    with pytest.raises(ChainError):
        abi.decode_log(topics[:-1], topics[-1] + data)


@given(strategies.calls)
def test_calls_survive_the_round_trip(call: Call) -> None:
    """Every call decodes to itself."""
    assert abi.decode_call(abi.encode_call(call)) == call


@given(strategies.events)
def test_events_survive_the_round_trip(event: LedgerEvent) -> None:
    """Every event decodes to itself."""
    assert abi.decode_log(*abi.encode_event(event)) == event


@given(strategies.refusals)
def test_refusals_survive_the_round_trip(refusal: Refusal) -> None:
    """Every reason decodes to itself with its figures."""
    assert abi.decode_refusal(abi.encode_refusal(refusal)) == refusal


@given(strategies.terms)
def test_terms_survive_the_round_trip(terms: Terms) -> None:
    """Terms decode to themselves."""
    assert abi.decode_constructor(abi.encode_constructor(terms)) == terms


@given(strategies.terms)
def test_terms_are_encoded_as_ethereum_encodes_them(terms: Terms) -> None:
    """The words agree with eth-abi's."""
    kinds = ["address"] * 3 + ["uint64", "uint32", "uint32", "uint32", "uint64", "uint32", "bool"]
    values = [getattr(terms, name) for name in Terms.__dataclass_fields__]
    assert abi.encode_constructor(terms) == ethereum_encode(kinds, values)


def test_a_batch_of_grants_is_encoded_as_ethereum_encodes_it() -> None:
    """The two lists of addAssets, with their offsets and lengths, agree with eth-abi's."""
    call = AddAssets(
        energy=(EnergyGrant(anon_address=ANA, power=-1_500, start=57, end=58),) * 3,
        money=(FinancialGrant(anon_address=ANA, amount=10**9),) * 2,
    )
    expected = ethereum_encode(
        ["(address,int64,uint64,uint64)[]", "(address,uint64)[]"],
        [[(ANA, -1_500, 57, 58)] * 3, [(ANA, 10**9)] * 2],
    )
    assert abi.encode_call(call)[4:] == expected


def test_known_calldata() -> None:
    """The selector is the hash's first four bytes, the figures are right-aligned words."""
    encoded = abi.encode_call(AcceptOffer(offer_id=7, asset_id=258))
    assert encoded.hex() == keccak256(b"acceptOffer(uint64,uint64)")[:4].hex() + f"{7:064x}{258:064x}"


def test_the_tables_are_the_contract() -> None:
    """Functions, events and errors of the compiled contract are those of the tables, indexed parameters included."""
    ours = {f"function {signature}" for signature in abi.FUNCTIONS.values()}
    ours |= {f"event {signature} {indexed}" for signature, indexed in abi.EVENTS.values()}
    ours |= {f"error {reason.value}({types})" for reason, types in abi.ERRORS.items()}
    assert {_signature(entry) for entry in _compiled_abi()} - {None} == ours


def test_every_word_of_the_domain_is_in_the_tables() -> None:
    """No call, event or reason is forgotten."""
    assert set(abi.FUNCTIONS) == set(Call.__args__)
    assert set(abi.EVENTS) == set(LedgerEvent.__args__)
    assert list(abi.ERRORS) == list(LedgerReason)
    assert abi.encode_event(Protested(digest=bytes(32)))[0][0] == keccak256(b"Protest(bytes32)")


def _compiled_abi() -> list[dict[str, Any]]:
    text = resources.files("petra.wire").joinpath("petra.json").read_text(encoding="utf-8")
    compiled: list[dict[str, Any]] = json.loads(text)["abi"]
    return compiled


def _signature(entry: dict[str, Any]) -> str | None:
    if entry["type"] not in {"function", "event", "error"} or entry.get("stateMutability") in {"view", "pure"}:
        return None
    inputs = entry["inputs"]
    text = f"{entry['type']} {entry['name']}({','.join(map(_type, inputs))})"
    return text + (f" {sum(field['indexed'] for field in inputs)}" if entry["type"] == "event" else "")


def _type(field: dict[str, Any]) -> str:
    kind: str = field["type"]
    return kind.replace("tuple", f"({','.join(map(_type, field.get('components', [])))})")
