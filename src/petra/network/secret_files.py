"""Secrets in files that nobody else may read: keys of validators and, on networks for tests, of the DSO.

Decides: the form (64 hexadecimal digits) and the permissions. It does not know what a key is for.
Invariant: a file is born with mode 0600; one that others may read is refused, since its secret may be theirs by now.
"""

import os
import secrets
from pathlib import Path

from coincurve import PublicKey

from petra.domain.terms import Address
from petra.errors import InputError, StoreError, WorldError
from petra.wire.secp256k1 import SecretKey


def new_secret() -> bytes:
    """Return 32 fresh bytes from the operating system."""
    return secrets.token_bytes(32)


def node_id_of(secret: bytes) -> str:
    """Return the public key by which nodes know one another, 128 hexadecimal digits."""
    return PublicKey(SecretKey(secret).public_key).format(compressed=False)[1:].hex()


def write_secret(path: Path, text: str) -> None:
    """Write a new file that only its owner may read; StoreError where it exists or the disk refuses."""
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error}") from error


class KeyFile:
    """The port `Keys` for the one key in a file."""

    def __init__(self, path: Path) -> None:
        """Read the key; InputError where there is none or others may read it."""
        try:
            mode = path.stat().st_mode
            text = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{path}: no key can be read: {error}") from error
        if mode & 0o077:
            raise InputError(f"{path}: others than its owner may read this key; `chmod 600 {path}`, or use a new key")
        try:
            self._key = SecretKey(bytes.fromhex(text.removeprefix("0x")))
        except (ValueError, WorldError) as error:
            raise InputError(f"{path}: holds no key: 64 hexadecimal digits are needed") from error
        self._path = path

    @property
    def address(self) -> Address:
        """The key's address."""
        return self._key.address

    def new(self, owner: str) -> Address:
        """Refuse: a file holds one key."""
        raise StoreError(f"{self._path} holds one key and makes none for {owner}")

    def sign(self, address: Address, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r, s, v; StoreError where the key is not this one."""
        if address != self._key.address:
            raise StoreError(f"{self._path} holds the key of {self._key.address}, not of {address}")
        return self._key.sign(digest)
