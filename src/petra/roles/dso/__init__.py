"""The DSO: accounts, grants, settlement and bills; one step function over one state (R39-R42, DESIGN 6).

Map: `state` what it knows, `rules` when a withdrawal is refused, `grants` from request to transactions,
`accounts` credits from the ledger, `metering` readings, `settling` closes timesteps, `agent` the step function.
"""
