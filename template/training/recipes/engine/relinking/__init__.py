"""Which references name what has moved, and how they read afterwards."""
