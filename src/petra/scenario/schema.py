"""The scenario's sections and keys, with units in the names (DESIGN 12).

Decides: what may be written and which values make sense on their own. `build` checks them against the data.
Invariant: unknown keys are refused; everything has a default but the window, the data and the prices.
Money and prices are decimal numbers in EUR and ct; they become exact integers of nano-EUR here and nowhere else.
"""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from petra.data.csv_spec import CsvSpec, csv_spec_from_values
from petra.domain.messages import PriceSchedule
from petra.errors import InputError
from petra.grid import ReactivePower
from petra.roles.dso.state import GridRule
from petra.scenario.rules import Rules, Texts, contradictions
from petra.scenario.section import Section
from petra.settlement.prices import schedule_problems

NANO_PER_EUR = 10**9
NANO_PER_CT = 10**7

Seconds = Annotated[int, Field(ge=0, le=86_400 * 366)]
Timesteps = Annotated[int, Field(ge=0, le=100_000)]
Watts = Annotated[int, Field(ge=0, le=10**9)]
Share = Annotated[float, Field(ge=0, le=1)]
Ct = Annotated[Decimal, Field(ge=0, le=10**6, decimal_places=7)]
Eur = Annotated[Decimal, Field(ge=0, le=10**9, decimal_places=9)]


class Run(Section):
    """[run]: what the scenario is called and the seed that it has unless --seed says otherwise."""

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9-]*$")
    title: str = ""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 1


class Time(Section):
    """[time]: the delivery window (local time of the data, end excluded) and how trading runs ahead of it."""

    window_from: datetime
    window_until: datetime
    gate_timesteps: Timesteps = 0
    horizon_timesteps: Annotated[int, Field(ge=1, le=1_000)] = 1

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if (self.window_from.tzinfo is None) != (self.window_until.tzinfo is None):
            raise ValueError("window_from and window_until must both have a UTC offset, or neither")
        if self.window_from >= self.window_until:
            raise ValueError("window_from must lie before window_until")
        return self


def _csv_spec(value: object) -> object:
    if not isinstance(value, dict):
        return value
    try:
        return csv_spec_from_values(value, "")
    except InputError as error:
        raise ValueError("; ".join(problem.removeprefix(": ") for problem in error.problems)) from error


class Data(Section):
    """[data]: where the profiles come from: what PETra ships, or a CSV file.

    `path` (from the scenario's folder) and the table `[data.csv]` (docs/how-to/import-your-own-data.md) belong to
    `source` = "csv".
    """

    source: Literal["case-study", "feeder-day", "rural-stress", "csv"]
    path: str | None = None
    csv: Annotated[CsvSpec | None, BeforeValidator(_csv_spec)] = None

    @model_validator(mode="after")
    def _csv_is_described(self) -> Self:
        given = (self.path is not None, self.csv is not None)
        if given != ((self.source == "csv"),) * 2:
            raise ValueError('source = "csv" needs `path` and the table [data.csv]; every other source has neither')
        return self


HoldsBack = Literal["inverter", "both", "nothing"]


class HomeOverride(Section):
    """[[community.home]]: what is different about one home.

    `participates` = false: sits out. `deposits` = false: never returns what it holds. `delivers` = false: forecasts and
    sells, but its plant stands still. `reports` = false: its meter is never heard. `holds_back`: as in [community].
    """

    name: str
    opening_balance_eur: Eur | None = None
    firm_import_watts: Watts | None = None
    firm_export_watts: Watts | None = None
    production_capacity_watts: Watts | None = None
    consumption_capacity_watts: Watts | None = None
    credit_limit_eur: Eur | None = None
    participates: bool = True
    deposits: bool = True
    delivers: bool = True
    reports: bool = True
    holds_back: HoldsBack | None = None


