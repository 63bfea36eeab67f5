"""The contract's rules in plain Python, their invariants, and the reader of its logs (DESIGN 4)."""
