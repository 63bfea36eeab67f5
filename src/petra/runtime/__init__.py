"""Real time: a cast on the wall clock (`live`), and the services of a DSO, homes and meters (`service`)."""
