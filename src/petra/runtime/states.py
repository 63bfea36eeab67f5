"""What the DSO and a home know when their diary begins: from their files to the states of their roles.

Decides: nothing that a file does not say. Invariant: the same file, keys and database give the same state, since a
diary is played again on it.
"""

import time
from collections.abc import Sequence
from functools import partial

from petra.domain.terms import Address
from petra.errors import InputError
from petra.forecasting import Forecast, Forecaster, Seasonal
from petra.ledger.fold import LedgerView
from petra.network.deployment import Deployment
from petra.roles.dso.state import DsoState, Policy
from petra.roles.prosumer.state import Habits, ProsumerState
from petra.roles.prosumer.strategies import midpoint
from petra.runtime.config import DsoConfig, HomeConfig
from petra.runtime.draws import Draws
from petra.runtime.feeders import born_book
from petra.runtime.sensors import Series, read_series
from petra.scenario.rules import built
from petra.store.database import Database
from petra.store.registry import Settings
from petra.wire.envelope import signature_domain

FIRST_TIMESTEP = "first_timestep"  # the setting that keeps what was the current one at the first start
LAST_TIMESTEP = 2**40  # a service has no end
SECONDS_PER_DAY = 86_400
BLOCKS_TO_TRADE = 3  # a grant needs a block to appear in, an offer one, an acceptance one


def dso_state(config: DsoConfig, deployment: Deployment, database: Database) -> DsoState:
    """Return what the DSO knows before its first event: prices and rules, and nobody yet."""
    policy, terms = config.policy, deployment.terms
    first = _first_timestep(config, deployment, database)
    return DsoState(
        address=terms.dso,
        terms=terms,
        policy=Policy(
            schedules=config.schedules(),
            horizon_timesteps=policy.horizon_timesteps,
            deposit_window_seconds=policy.deposit_window_seconds,
            dispute_window_seconds=policy.dispute_window_seconds,
            tolerance_per_mille=policy.tolerance_percent * 10,
            import_limit_watts=policy.import_limit_watts,
            export_limit_watts=policy.export_limit_watts,
            delay_seconds_max=policy.delay_seconds_max,
            billing_timesteps=policy.billing_timesteps,
            grid_rule=config.grid.rule,
            rules=built(config.rule, policy.capacity),
        ),
        signature_domain=signature_domain(deployment.chain_id, deployment.contract),
        first_timestep=first,
        last_timestep=LAST_TIMESTEP,
        members={},
        view=LedgerView(terms),
        next_to_settle=first,
        grid=born_book(config, database),
    )


def home_state(config: HomeConfig, deployment: Deployment, address: Address, draws: Draws) -> ProsumerState:
    """Return what a home knows before its first event: itself, and what its files tell of its past."""
    home, strategy, terms = config.home, config.strategy, deployment.terms
    past = _past(config, deployment)
    return ProsumerState(
        name=home.name,
        address=address,
        dso=Address(home.dso),
        terms=terms,
        habits=Habits(
            patience_seconds=strategy.patience_seconds,
            retry_seconds=strategy.retry_seconds,
            minimum_watts=strategy.minimum_watts,
            spare_offers=strategy.spare_offers,
            lot_watts=strategy.lot_watts,
        ),
        strategy=midpoint.decide,
        forecaster=_forecaster(config, deployment),
        new_pseudonym=draws,
        view=LedgerView(terms),
        history=list(past),
        known_until=-1,
        steps_per_day=max(1, SECONDS_PER_DAY // terms.timestep_seconds),
        deadline_margin_seconds=BLOCKS_TO_TRADE * home.block_seconds,
    )


def _first_timestep(config: DsoConfig, deployment: Deployment, database: Database) -> int:
    """Return the first timestep to settle, the same one at every start."""
    settings = Settings(database)
    kept = settings.get(FIRST_TIMESTEP)
    if kept is not None:
        return int(kept)
    current = deployment.terms.timeline.current(int(time.time()))
    first = current if config.dso.first_timestep is None else config.dso.first_timestep
    with database.transaction() as connection:
        settings.put(connection, FIRST_TIMESTEP, str(first))
    return first


def _past(config: HomeConfig, deployment: Deployment) -> tuple[int, ...]:
    """Return the net power of the timesteps before timestep 0, as far as a file knows them."""
    if not config.forecast.history:
        return ()
    path = config.path(config.forecast.history)
    series = read_series(path, deployment.terms.timeline)
    last = series.first + len(series.produced) - 1
    if last >= 0:
        raise InputError(f"{path}: a history ends before timestep 0, this one with timestep {last}")
    return series.net_watts()


def _forecaster(config: HomeConfig, deployment: Deployment) -> Forecaster:
    forecast = config.forecast
    if forecast.method == "seasonal":
        return Seasonal(low_quantile=forecast.low_quantile, high_quantile=forecast.high_quantile)
    series = read_series(config.path(forecast.profile), deployment.terms.timeline)
    return partial(_known, series, series.net_watts())


def _known(
    series: Series, net_watts: tuple[int, ...], history_watts: Sequence[int], steps: int, steps_per_day: int
) -> Forecast:
    """Forecast what the file says of the timesteps after the history, which began with timestep 0; it repeats."""
    first = len(history_watts) - series.first
    coming = tuple(net_watts[(first + step) % len(net_watts)] for step in range(steps))
    return Forecast(low=coming, median=coming, high=coming)