class Community(Section):
    """[community]: what every home has unless it stands in [[community.home]].

    `firm_export_watts` and `production_capacity_watts` left out: the rating of the home's plant.
    `firm_import_watts` = "highest": each home's own highest consumption in the data. `holds_back`: what keeps a home
    within its envelope: its `inverter`; `both`, its load too; or `nothing`.
    """

    opening_balance_eur: Eur = Decimal(20)
    credit_limit_eur: Eur = Decimal(20)
    firm_import_watts: Watts | Literal["highest"] = 14_500
    firm_export_watts: Watts | None = None
    production_capacity_watts: Watts | None = None
    consumption_capacity_watts: Watts = 43_000
    holds_back: HoldsBack = "inverter"
    home: tuple[HomeOverride, ...] = Field(default=(), strict=False)


class Forecasting(Section):
    """[forecast]: `perfect` as in the original experiment, or `seasonal` from each home's own past."""

    method: Literal["perfect", "seasonal"] = "seasonal"
    low_quantile: Annotated[float, Field(ge=0, le=0.5)] = 0.3
    high_quantile: Annotated[float, Field(ge=0.5, le=1)] = 0.7


class Strategy(Section):
    """[strategy]: how homes trade.

    `spare_offers`: how many offers a buyer accepts beyond those that would suffice, in case others are faster.
    """

    name: Literal["midpoint"] = "midpoint"
    patience_seconds: Seconds = 60
    retry_seconds: Annotated[int, Field(ge=1, le=3_600)] = 15
    minimum_watts: Annotated[int, Field(ge=1, le=10**6)] = 1
    spare_offers: Annotated[int, Field(ge=0, le=10)] = 1


class Market(Section):
    """[market]: the mechanism and the contract's bounds."""

    mechanism: Literal["first-come"] = "first-come"
    divisible: bool = True
    max_price_ct_per_kwh: Ct = Decimal(1_000)


class Schedule(Section):
    """[[prices.schedule]]: prices from so many timesteps after the window's begin on."""

    from_timestep: Timesteps = 0
    retail_ct_per_kwh: Ct
    feed_in_ct_per_kwh: Ct
    local_ct_per_kwh: Ct
    grid_fee_ct_per_kwh: Ct = Decimal(0)
    imbalance_ct_per_kwh: Ct
    bulk_ct_per_kwh: Ct

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if problems := schedule_problems(self.starting_at(0)):
            raise ValueError("; ".join(problems) + " (nano-EUR per kWh)")
        return self

    def starting_at(self, first_timestep: int) -> PriceSchedule:
        """Return the schedule in nano-EUR per kWh, counted from the first delivery timestep."""
        return PriceSchedule(
            from_timestep=self.from_timestep + first_timestep,
            retail=nano_per_kwh(self.retail_ct_per_kwh),
            feed_in=nano_per_kwh(self.feed_in_ct_per_kwh),
            local=nano_per_kwh(self.local_ct_per_kwh),
            grid_fee=nano_per_kwh(self.grid_fee_ct_per_kwh),
            imbalance=nano_per_kwh(self.imbalance_ct_per_kwh),
            bulk=nano_per_kwh(self.bulk_ct_per_kwh),
        )


class Prices(Section):
    """[prices]: one schedule or more; the last that has begun holds."""

    schedule: tuple[Schedule, ...] = Field(min_length=1, strict=False)

    @model_validator(mode="after")
    def _one_a_timestep(self) -> Self:
        begins = [schedule.from_timestep for schedule in self.schedule]
        if begins[0] != 0 or begins != sorted(set(begins)):
            raise ValueError("the first schedule begins at timestep 0 and each later one after the one before")
        return self


class ChainSettings(Section):
    """[chain]: the ledger's blocks."""

    block_seconds: Annotated[int, Field(ge=1, le=600)] = 5
    chain_id: Annotated[int, Field(ge=1, lt=2**53)] = 31_337


class FabricSettings(Section):
    """[fabric]: how messages between homes and DSO travel."""

    delay_seconds_min: Seconds = 0
    delay_seconds_max: Seconds = 1
    loss: Share = 0.0
    duplication: Share = 0.0

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.delay_seconds_min > self.delay_seconds_max:
            raise ValueError("delay_seconds_min must not exceed delay_seconds_max")
        return self


