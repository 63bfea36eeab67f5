"""Write the reference pages of the TOML files from their models: sections, keys, defaults. `--check` only compares."""

import sys
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from petra.runtime.config import DsoConfig, HomeConfig, MeterConfig, ServiceConfig
from petra.scenario.schema import Scenario

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "reference"
SCENARIO = """# The scenario file

After this page you can declare a run of your own: which homes, which prices, which ledger, which faults.

A scenario is a TOML file; the shipped ones are in `src/petra/scenario/shipped/`.
Unknown keys are refused, and all problems of a file are told at once with their place.
Powers are watts, times local to the data unless they carry a UTC offset.
Money is EUR and ct as decimal numbers, kept exactly.
This page is written by `scripts/scenario_reference.py` from the schema.
"""


CONFIGURATION = """# Configuration of the services

After this page you can read and change the file of a DSO, a home or a meter.

`init` writes the file into the service's directory, mode 0600.
Unknown keys are refused, and all problems of a file are told at once with their place.
Paths are told from the directory. Powers are watts; money is EUR and ct as decimal numbers, kept exactly.

| in a service's directory | |
|---|---|
| `dso.toml`, `home.toml` or `meter.toml` | this configuration |
| `deployment.json` | which contract on which chain |
| `keys/` | the keystore: identity and key of the fabric, encrypted by the password |
| `dso.db`, `home.db` or `meter.db` | everything that the service knows; a home's pseudonym keys too, encrypted |
| `invitation.json` | of a home: how to join, until it has |
| `meter-card.json`, `home-card.json` | of a home: its meter for the DSO, itself for a meter that lives elsewhere |

The state of a service is its diary, replayed at each start from the same beginning. So these sections cannot be changed
after the first start: **[policy]**, **[grid]** with its feeder's file, **[[rule]]** and **[[prices]]** of a DSO (later
prices: `petra dso price`),
**[meter]**, **[forecast]** and **[strategy]** of a home, **[meter]** of a meter.

In `[dso]` and `[home]`, `rpc` are URLs of nodes (the deployment's if left out), and `confirmations` is how many blocks
stand on top of one that is final.

A **profile** is a CSV file: a line of names, `timestep,produced_watts,consumed_watts`, then a line a timestep, whole
numbers >= 0. Instead of `timestep` the first column may be `unix`, the second at which the timestep begins.
There are no gaps.

This page is written by `scripts/scenario_reference.py` from the models.
"""


def pages() -> dict[Path, str]:
    """Return every page by its path."""
    files: tuple[type[ServiceConfig], ...] = (DsoConfig, HomeConfig, MeterConfig)
    services = "".join(
        _section(model, f"{file.FILE}: {title}") for file in files for model, title in _models(file, "")
    )
    scenario = "".join(_section(model, title) for model, title in _models(Scenario, ""))
    return {FOLDER / "scenario.md": SCENARIO + scenario, FOLDER / "configuration.md": CONFIGURATION + services}


def _models(model: type[BaseModel], path: str) -> list[tuple[type[BaseModel], str]]:
    """Return every section with its TOML heading, in the order of the schema."""
    found: list[tuple[type[BaseModel], str]] = []
    for name, field in model.model_fields.items():
        heading = f"{path}.{name}" if path else name
        shown = f"[[{heading}]]" if "tuple" in str(field.annotation) else f"[{heading}]"
        inners = _models_in(field.annotation)
        for inner in inners:
            (kind,) = get_args(inner.model_fields["kind"].annotation) if len(inners) > 1 else ("",)
            found.append((inner, f'{shown} kind = "{kind}"' if kind else shown))
            found += _models(inner, heading)
    return found


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """Return the sections that a field may hold: none, one, or one for each kind."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]


def _section(model: type[BaseModel], title: str) -> str:
    about = (model.__doc__ or "").split(": ", 1)[-1].strip()
    text = " ".join(about.split())
    rows = [
        _row(name, field) for name, field in model.model_fields.items() if not _models_in(field.annotation)
    ]
    table = ["| key | values | default |", "|---|---|---|", *rows] if rows else []
    return "\n".join(["", f"## {title}", "", text[0].upper() + text[1:], "", *table, ""])


def _row(name: str, field: FieldInfo) -> str:
    if field.is_required():
        shown = "required"
    elif field.default is None or field.default in {"", ()}:
        shown = "left out"
    else:
        shown = f"`{field.default}`"
    return f"| `{name}` | {_values(field)} | {shown} |"


def _values(field: FieldInfo) -> str:
    kind = str(field.annotation).replace("typing.", "").replace("datetime.", "").replace("decimal.", "")
    kind = kind.removeprefix("<class '").removesuffix("'>").split("Annotated[")[-1].split(", FieldInfo")[0]
    kind = kind.replace("petra.domain.terms.Address", "address")
    bounds = [
        f"{sign} {value}"
        for constraint in field.metadata
        for key, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"), ("pattern", "matches"))
        if (value := getattr(constraint, key, None)) is not None
    ]
    return " ".join([kind.replace("|", "or"), *bounds])


def main() -> int:
    """Write the pages, or say which are fresh."""
    stale = [
        path for path, text in pages().items() if not path.is_file() or path.read_text(encoding="utf-8") != text
    ]
    if "--check" in sys.argv:
        print(f"stale: {[path.name for path in stale]}: python scripts/scenario_reference.py" if stale else "fresh")
        return 1 if stale else 0
    for path in stale:
        path.write_text(pages()[path], encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
