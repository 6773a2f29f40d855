"""Turn one assignment into effects on this host, idempotently."""
