"""Pure: the tamper-evident record of mutations and refusals."""
