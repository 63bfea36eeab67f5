"""Power, energy, price and money as integers with units, and the only rounding in PETra.

Decides: how a payment follows from energy and price. Knows no asset, no offer, no time of day.
Invariant: everything is exact; where money must round, the direction is in the function's name (R96, A2).
"""

from typing import NewType

Watts = NewType("Watts", int)  # positive = production, negative = consumption, as in the paper (4.1)
Joules = NewType("Joules", int)  # watt-seconds
Money = NewType("Money", int)  # nano-units of the fiat currency: 1 EUR = 10**9
Price = NewType("Price", int)  # nano-units per kWh

JOULES_PER_KWH = 3_600_000
JOULES_PER_WH = 3_600
MONEY_PER_UNIT = 10**9
INT64_MAX = 2**63 - 1
UINT64_MAX = 2**64 - 1


def energy_of(power: int, timesteps: int, timestep_seconds: int) -> Joules:
    """Return the energy of |power| watts held for so many timesteps, in joules, never negative."""
    return Joules(abs(power) * timesteps * timestep_seconds)


def payment_rounded_down(energy: int, price: int) -> Money:
    """Return energy (J) times price (nano-units per kWh), rounded towards zero."""
    return Money(energy * price // JOULES_PER_KWH)


def payment_rounded_up(energy: int, price: int) -> Money:
    """Return energy (J) times price (nano-units per kWh), rounded away from zero."""
    return Money(-(-energy * price // JOULES_PER_KWH))
