"""One file per verb; the only reader of arguments and environment, the only place of wiring and printing."""
