"""RLP: one form for each value."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.errors import ChainError
from petra.wire import rlp

items = st.recursive(st.binary(max_size=70), lambda inner: st.lists(inner, max_size=5), max_leaves=20)


@pytest.mark.parametrize(
    "hostile",
    ["", "81", "8100", "b800", "b90001ff", "c101c0", "c2817f", "f838", "bf" + "ff" * 8, "c1" * 40, "8080"],
)
def test_bytes_that_are_not_canonical_are_refused(hostile: str) -> None:
    """Cut, padded, needlessly long or wildly nested bytes are a ChainError."""
    with pytest.raises(ChainError):
        rlp.decode(bytes.fromhex(hostile))


def test_an_integer_with_a_leading_zero_is_refused() -> None:
    """Each integer has one form."""
    with pytest.raises(ChainError):
        rlp.to_integer(b"\0\1")


@given(st.binary(max_size=200))
def test_arbitrary_bytes_decode_to_what_encodes_to_them_or_are_refused(data: bytes) -> None:
    """There is no second encoding of anything."""
    try:
        item = rlp.decode(data)
    except ChainError:
        return
    assert rlp.encode(item) == data


@given(items)
def test_items_survive_the_round_trip(item: rlp.Item) -> None:
    """Nested lists of byte strings decode to themselves."""
    assert rlp.decode(rlp.encode(item)) == item


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (b"dog", "83646f67"),
        ([b"cat", b"dog"], "c88363617483646f67"),
        (b"", "80"),
        ([], "c0"),
        (b"\x0f", "0f"),
        (b"\x04\x00", "820400"),
        ([[], [[]], [[], [[]]]], "c7c0c1c0c3c0c1c0"),
        (56 * b"a", "b838" + 56 * "61"),
        (28 * [b"ab"], "f854" + 28 * "826162"),
    ],
)
def test_known_answers(item: rlp.Item, expected: str) -> None:
    """The examples of Ethereum's documentation, and the first long string and a long list."""
    assert rlp.encode(item).hex() == expected
