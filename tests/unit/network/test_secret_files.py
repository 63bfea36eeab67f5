"""Keys in files: refused where others may read them."""

from pathlib import Path

import pytest

from petra.errors import InputError, StoreError
from petra.network.secret_files import KeyFile, new_secret, write_secret
from petra.wire.secp256k1 import SecretKey, recover


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    """Whoever can read the DSO's key can mint energy."""
    path = tmp_path / "dso.key"
    write_secret(path, new_secret().hex())
    path.chmod(mode)
    with pytest.raises(InputError, match="others than its owner"):
        KeyFile(path)


@pytest.mark.parametrize("text", ["", "0x12", "nonsense", "00" * 32, "ff" * 32])
def test_text_that_is_no_key_is_refused_without_being_shown(tmp_path: Path, text: str) -> None:
    """A secret with a slip must not end up in a log."""
    path = tmp_path / "dso.key"
    write_secret(path, text)
    with pytest.raises(InputError, match="64 hexadecimal digits") as caught:
        KeyFile(path)
    assert not text or text not in str(caught.value)


def test_a_missing_key_is_refused(tmp_path: Path) -> None:
    """The message names the file."""
    with pytest.raises(InputError, match=r"dso\.key: no key can be read"):
        KeyFile(tmp_path / "dso.key")


def test_a_secret_is_never_overwritten(tmp_path: Path) -> None:
    """What a key has signed would be lost with it."""
    path = tmp_path / "dso.key"
    write_secret(path, "first")
    with pytest.raises(StoreError, match="cannot be written"):
        write_secret(path, "second")
    assert path.read_text(encoding="utf-8") == "first"


def test_a_key_signs_for_its_own_address_only(tmp_path: Path) -> None:
    """It is the port `Keys` with one key, and makes no others."""
    path, secret = tmp_path / "dso.key", new_secret()
    write_secret(path, "0x" + secret.hex() + "\n")
    keys, digest = KeyFile(path), bytes(range(32))
    assert path.stat().st_mode & 0o777 == 0o600
    assert keys.address == SecretKey(secret).address
    assert recover(digest, keys.sign(keys.address, digest)) == keys.address
    with pytest.raises(StoreError, match="holds the key of"):
        keys.sign(SecretKey(new_secret()).address, digest)
    with pytest.raises(StoreError, match="makes none"):
        keys.new("dso")
