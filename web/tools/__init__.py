"""What can be done here, once for every surface, and the registry of tools over it."""
