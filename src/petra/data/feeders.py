"""Feeders as JSON.

Decides: the file format, which is the fields of `petra.grid.Feeder` under their own names.
Knows not what a feeder must be.
Invariant: unknown, missing and mistyped fields are reported together, each with its place in the file.
"""

from pydantic import TypeAdapter, ValidationError

from petra.errors import InputError
from petra.grid import Feeder

_FORMAT: TypeAdapter[Feeder] = TypeAdapter(Feeder)


def feeder_from_json(text: str, place: str) -> Feeder:
    """Return the feeder that the text describes; InputError names every wrong field at `place`."""
    try:
        return _FORMAT.validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        problems = [f"{place}: {'.'.join(map(str, wrong['loc']))}: {wrong['msg']}" for wrong in error.errors()]
        raise InputError(problems) from None


def feeder_to_json(feeder: Feeder) -> str:
    """Return the text that `feeder_from_json` reads back as an equal feeder."""
    return _FORMAT.dump_json(feeder, indent=1).decode() + "\n"
