"""The DSO, the prosumers and the meters as functions of state and event; no I/O, no clock, no chance of their own."""
