"""Feeders as JSON: docs/reference/feeder-format.md.

Decides: the file format, which is the fields of `petra.grid.Feeder` under their own names.
Knows not what a feeder must be.
Invariant: unknown, missing and mistyped fields are reported together, each with its component, and with them whatever
else is wrong with the feeder as far as it can be read.
"""

import json
from math import nan
from typing import Any

from pydantic import TypeAdapter, ValidationError

from petra.errors import InputError
from petra.grid import Feeder

_FORMAT: TypeAdapter[Feeder] = TypeAdapter(Feeder)
_NAMES = {"nodes": "node", "branches": "branch"}  # the field that names a component of the list


def feeder_from_json(text: str, place: str) -> Feeder:
    """Return the feeder that the text describes; InputError names every wrong field at `place`."""
    try:
        return _FORMAT.validate_json(text, strict=True, extra="forbid")
    except ValidationError as error:
        wrong = [(detail["loc"], detail["msg"]) for detail in error.errors()]
    except InputError as error:
        raise InputError([f"{place}: {problem}" for problem in error.problems]) from None
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    problems = [f"{place}: {_component(values, location)}{message}" for location, message in wrong]
    problems += [f"{place}: {problem}" for problem in _further_problems(values, [location for location, _ in wrong])]
    raise InputError(problems)


def feeder_to_json(feeder: Feeder) -> str:
    """Return the text that `feeder_from_json` reads back as an equal feeder."""
    return _FORMAT.dump_json(feeder, indent=1).decode() + "\n"


def _component(values: Any, location: tuple[int | str, ...]) -> str:
    """Return where a field is, in the words of the file: 'branch line-7: rating_ampere: '."""
    match location:
        case (str(kind), int(index), *rest) if kind in _NAMES:
            item = values[kind][index]
            name = item.get(_NAMES[kind]) if isinstance(item, dict) else None
            where = [f"{_NAMES[kind]} {name}" if isinstance(name, str) else f"{kind}.{index}", *rest]
        case _:
            where = list(location)
    return "".join(f"{part}: " for part in where)


def _further_problems(values: Any, wrong: list[tuple[int | str, ...]]) -> list[str]:
    """Return what else is wrong, once every wrong field has become a number that nobody gave."""
    try:
        for location in wrong:
            target = values
            for part in location[:-1]:
                target = target[part]
            target[location[-1]] = nan
        _FORMAT.validate_python(values, extra="ignore")
    except InputError as error:
        return [problem for problem in error.problems if " nan" not in problem]
    except (ValidationError, LookupError, TypeError):
        pass  # a text or a whole component is missing: the first report has to do
    return []
