"""Authentication: passwords, sessions, signed tokens, keys."""
