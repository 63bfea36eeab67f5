"""Frames between two links: what is one, and what is none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.fabric.frames import Busy, Frame, Hello, Message, Refused, Stored, encode, parse
from petra.fabric.refusals import LinkReason

HASH = bytes(range(32))
hashes = st.binary(min_size=32, max_size=32)
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Message, st.binary()),
    st.builds(Stored, hashes),
    st.builds(Busy, hashes, st.integers(0, 2**32 - 1)),
    st.builds(Refused, hashes, st.sampled_from(list(LinkReason)).map(str)),
    st.just(Hello()),
)


@pytest.mark.parametrize(
    "parts",
    [
        [],
        [b""],
        [b"X"],
        [b"m", b""],
        [b"M"],
        [b"M", b"", b""],
        [b"A", HASH[:31]],
        [b"A", HASH + b"\0"],
        [b"A", HASH, b""],
        [b"B", HASH],
        [b"B", HASH, b"\0\0\1"],
        [b"R", HASH, b""],
        [b"R", HASH, b"Busy"],
        [b"R", HASH, b"busy 1"],
        [b"R", HASH, b"b" * 33],
        [b"R", HASH, "b\u00fcsy".encode()],
        [b"H", b""],
    ],
)
def test_anything_else_is_malformed(parts: list[bytes]) -> None:
    """Another letter, another number of parts, another length."""
    assert parse(parts) is LinkReason.MALFORMED


@given(frames)
def test_a_frame_is_read_as_it_was_written(frame: Frame) -> None:
    """For every frame."""
    assert parse(encode(frame)) == frame


@given(st.lists(st.binary(max_size=40), max_size=4))
def test_what_is_read_is_written_the_same(parts: list[bytes]) -> None:
    """A frame has one form only."""
    frame = parse(parts)
    assert isinstance(frame, LinkReason) or encode(frame) == parts
