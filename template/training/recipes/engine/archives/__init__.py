"""What the archives hold, where files are by now, and the way to a remote store and back."""