class CurtailmentSection(Section):
    """[[dso.curtailment]]: what the DSO bounds at homes' meters, told before the window begins.

    `start_timestep`, `end_timestep`: inclusive, counted from the window's begin. `homes`: names of homes or nodes;
    everybody if left out. `limit_watts`: the most that is exported, or imported, whatever is firm or granted.
    """

    direction: Literal["export", "import"]
    limit_watts: Watts
    start_timestep: Timesteps
    end_timestep: Timesteps
    homes: Texts = ()

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.start_timestep > self.end_timestep:
            raise ValueError("start_timestep must not lie after end_timestep")
        return self


class Dso(Section):
    """[dso]: how the DSO answers and settles; `offline` are pairs of local times between which it does nothing.

    `[[dso.rule]]` are its withdrawal rules, asked in this order (docs/how-to/set-withdrawal-rules.md).
    """

    delay_seconds_max: Seconds = 2
    horizon_timesteps: Timesteps = 96
    deposit_window_seconds: Annotated[int, Field(ge=1, le=86_400)] = 900
    dispute_window_seconds: Seconds = 3_600
    tolerance_percent: Annotated[int, Field(ge=0, le=100)] = 5
    offline: tuple[Annotated[tuple[datetime, datetime], Field(strict=False)], ...] = Field(default=(), strict=False)
    rule: Rules = ()
    curtailment: tuple[CurtailmentSection, ...] = Field(default=(), strict=False)

    @model_validator(mode="after")
    def _windows_agree(self) -> Self:
        if problems := contradictions(self.rule):
            raise ValueError("; ".join(problems))
        return self

    @property
    def windows_seconds(self) -> int:
        """From the end of a timestep until it is settled for good."""
        return self.deposit_window_seconds + self.dispute_window_seconds


class GridRules(Section):
    """What a scenario's [grid] and that of dso.toml share."""

    rule: GridRule = "connection"
    absorbed_var_per_watt: Annotated[float, Field(ge=0, le=0.75)] = 0.33
    supplied_var_per_watt: Annotated[float, Field(ge=0, le=0.75)] = 0.0
    supplied_var_per_import_watt: Annotated[float, Field(ge=0, le=0.75)] = 0.0

    @property
    def reactive(self) -> ReactivePower:
        """What is counted on in var."""
        return ReactivePower(
            absorbed_per_import=self.absorbed_var_per_watt,
            supplied_per_export=self.supplied_var_per_watt,
            supplied_per_import=self.supplied_var_per_import_watt,
        )


class Grid(GridRules):
    """[grid]: what keeps withdrawals within the grid.

    `rule` = `feeder`: no outcome of what is granted overloads a line or the transformer or takes a voltage out of its
    band (docs/explanation/safety.md); the data must have a feeder. `limits`: each home its own capacity, as in the
    paper. `connection`: that, and all homes together at the microgrid's connection. `none`: no limit.
    `import_limit_watts`, `export_limit_watts`: what the connection carries; left out: the transformer's rating where
    the data have one. `absorbed_var_per_watt`, `supplied_var_per_watt`: the most reactive power that a home absorbs for
    each watt that it may import, and supplies for each that it may export, whatever its power is just now.
    `supplied_var_per_import_watt`: the same for capacitive loads, for each watt that the home may import.
    """

    import_limit_watts: Watts | None = None
    export_limit_watts: Watts | None = None


class Privacy(Section):
    """[privacy]: `literal` = a fresh address for every asset, exact amounts at once, as in the paper."""

    profile: Literal["literal"] = "literal"


class Scenario(Section):
    """A declared world."""

    run: Run
    time: Time
    data: Data
    prices: Prices
    community: Community = Community()
    forecast: Forecasting = Forecasting()
    strategy: Strategy = Strategy()
    market: Market = Market()
    chain: ChainSettings = ChainSettings()
    fabric: FabricSettings = FabricSettings()
    dso: Dso = Dso()
    grid: Grid = Grid()
    privacy: Privacy = Privacy()


def nano_per_kwh(ct: Decimal) -> int:
    """Return ct per kWh as nano-EUR per kWh, exactly."""
    return int(ct * NANO_PER_CT)


def nano(eur: Decimal) -> int:
    """Return EUR as nano-EUR, exactly."""
    return int(eur * NANO_PER_EUR)
