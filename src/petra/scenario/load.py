"""Reading a scenario, or another TOML file: from its name or text to checked values, all problems at once.

Decides: how a problem is told: file, key, what is wrong. Knows no data and no run.
"""

import tomllib
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from petra.errors import InputError
from petra.scenario.schema import Scenario

_SHIPPED = "shipped"
Model = TypeVar("Model", bound=BaseModel)


def shipped_names() -> list[str]:
    """Return the names of the scenarios that come with PETra."""
    folder = files("petra.scenario") / _SHIPPED
    return sorted(entry.name.removesuffix(".toml") for entry in folder.iterdir() if entry.name.endswith(".toml"))


def load_scenario(name_or_path: str) -> Scenario:
    """Return a shipped scenario by name, or the one in a TOML file; InputError with every problem that it has."""
    if name_or_path in shipped_names():
        return parse_scenario((files("petra.scenario") / _SHIPPED / f"{name_or_path}.toml").read_text(), name_or_path)
    path = Path(name_or_path)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        shipped = ", ".join(shipped_names())
        raise InputError(
            f"{name_or_path}: no scenario of that name ({shipped}), and no TOML file that can be read: {error}"
        ) from error
    return parse_scenario(text, str(path))


def parse_scenario(text: str, place: str) -> Scenario:
    """Return the scenario in a TOML text; `place` opens every problem's line."""
    return parse_toml(Scenario, text, place)


def parse_toml(model: type[Model], text: str, place: str) -> Model:
    """Return what a TOML text declares, checked; InputError with every problem, whose lines `place` opens."""
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{place}: not TOML: {error}") from error
    except (RecursionError, ArithmeticError) as error:
        raise InputError(f"{place}: a number is out of all range, or brackets are nested too deeply") from error
    return checked(model, tables, place)


def checked(model: type[Model], tables: dict[str, Any], place: str) -> Model:
    """Return the values of tables that were read from a file, checked; InputError as above."""
    try:
        return model.model_validate(_with_floats(tables))
    except ValidationError as error:
        raise InputError([_told(place, problem) for problem in error.errors()]) from error


def _told(place: str, problem: object) -> str:
    """Tell one of pydantic's problems in our words: place, key, what is wrong, what was given."""
    assert isinstance(problem, dict)
    keys = [
        f"[{part}]" if index == 0 else str(part + 1 if isinstance(part, int) else part)
        for index, part in enumerate(problem["loc"])
    ]
    message = str(problem["msg"]).removeprefix("Value error, ")
    if problem["type"] == "extra_forbidden":
        message = "unknown key; remove it or correct its spelling"
    given = problem["input"]
    hidden = isinstance(given, dict) or problem["type"] in {"missing", "extra_forbidden"}
    shown = "" if hidden else f" (given: {str(given)[:_SHOWN]})"
    return f"{place}: {' '.join(keys)}: {message}{shown}"


_SHOWN = 80  # characters of what was given

# Keys whose values are shares and quantiles; every other decimal number is money and stays exact.
_FLOATS = frozenset(
    {
        *("low_quantile", "high_quantile", "loss", "duplication"),
        *("absorbed_var_per_watt", "supplied_var_per_watt", "supplied_var_per_import_watt"),
    }
)


def _with_floats(value: object, key: str = "") -> object:
    match value:
        case dict():
            return {inner: _with_floats(item, inner) for inner, item in value.items()}
        case list():
            return [_with_floats(item, key) for item in value]
        case Decimal() if key in _FLOATS:
            return float(value)
        case int() if not isinstance(value, bool) and (key.endswith(("_eur", "_ct_per_kwh"))):
            return Decimal(value)
        case _:
            return value
