"""Numbers over time: chunks, rollups, rates and queries."""
