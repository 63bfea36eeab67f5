"""Keys, signatures, addresses."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from petra.domain.terms import Address
from petra.errors import WorldError
from petra.wire import secp256k1
from petra.wire.keccak import keccak256

SECRET = bytes.fromhex("46" * 32)
KEY = secp256k1.SecretKey(SECRET)


@pytest.mark.parametrize("secret", [b"", bytes(32), b"\xff" * 32, b"\1" * 31, secp256k1.ORDER.to_bytes(32)])
def test_bytes_that_are_no_secret_are_refused(secret: bytes) -> None:
    """0, the order and more, and other lengths are no keys."""
    with pytest.raises(WorldError):
        secp256k1.SecretKey(secret)


def test_the_twin_with_high_s_is_refused() -> None:
    """A third party cannot turn a signature into another valid one."""
    digest = keccak256(b"petra")
    signature = KEY.sign(digest)
    high = (secp256k1.ORDER - int.from_bytes(signature[32:64])).to_bytes(32)
    with pytest.raises(WorldError, match="high s"):
        secp256k1.recover(digest, signature[:32] + high + bytes((1 - signature[64],)))


@given(st.binary(max_size=66), st.binary(max_size=33))
def test_arbitrary_bytes_recover_an_address_or_are_refused(signature: bytes, digest: bytes) -> None:
    """Hostile bytes raise nothing but our own error."""
    try:
        address = secp256k1.recover(digest, signature)
    except WorldError:
        return
    assert len(signature) == 65 and len(digest) == 32 and len(address) == 42


@pytest.mark.parametrize("text", ["", "0x", "0x12", "5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed", "0x" + "g" * 40])
def test_text_that_is_no_address_is_refused(text: str) -> None:
    """An address is 0x and 40 hexadecimal digits."""
    with pytest.raises(WorldError, match="not an address"):
        secp256k1.parse_address(text)


def test_a_mistyped_capital_is_found() -> None:
    """EIP-55's capitals are a checksum."""
    with pytest.raises(WorldError, match="mistyped"):
        secp256k1.parse_address("0x5aaeb6053F3E94C9b9A09f33669435E7Ef1BeAed")


@pytest.mark.parametrize(
    "address",
    [
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
        "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
        "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
        "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
    ],
)
def test_addresses_are_written_as_eip_55_says(address: str) -> None:
    """The examples of EIP-55."""
    assert secp256k1.parse_address(address.lower()) == address
    assert secp256k1.parse_address(address) == address


@pytest.mark.parametrize(
    ("secret", "address"),
    [
        ("46" * 32, "0x9d8A62f656a8d1615C1294fd71e9CFb3E4855A4F"),
        ("00" * 31 + "01", "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"),
    ],
)
def test_known_keys_have_their_known_addresses(secret: str, address: str) -> None:
    """EIP-155's example key and the smallest of all keys."""
    assert secp256k1.SecretKey(bytes.fromhex(secret)).address == address


@given(st.binary(min_size=32, max_size=32))
def test_the_signer_is_recovered(digest: bytes) -> None:
    """A signature names its key, and signing again gives the same bytes."""
    signature = KEY.sign(digest)
    assert secp256k1.recover(digest, signature) == KEY.address == secp256k1.address_of(KEY.public_key)
    assert signature == KEY.sign(digest) and signature[64] in {0, 1}


def test_a_secret_does_not_show() -> None:
    """What is printed of a key is its address."""
    assert SECRET.hex() not in repr(KEY) and KEY.address in repr(KEY)


def test_recovered_text_is_an_address_of_the_domain() -> None:
    """Bytes and text of an address are the same thing."""
    assert secp256k1.checksum_address(secp256k1.address_bytes(KEY.address)) == Address(KEY.address)
