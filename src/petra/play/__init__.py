"""One run, whatever the clock: who plays, what each knows, and what becomes of what they want (DESIGN 12).

Map: `world` from scenario and data to facts, `cast` the actors and their market day, `stage` the agenda and the
effects, `records` blocks and events as plain values. `sim` and `runtime` bring the clock and the chain.
"""
