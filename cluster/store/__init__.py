"""The replica: tables over LMDB, snapshots, and the feed of committed changes."""
