"""What may be written to the log: one frozen dataclass per numbered, versioned command."""
