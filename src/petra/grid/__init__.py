"""The electrical grid: the feeder, the ledger that keeps it safe, and rules to compare it with."""

from petra.grid.coefficients import ReactivePower, plain_coefficients, sound_coefficients
from petra.grid.comparison import BookRule, no_rule, plain_linear_ledger, prosumer_limits, transformer_total
from petra.grid.components import Branch, Connection, Link, Node, Transformer
from petra.grid.feeder import Feeder
from petra.grid.ledger import SafetyLedger
from petra.grid.reservations import Box, Change, Envelope, Granted, GrantRule

__all__ = [
    "BookRule",
    "Box",
    "Branch",
    "Change",
    "Connection",
    "Envelope",
    "Feeder",
    "GrantRule",
    "Granted",
    "Link",
    "Node",
    "ReactivePower",
    "SafetyLedger",
    "Transformer",
    "no_rule",
    "plain_coefficients",
    "plain_linear_ledger",
    "prosumer_limits",
    "sound_coefficients",
    "transformer_total",
]
