"""What outlives a process: a service's database and keys; a run's outbox and journal."""
