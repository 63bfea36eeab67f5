"""The forms of a run's JSON documents: run.json, grid.json and the bills (docs/how-to/read-a-report.md).

Decides: what each must have to be drawn. Knows no file and no figure.
Invariant: further keys are allowed, so that a newer run can still be read where it only adds.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

PROBLEMS_MAX = 20
_SHOWN = 40  # characters of a value that is wrong


def _drawable(value: float) -> float:
    if abs(value) > _LARGEST:
        raise ValueError("is too large to be drawn")
    return value


_LARGEST = 1e6  # of a loading or voltage, as shares
Figure = Annotated[float, AfterValidator(_drawable)]
Share = Annotated[Figure, Field(allow_inf_nan=False)] | None  # None where no power flow has a solution
Series = dict[str, list[Share]]
RuleName = Literal["none", "limits", "connection", "feeder"]


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)


class About(_Document):
    """run.json."""

    scenario: dict[str, dict[str, Any]]
    seed: int
    ledger: str | None
    commit: str | None
    versions: dict[str, str] = {}
    wall_seconds: Figure = 0.0

    @model_validator(mode="after")
    def _told(self) -> Self:
        for table, key in (("forecast", "method"), ("data", "source")):
            if key not in self.scenario.get(table, {key: ""}):
                raise ValueError(f"scenario.{table}.{key}: missing")
        return self


class _Limits(_Document):
    loading: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    voltage_min: Annotated[float, Field(gt=0, allow_inf_nan=False)]
    voltage_max: Annotated[float, Field(gt=0, allow_inf_nan=False)]

    @model_validator(mode="after")
    def _band(self) -> Self:
        if self.voltage_min >= self.voltage_max:
            raise ValueError("voltage_min must lie below voltage_max")
        return self


class _Link(_Document):
    above: str
    element: str
    metres: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Worst(_Document):
    transformer_loading: Figure
    line_loading: Figure
    voltage_min: Figure
    voltage_max: Figure


class _Solved(_Document):
    outcomes: int
    violations: int
    without_solution: int
    worst: _Worst


class _Judged(_Document):
    """A rule and what it would have granted, or why it could promise nothing."""

    rule: RuleName
    in_force: bool = False
    impossible: Annotated[list[str], Field(min_length=1)] | None = None
    asked: int | None = None
    refused: int | None = None
    granted_production: int | None = None
    granted_consumption: int | None = None
    metered: _Solved | None = None
    granted: _Solved | None = None

    @model_validator(mode="after")
    def _whole(self) -> Self:
        figures = ("asked", "refused", "granted_production", "granted_consumption", "metered", "granted")
        missing = [name for name in figures if getattr(self, name) is None]
        if self.impossible is None and missing:
            raise ValueError(f"{', '.join(missing)}: missing")
        return self


class _Comparison(_Document):
    first_requests: int
    left_out: int
    timesteps: list[int]
    rules: list[_Judged]


class GridDay(_Document):
    """grid.json of a day that was solved."""

    feeder: str
    rule: RuleName
    limits: _Limits
    links: Annotated[dict[str, _Link], Field(min_length=1)]
    first_timestep: int
    envelopes_broken: list[int]
    promises_broken: list[str]
    metered: _Solved
    granted: _Solved
    loading: Series
    voltage: Series
    granted_loading: Series
    granted_voltage_low: Series
    granted_voltage_high: Series
    comparison: _Comparison

    @model_validator(mode="after")
    def _fits(self) -> Self:
        """Every link and node has its series, all as long as the day, and everything hangs on one source."""
        elements, nodes = {link.element for link in self.links.values()}, set(self.links)
        named = {"loading": elements, "granted_loading": elements}
        named |= dict.fromkeys(("voltage", "granted_voltage_low", "granted_voltage_high"), nodes)
        for name, wanted in named.items():
            if lacking := sorted(wanted - getattr(self, name).keys()):
                raise ValueError(f"{name}: nothing is told of {', '.join(lacking[:3])}")
        lengths = {len(series) for name in named for series in getattr(self, name).values()}
        if len(lengths) != 1 or 0 in lengths:
            raise ValueError("the series are not all as long as the day")
        known = {link.above for link in self.links.values()} - nodes
        if len(known) != 1:
            raise ValueError(f"links: {len(known)} nodes feed the others, expected one")
        for node, link in self.links.items():  # from the source outwards
            if link.above not in known:
                raise ValueError(f"links: {node} comes before {link.above}, which feeds it")
            known.add(node)
        return self


class Unsolved(_Document):
    """grid.json of a day that could not be solved."""

    impossible: str


class _Sum(_Document):
    amount: int
    energy: int


class _Line(_Sum):
    kind: str
    price: int


class _Timestep(_Document):
    timestep: int
    metered: int
    position: int
    deviation: int
    utility_only: int
    provisional: bool
    readings: list[str]
    lines: list[_Line]


class _Trade(_Document):
    offer_id: int
    energy: int
    payment: int
    start: int
    end: int
    timestamp: int
    transaction: str


class Bill(_Document):
    """A home's bill: nano-units and joules."""

    home: str
    first_timestep: int
    last_timestep: int
    opening: int
    withdrawn: int
    deposited: int
    on_ledger: int
    closing: int
    community: int
    settlement: int
    utility_only: int
    savings: int
    by_kind: dict[str, _Sum]
    trades: list[_Trade]
    timesteps: list[_Timestep]


def problems_of(model: type[BaseModel], document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what is wrong with a document, a clause each with its key; nothing if it can be drawn."""
    try:
        model.model_validate(document)
    except ValidationError as error:
        for problem in error.errors()[:PROBLEMS_MAX]:
            place, said = ".".join(map(str, problem["loc"])), problem["msg"].removeprefix("Value error, ")
            if problem["type"] == "missing":
                yield f"`{place}` is missing"
            else:
                given = "" if problem["type"] == "value_error" else f", not {problem['input']!r:.{_SHOWN}}"
                yield f"`{place}`: {said}{given}" if place else said
