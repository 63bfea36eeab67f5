"""The prosumer: forecast, withdraw, offer, accept, deposit; one step function over one state (R43, paper Fig. 2).

Map: `state` what a home knows, `agent` the step function and its stages, `strategies/` one file each.
"""
