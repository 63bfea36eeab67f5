"""A live service's keys on disk: its identity, its key of the fabric, and its pseudonyms (DESIGN 12, R19, R42).

Decides: the forms (web3 secret storage v3 for the identity, AES-256-GCM under a key that follows from it for all else),
the permissions, and that one process at a time has them. It does not know what is signed.
Invariants: no secret is on disk in the clear, in a message or in a `repr`; a pseudonym's key is in the database in the
same transaction as what made it needed; files are born with mode 0600 in a directory with 0700.
"""

import contextlib
import fcntl
import importlib
import json
import os
import secrets
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sql
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from petra.domain.terms import Address
from petra.errors import InputError, StoreError
from petra.store.database import Database, add_rows
from petra.store.tables import pseudonyms
from petra.wire.secp256k1 import SecretKey, address_bytes, parse_address

WORK = 262_144  # scrypt's cost of a guess at the password: about a second and 256 MB
_IDENTITY, _CURVE, _LOCK = "identity.json", "curve.json", "lock"
_CURVE_TEXT = b"PETra curve key"
_NONCE_BYTES = 12


class Keystore:
    """The port `Keys` of one live service; locked against every other process until it is closed."""

    def __init__(self, directory: Path, secret: bytes, curve: tuple[bytes, bytes], lock: int) -> None:
        """Take what `create` or `open` found."""
        self._directory = directory
        self._key = SecretKey(secret)
        self._aead = _aead(secret)
        self._curve = curve
        self._lock = lock
        self._fresh: dict[Address, tuple[str, bytes]] = {}  # made and not yet kept: whose, and the sealed secret
        self._keys: dict[Address, SecretKey] = {self._key.address: self._key}
        self._sealed: dict[Address, bytes] = {}

    @classmethod
    def create(
        cls, directory: Path, password: str, *, work: int = WORK, secret: bytes | None = None
    ) -> "Keystore":
        """Make a new identity and key of the fabric in a directory that holds none, and open them.

        Args:
            directory: made where it is not there.
            password: what opens it again.
            work: scrypt's cost, a power of two; less only where the password protects nothing, as on a testbed.
            secret: the identity's key where there is one already, as the DSO's, which the contract names.

        Raises:
            InputError: there is an identity already, others may look into the directory, or the password is empty.
            StoreError: the disk refused.
        """
        if not password:
            raise InputError(f"{directory}: an empty password protects nothing")
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"{directory}: cannot be made: {error.strerror}") from error
        lock = _locked(directory)
        try:
            if (directory / _IDENTITY).exists():
                raise InputError(f"{directory / _IDENTITY}: there is an identity already; it is never overwritten")
            secret = secret or secrets.token_bytes(32)
            curve = secrets.token_bytes(32)
            public = _curve_public(curve)
            document = {"public": public.hex(), "sealed": _seal(_aead(secret), curve, _CURVE_TEXT).hex()}
            # The identity comes last: where it stands, everything stands.
            _write(directory / _CURVE, document)
            _write(directory / _IDENTITY, _encrypted(secret, password, work))
            return cls(directory, secret, (public, curve), lock)
        except BaseException:
            os.close(lock)
            raise

    @classmethod
    def open(cls, directory: Path, password: str) -> "Keystore":
        """Open the keys in a directory.

        Raises:
            InputError: there are none, another process has them, others may read them, or the password is wrong.
        """
        if not (directory / _IDENTITY).is_file():
            raise InputError(f"{directory}: there is no {_IDENTITY}; `init` makes one")
        lock = _locked(directory)
        try:
            secret = _decrypted(directory / _IDENTITY, password)
            return cls(directory, secret, _read_curve(directory / _CURVE, _aead(secret)), lock)
        except BaseException:
            os.close(lock)
            raise

    @property
    def identity(self) -> Address:
        """The account's address."""
        return self._key.address

    @property
    def public_key(self) -> bytes:
        """The identity's compressed public key, 33 bytes."""
        return self._key.public_key

    @property
    def curve(self) -> tuple[bytes, bytes]:
        """The key pair of the fabric's encryption (CURVE): public and secret, 32 bytes each."""
        return self._curve

    @property
    def fresh(self) -> tuple[Address, ...]:
        """The pseudonyms that were made and are not kept yet, in order."""
        return tuple(self._fresh)

    def new(self, owner: str) -> Address:
        """Make a pseudonym's key in memory and return its address; `keep` it before the address is told to anybody."""
        secret = secrets.token_bytes(32)
        key = SecretKey(secret)
        self._keys[key.address] = key
        self._fresh[key.address] = (owner, _seal(self._aead, secret, address_bytes(key.address)))
        return key.address

    def keep(self, connection: sql.Connection, addresses: Sequence[Address]) -> None:
        """Write fresh keys in the caller's transaction, once; pseudonyms that are kept already change nothing."""
        fresh = [(address, *self._fresh.pop(address)) for address in addresses if address in self._fresh]
        rows = [{"address": address, "owner": owner, "sealed": sealed} for address, owner, sealed in fresh]
        add_rows(connection, pseudonyms, rows)

    def load(self, database: Database) -> tuple[Address, ...]:
        """Take up the pseudonyms that a database keeps; return them in the order in which they were made.

        Raises:
            StoreError: they were kept under another identity, or were altered.
        """
        rows = database.read(sql.select(pseudonyms).order_by(pseudonyms.c.position))
        self._sealed = {Address(row.address): row.sealed for row in rows}
        for address in (*self._sealed,)[-1:]:  # each is opened when it signs; one shows whether they are ours
            self._opened(address)
        return tuple(self._sealed)

    def sign(self, address: Address, digest: bytes) -> bytes:
        """Sign a 32-byte digest: 65 bytes r, s, v (0 or 1), low s; StoreError where the key is not here."""
        key = self._keys.get(address)
        if key is None and address in self._sealed:
            key = self._keys[address] = self._opened(address)
        if key is None:
            raise StoreError(f"{self._directory} holds no key of {address}")
        return key.sign(digest)

    def close(self) -> None:
        """Let other processes have the keys."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def __repr__(self) -> str:
        """Show the identity, never a secret."""
        return f"Keystore(identity={self.identity})"

    def _opened(self, address: Address) -> SecretKey:
        return SecretKey(_unseal(self._aead, self._sealed[address], address_bytes(address), f"the key of {address}"))


def _locked(directory: Path) -> int:
    """Return the descriptor of the directory's lock, which the process holds until it closes it or ends."""
    try:
        if directory.stat().st_mode & 0o077:
            raise InputError(f"{directory}: others may look into it; `chmod 700 {directory}`")
        lock = os.open(directory / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StoreError(f"{directory}: cannot be locked: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise InputError(f"{directory}: another process uses these keys; stop it, or give each its own") from error
    return lock


def eth_account() -> Any:
    """Import a heavy package, needed once in a service's life, without what it does to the process.

    It lets Python nest calls 100,000 deep: brackets nested as deeply in JSON then overflow the stack, and the process
    dies of what otherwise is a RecursionError.
    """
    limit = sys.getrecursionlimit()
    package = importlib.import_module("eth_account")
    sys.setrecursionlimit(limit)
    return package


def _encrypted(secret: bytes, password: str, work: int) -> dict[str, Any]:
    document: dict[str, Any] = eth_account().Account.encrypt(secret, password, iterations=work)
    return document


def _decrypted(path: Path, password: str) -> bytes:
    document = _read(path)
    try:
        secret = bytes(eth_account().Account.decrypt(document, password))
    except ValueError as error:
        if "MAC" in str(error):
            raise InputError(f"{path}: the password is wrong") from error
        raise InputError(f"{path}: is no keystore file of the web3 secret storage, version 3") from error
    except (KeyError, TypeError, AttributeError, NotImplementedError) as error:
        raise InputError(f"{path}: is no keystore file of the web3 secret storage, version 3") from error
    named = document.get("address")
    if named is not None and SecretKey(secret).address != parse_address("0x" + str(named).lower().removeprefix("0x")):
        raise InputError(f"{path}: names another address than its key has")
    return secret


def _read_curve(path: Path, aead: AESGCM) -> tuple[bytes, bytes]:
    document = _read(path)
    try:
        sealed = bytes.fromhex(document["sealed"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: holds no key of the fabric") from error
    secret = _unseal(aead, sealed, _CURVE_TEXT, f"the key in {path}")
    return _curve_public(secret), secret


def _read(path: Path) -> dict[str, Any]:
    try:
        mode = path.stat().st_mode
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: no key can be read: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path}: holds no key: it is not JSON") from error
    if mode & 0o077:
        raise InputError(f"{path}: others than its owner may read this key; `chmod 600 {path}`, or use a new key")
    if not isinstance(document, dict):
        raise InputError(f"{path}: holds no key")
    return document


def _write(path: Path, document: dict[str, Any]) -> None:
    """Write a file whole and on the disk, or not at all."""
    partial = path.with_name(path.name + ".partial")
    try:
        with contextlib.suppress(FileNotFoundError):
            partial.unlink()  # a process that died here left it
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(document, file)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


def _aead(secret: bytes) -> AESGCM:
    return AESGCM(HKDF(algorithm=SHA256(), length=32, salt=None, info=b"PETra keystore 1").derive(secret))


def _seal(aead: AESGCM, secret: bytes, of: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + aead.encrypt(nonce, secret, of)


def _unseal(aead: AESGCM, sealed: bytes, of: bytes, what: str) -> bytes:
    try:
        return aead.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], of)
    except (InvalidTag, ValueError) as error:
        raise StoreError(f"{what} was kept under another identity, or was altered") from error


def _curve_public(secret: bytes) -> bytes:
    return X25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()
