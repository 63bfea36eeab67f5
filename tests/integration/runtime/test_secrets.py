"""The search for secrets finds them in every form; without this its silence would prove nothing."""

import base64

import pytest
from zmq.utils import z85

from tests.integration.runtime.secrets import found_secrets

SECRET = bytes(range(1, 33))
PASSWORD = "correct horse battery"


@pytest.mark.parametrize(
    "written",
    [
        SECRET.hex(),
        "0x" + SECRET.hex().upper(),
        base64.b64encode(SECRET).decode(),
        z85.encode(SECRET).decode(),
        repr(SECRET),
        str(int.from_bytes(SECRET)),
    ],
)
def test_secret_is_found_in_every_form(written: str) -> None:
    """Hexadecimal in both cases, base64, Z85, Python's bytes and a number are all the same secret."""
    assert found_secrets(f'{{"event": "x", "value": "{written}"}}', ["0x" + SECRET.hex(), PASSWORD]) == [
        "0x" + SECRET.hex()
    ]


def test_password_is_found_and_an_innocent_log_is_not() -> None:
    """A text is found as it is; a log without secrets gives nothing."""
    assert found_secrets(f"opened with {PASSWORD}!", [SECRET.hex(), PASSWORD]) == [PASSWORD]
    assert found_secrets('{"event": "started", "events": 7}', [SECRET.hex(), PASSWORD]) == []
