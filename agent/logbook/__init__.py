"""The history of containers' output on this host's disk."""
