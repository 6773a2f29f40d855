"""The process on one host: loops, adapters, and the one place where everything is wired."""
