"""Networks of validators: made, started, watched and ended on this machine (geth), or written for others (Besu)."""
