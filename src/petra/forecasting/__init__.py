"""From a home's past to what it will probably produce or need."""

from petra.forecasting.forecast import Forecast, Forecaster, quantile
from petra.forecasting.perfect import Perfect
from petra.forecasting.seasonal import Seasonal

__all__ = ["Forecast", "Forecaster", "Perfect", "Seasonal", "quantile"]
