"""Keccak-256 is Ethereum's, whichever library computes it."""

import pytest

from petra.wire import keccak

# From the Keccak team's known answers and Ethereum's empty code hash.
VECTORS = {
    b"": "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470",
    b"abc": "4e03657aea45a94fc7d47ba826c8d667c0d1e6e33a64a036ec44f58fa12d6c45",
    b"The quick brown fox jumps over the lazy dog": "4d741b6f1eb29cb2a9b9911c82f56fa8d73b04959d3d9d222895df6c0b28aa15",
}


@pytest.mark.parametrize("is_quick", [True, False])
@pytest.mark.parametrize("data", list(VECTORS))
def test_the_digest_is_the_known_one(data: bytes, is_quick: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the quicker library, where it is installed, and with the one that is there anyway."""
    if not is_quick:
        monkeypatch.setattr(keccak, "keccak_256", None)
    assert keccak.keccak256(data).hex() == VECTORS[data]
