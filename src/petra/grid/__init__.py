"""The electrical grid: the feeder and what keeps it safe."""

from petra.grid.feeder import Branch, Feeder, Link, Node, Transformer

__all__ = ["Branch", "Feeder", "Link", "Node", "Transformer"]
