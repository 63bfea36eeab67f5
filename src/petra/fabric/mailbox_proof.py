"""How the owner of an account shows a gateway that its mail is its own: a fresh signature in a header.

    Authorization: PETra <account> <unix second> <65 bytes r, s, v in hexadecimal>

Decides: which digest is signed, and whether a header is such a proof now. It does not know who is enrolled.
Invariant: a proof serves one deployment, one account and the two minutes around its time, and can be mistaken for no
message: its digest begins with a word of its own.
"""

from collections.abc import Callable
from typing import Final

from petra.domain.terms import Address
from petra.errors import WorldError
from petra.fabric.refusals import LinkReason
from petra.wire.keccak import keccak256
from petra.wire.secp256k1 import address_bytes, parse_address, recover

PROOF_SECONDS: Final = 60  # a proof may be so old, or so early
_SCHEME: Final = "PETra"
_HEADER_MAX: Final = 256
_WORD: Final = keccak256(b"PETra mailbox proof 1")


def mailbox_proof(account: Address, now: int, sign: Callable[[bytes], bytes], domain: bytes) -> str:
    """Return the header's value for an account at a unix second; `sign` makes 65 bytes of a 32-byte digest."""
    return f"{_SCHEME} {account} {now} {sign(_digest(account, now, domain)).hex()}"


def proven_account(header: str, now: float, domain: bytes) -> Address | LinkReason:
    """Return whose mail may be read with this header, or why none."""
    match header[:_HEADER_MAX].split(" "):
        case [scheme, account_text, time_text, signature_text] if scheme == _SCHEME:
            pass
        case _:
            return LinkReason.MALFORMED
    try:
        account, signature = parse_address(account_text), bytes.fromhex(signature_text)
        at = int(time_text)
        # Whoever writes the time in another way signs another text: one proof, one form.
        if str(at) != time_text or not 0 <= at < 1 << 64:
            return LinkReason.MALFORMED
        signer = recover(_digest(account, at, domain), signature)
    except ValueError:
        return LinkReason.MALFORMED
    except WorldError:
        return LinkReason.SIGNATURE
    if signer != account:
        return LinkReason.SIGNATURE
    if at > now + PROOF_SECONDS:
        return LinkReason.FROM_THE_FUTURE
    return LinkReason.EXPIRED if at < now - PROOF_SECONDS else account


def _digest(account: Address, at: int, domain: bytes) -> bytes:
    return keccak256(_WORD + domain + address_bytes(account) + at.to_bytes(8))
