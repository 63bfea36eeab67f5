"""Write docs/reference/scenario.md from the schema: every section, key, default and bound. `--check` only compares."""

import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from petra.scenario.schema import Scenario

PAGE = Path(__file__).resolve().parents[1] / "docs" / "reference" / "scenario.md"
HEAD = """# The scenario file

After this page you can declare a run of your own: which homes, which prices, which ledger, which faults.

A scenario is a TOML file; the shipped ones are in `src/petra/scenario/shipped/`.
Unknown keys are refused, and all problems of a file are told at once with their place.
Powers are watts, times local to the data unless they carry a UTC offset.
Money is EUR and ct as decimal numbers, kept exactly.
This page is written by `scripts/scenario_reference.py` from the schema.
"""


def page() -> str:
    """Return the whole page."""
    return HEAD + "".join(_section(model, title) for model, title in _models(Scenario, ""))


def _models(model: type[BaseModel], path: str) -> list[tuple[type[BaseModel], str]]:
    """Return every section with its TOML heading, in the order of the schema."""
    found: list[tuple[type[BaseModel], str]] = []
    for name, field in model.model_fields.items():
        inner = _model_in(field.annotation)
        if inner is not None:
            heading = f"{path}.{name}" if path else name
            repeated = "tuple" in str(field.annotation)
            found.append((inner, f"[[{heading}]]" if repeated else f"[{heading}]"))
            found += _models(inner, heading)
    return found


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    candidates = (_model_in(argument) for argument in getattr(annotation, "__args__", ()))
    return next((model for model in candidates if model is not None), None)


def _section(model: type[BaseModel], title: str) -> str:
    about = (model.__doc__ or "").split(": ", 1)[-1].strip()
    text = " ".join(about.split())
    rows = [
        _row(name, field) for name, field in model.model_fields.items() if _model_in(field.annotation) is None
    ]
    table = ["| key | values | default |", "|---|---|---|", *rows] if rows else []
    return "\n".join(["", f"## {title}", "", text[0].upper() + text[1:], "", *table, ""])


def _row(name: str, field: FieldInfo) -> str:
    shown = "required" if field.is_required() else f"`{field.default}`" if field.default is not None else "left out"
    return f"| `{name}` | {_values(field)} | {shown} |"


def _values(field: FieldInfo) -> str:
    kind = str(field.annotation).replace("typing.", "").replace("datetime.", "").replace("decimal.", "")
    kind = kind.removeprefix("<class '").removesuffix("'>").split("Annotated[")[-1].split(", FieldInfo")[0]
    bounds = [
        f"{sign} {value}"
        for constraint in field.metadata
        for key, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<"), ("pattern", "matches"))
        if (value := getattr(constraint, key, None)) is not None
    ]
    return " ".join([kind.replace("|", "or"), *bounds])


def main() -> int:
    """Write the page, or say whether it is fresh."""
    if "--check" in sys.argv:
        fresh = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        print("scenario.md is fresh" if fresh else "scenario.md is stale: python scripts/scenario_reference.py")
        return 0 if fresh else 1
    PAGE.write_text(page(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
