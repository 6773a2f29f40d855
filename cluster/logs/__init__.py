"""Container output as a host keeps it: levels, blocks, searching, merging, what to let go of. Pure."""
