"""What would be done, as a value: pure functions from what is known to a `Plan`."""
