"""Bytes and domain values, one way and the other: calldata, logs, transactions, signatures, messages.

Pure: no socket, no file but the package's own artifact, no clock. Strict: what is decoded has exactly one encoding, and
bytes of the outside world that are anything else raise a WorldError, never an IndexError.
"""
