"""Values and words of PETra: integers with units, intervals, assets, calls, events, messages, refusals.

Import from the modules: `from petra.domain.calls import PostOffer`. No I/O, no clock, no chance, no float.
"""
