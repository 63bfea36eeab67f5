"""Ethereum chains behind one port: the twin in memory, any node by JSON-RPC, a local anvil; and a client over them."""
