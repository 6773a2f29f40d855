"""The metric history of one node: what every host measured, on disk."""
