"""The `tower` command: one verb per module, a thin client of the REST interface."""
