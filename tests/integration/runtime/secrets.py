"""Looking for secrets in logs, in every form in which a program might write them."""

import base64
from collections.abc import Iterable

from zmq.utils import z85


def found_secrets(log_text: str, secrets: Iterable[str]) -> list[str]:
    """Return each secret that stands in a log, as text or, if it is hexadecimal, as bytes in another form."""
    folded = log_text.lower()
    return [secret for secret in secrets if _is_there(secret, log_text, folded)]


def _is_there(secret: str, log_text: str, folded: str) -> bool:
    assert len(secret) >= 8, "a shorter text is found everywhere"
    digits = secret.removeprefix("0x").lower()
    return secret in log_text or digits in folded or any(form in log_text for form in _forms(digits))


def _forms(digits: str) -> list[str]:
    try:
        raw = bytes.fromhex(digits)
    except ValueError:
        return []
    forms = [encode(raw).decode().rstrip("=") for encode in (base64.b64encode, base64.urlsafe_b64encode)]
    forms += [repr(raw)[2:-1], str(int.from_bytes(raw))]
    if len(raw) % 4 == 0:
        forms.append(z85.encode(raw).decode("ascii"))
    return forms
