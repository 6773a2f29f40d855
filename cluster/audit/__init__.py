"""The tamper-evident audit: an RFC 6962 tree over its entries, and the proofs that can be drawn from it."""
