"""What the DSO hands to a new home, and what a meter tells of itself: small JSON files (DESIGN 5).

Decides: their form. It makes no token and enrols nobody.
Invariants: an invitation holds a one-time token, so it is written with mode 0600 and its `repr` does not show it; a
card holds nothing secret. What is read is whole, or all its problems are told at once.
"""

import json
import os
import re
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from petra.errors import InputError, StoreError
from petra.network.deployment import Deployment, parse_deployment
from petra.runtime.config import Account, BlockSeconds, CurveKey, Endpoint, Name
from petra.scenario.load import checked
from petra.scenario.section import Section

_TOKEN = re.compile(r"[0-9a-f]{32,128}")


class _Document(Section):
    """A JSON file of one object, which names itself in `petra`."""

    WORD: ClassVar[str]
    petra: str

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file; InputError with every problem that it has."""
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise InputError(f"{path}: cannot be read: {_reason(error)}") from error
        if not isinstance(content, dict) or content.get("petra") != cls.WORD:
            raise InputError(f"{path}: is not {cls.WORD}: name the right file")
        return checked(cls, content, str(path))

    def write(self, path: Path) -> None:
        """Write a new file that only its owner may read.

        Raises:
            InputError: there is one. StoreError: the disk refused.
        """
        text = json.dumps(self.model_dump(mode="json"), indent=2) + "\n"
        try:
            with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError as error:
            raise InputError(f"{path}: is there already; name another --out, or remove it") from error
        except OSError as error:
            raise StoreError(f"{path}: cannot be written: {error.strerror}") from error


class Invitation(_Document):
    """How a home finds its DSO, and the token with which it may join once, until the unix second `expires`."""

    WORD = "an invitation, form 1"
    petra: str = WORD
    name: Name
    dso: Account
    dso_key: CurveKey
    dso_endpoint: Endpoint
    enrol_endpoint: Endpoint
    publish_endpoint: Endpoint
    gateway_url: str = ""
    block_seconds: BlockSeconds
    deployment: dict[str, Any]
    token: str = Field(repr=False)
    expires: Annotated[int, Field(ge=0, lt=2**48)]

    @model_validator(mode="after")
    def _token(self) -> Self:
        if not _TOKEN.fullmatch(self.token):  # not by a pattern of the field, whose problem would show the token
            raise ValueError("token: is damaged: ask the DSO for another invitation")
        return self

    def read_deployment(self, place: str) -> Deployment:
        """Return the deployment that it carries, checked; `place` opens every problem's line."""
        return parse_deployment(self.deployment, f"{place}: deployment")


class HomeCard(_Document):
    """A home and its DSO, as a meter that lives apart from the home must know them."""

    WORD = "a home's card, form 1"
    petra: str = WORD
    home: Account
    home_key: CurveKey
    home_endpoint: Endpoint
    dso: Account
    dso_key: CurveKey
    dso_endpoint: Endpoint
    gateway_url: str = ""
    transport: Literal["zmq", "https"] = "zmq"
    deployment: dict[str, Any]

    def read_deployment(self) -> Deployment:
        """Return the deployment that it carries, checked."""
        return parse_deployment(self.deployment, "the home's card: deployment")


class MeterCard(_Document):
    """A meter, as its home must know it.

    `proof`: the meter's signature, by which the DSO knows that this meter belongs to this home.
    """

    WORD = "a meter's card, form 1"
    petra: str = WORD
    meter: Account
    curve_key: CurveKey
    proof: Annotated[str, Field(pattern=r"^[0-9a-f]{130}$")]


def _reason(error: Exception) -> str:
    return error.strerror or "refused" if isinstance(error, OSError) else f"not JSON ({error})"
