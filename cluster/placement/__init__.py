"""Pure: choose a host for every replica."""
