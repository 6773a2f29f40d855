"""Pure: decide who is gone, what moves and when it may start elsewhere."""
