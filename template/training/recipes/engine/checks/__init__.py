"""What does not follow the conventions, and what mends it."""
