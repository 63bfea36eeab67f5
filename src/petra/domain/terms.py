"""The terms of a deployment: what the contract fixes for ever at its birth."""

from dataclasses import dataclass
from typing import NewType

from petra.domain.timeline import Timeline

Address = NewType("Address", str)  # EIP-55 text, 0x and 40 hexadecimal digits
NO_ADDRESS = Address("0x" + 40 * "0")
MAX_GRANTS = 200
MARKET_LOCK = 2**64 - 1  # the offer id of an asset that the market contract holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """The contract's terms, field by field as in IPetra.sol.

    Attributes:
        issuer, market: NO_ADDRESS where there is none.
        max_length: timesteps. max_price: nano-units per kWh.
        price_period: timesteps per set price; 0 = prices are free up to max_price.
    """

    dso: Address
    issuer: Address = NO_ADDRESS
    market: Address = NO_ADDRESS
    genesis: int
    timestep_seconds: int
    gate: int
    max_length: int
    max_price: int
    price_period: int = 0
    divisible: bool = True

    @property
    def timeline(self) -> Timeline:
        """The time grid of these terms."""
        return Timeline(genesis=self.genesis, timestep_seconds=self.timestep_seconds, gate=self.gate)
