"""A training: what is known when it begins, how it is run and recorded."""
