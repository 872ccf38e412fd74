"""What is told: summaries, metadata, the overview and its page."""
