"""Carrying messages between accounts: in memory with virtual time, for simulations and tests (DESIGN 5).

Knows bytes and recipients, never what is inside: who wrote a message is the envelope's business.
"""
