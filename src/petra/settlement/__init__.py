"""What homes owe and earn once power has flowed: positions, imbalance, prices, bills (DESIGN 10).

Map: `prices` the schedule and its check, `lines` one home and one timestep, `books` the double entry,
`bills` the statement.
"""
