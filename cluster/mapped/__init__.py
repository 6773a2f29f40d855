"""LMDB's files, opened with care: what every environment of a node needs, whatever is in it."""
