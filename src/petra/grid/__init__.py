"""The electrical grid: the feeder and what keeps it safe."""

from petra.grid.components import Branch, Connection, Link, Node, Transformer
from petra.grid.feeder import Feeder

__all__ = ["Branch", "Connection", "Feeder", "Link", "Node", "Transformer"]
