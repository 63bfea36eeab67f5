"""What outlives a process, each part a file or a database of its own: outbox, keys, journal."""
