"""Simulated keys follow from the seed and from nothing else."""

import pytest

from petra.domain.terms import NO_ADDRESS
from petra.errors import StoreError
from petra.store.keys import SimulatedKeys
from petra.wire.secp256k1 import recover


def test_a_key_that_is_not_ours_does_not_sign() -> None:
    """The message names the address."""
    with pytest.raises(StoreError, match=NO_ADDRESS):
        SimulatedKeys(seed=1).sign(NO_ADDRESS, bytes(32))


def test_the_address_is_the_signer_s() -> None:
    """What an address signs names that address."""
    keys = SimulatedKeys(seed=1)
    address = keys.new("ana")
    assert recover(bytes(32), keys.sign(address, bytes(32))) == address


def test_an_owner_s_keys_do_not_depend_on_the_others() -> None:
    """Same seed, owner and count, same address, in whatever order owners ask."""
    one, two = SimulatedKeys(seed=1), SimulatedKeys(seed=1)
    expected = [one.new("ana"), one.new("ana")]
    two.new("ben")
    assert [two.new("ana"), two.new("ana")] == expected


def test_seeds_owners_and_counts_part_keys() -> None:
    """No two of them share a key."""
    addresses = [SimulatedKeys(seed=seed).new(owner) for seed in (1, 2, 12, -1) for owner in ("ana", "2\nana", "")]
    keys = SimulatedKeys(seed=1)
    keys.new("ana")
    addresses.append(keys.new("ana"))
    assert len(set(addresses)) == len(addresses)
